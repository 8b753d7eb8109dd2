"""Why a value is what it is: contributions in SEK that add up to it.

What belongs here: turning log contributions of a model into SEK, grouped as a person
thinks. What does not: getting them from a model (``log_contributions``), the arithmetic
of dividing (``attribution``), names and facts in words (``reason_groups``).

*From what.* The models say by which factor a home's price per m² lies above the city's
level, so value = exp(base + contributions) x index today x what the latest sales went
above it x area. The explanation starts from the usual home: the median area, at the
model's mean level and at the market's of a reference day (a year before the valuation,
say). So "size" carries the whole step from the usual area to the home's own, square
metres and what small flats fetch beyond them, as a person expects; and "market" carries
what the index and the level above it have done since that day, how prices of such sizes
have drifted, and the recalibration. Started from zero, or from an average home of this
very area and day, size or market would be missing.

*Into SEK.* A contribution is its log times the logarithmic mean of base and value: it
has the sign of the log, hangs on no order, and all add up. They are rounded to whole
SEK by the largest remainder, features first; a group is the sum of its features, so
groups and features both add up to the value exactly.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from ml.valuation.attribution import sek_parts
from ml.valuation.features import MARKET_LEVEL
from ml.valuation.hedonic.columns import floats
from ml.valuation.log_contributions import AREA, BASE
from ml.valuation.reason_groups import (
    FEATURE_NAMES,
    PRICE_INDEX,
    Group,
    fact_text,
    feature_label,
    group_label,
    group_of,
    group_text,
    price_index_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from ml.valuation.hedonic.columns import Table
    from ml.valuation.words import Language


class Part(BaseModel):
    """What one feature of a group adds to the value, and the home's own fact."""

    model_config = ConfigDict(frozen=True)

    feature: str
    label: str
    value_sek: int
    text: str


class Contribution(BaseModel):
    """What a group of reasons adds to the value, in SEK.

    ``effect_pct`` is the factor it multiplies the price by, less one, in per cent: it
    does not hang on the other groups. ``share_pct`` is its part of all contributions
    taken without their signs. The ``parts`` add up to ``value_sek``; there are none
    where the group is one feature, or was explained as a whole.
    """

    model_config = ConfigDict(frozen=True)

    group: Group
    label: str
    value_sek: int
    effect_pct: float
    share_pct: float
    text: str
    parts: list[Part]


class Explanation(BaseModel):
    """Contributions, largest first: ``base_sek`` and all of them add up to the value.

    The base is the value of the usual home: ``base_living_area_m2`` large, on the
    market of ``base_date`` where that is known.
    """

    model_config = ConfigDict(frozen=True)

    base_sek: int
    base_living_area_m2: float
    base_date: dt.date | None
    contributions: list[Contribution]
    value_sek: int


@dataclass(frozen=True)
class Reference:
    """What explanations start from: a usual area, and the market's level on a day.

    ``market_log_level`` is what sales then went above the index; models that know no
    such level have no use for it. ``usual`` holds what is usual by feature, to be told
    beside a home's own facts.
    """

    living_area_m2: float
    price_index_sek_per_m2: float
    date: dt.date | None = None
    market_log_level: float = 0.0
    usual: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_sales(
        cls,
        sales: pd.DataFrame,
        price_index_sek_per_m2: float,
        date: dt.date | None = None,
    ) -> Self:
        """Take the medians of sales, at a market's level."""
        numbers = [name for name in FEATURE_NAMES if name in sales]
        usual = sales[numbers].select_dtypes("number").median().dropna()
        return cls(
            living_area_m2=float(usual[AREA]),
            price_index_sek_per_m2=price_index_sek_per_m2,
            date=date,
            market_log_level=float(usual.get(MARKET_LEVEL, 0.0)),
            usual={str(name): float(value) for name, value in usual.items()},
        )


def explained(
    log_contributions: Table,
    features: Table,
    value_sek: Sequence[float] | np.ndarray,
    reference: Reference,
    language: Language = "sv",
) -> list[Explanation]:
    """Explain the values of homes, one each row.

    Parameters
    ----------
    log_contributions
        Columns: features of ``reason_groups`` (or whole groups), ``recalibration``,
        ``base`` and, of a model that reads it, ``market_log_level``; a row adds up to
        the log of the value per m² over the index.
    features
        The rows the values were predicted from.
    value_sek
        The values, as they are shown: whole SEK.
    reference
        The usual home and market to start from.
    language
        Of labels and facts.

    Raises
    ------
    SlutprisError
        When a feature has no group, or the contributions belong to another value.
    """
    logs = logs_from_reference(log_contributions, features, value_sek, reference)
    told = {name: features[name].tolist() for name in _told(features)}
    return [
        _explanation(
            logs_of,
            contributions_sek(logs_of, round(value), reference),
            home,
            reference,
            language,
        )
        for logs_of, value, home in zip(logs, value_sek, _rows(told), strict=True)
    ]


def logs_from_reference(
    log_contributions: Table,
    features: Table,
    value_sek: Sequence[float] | np.ndarray,
    reference: Reference,
) -> list[dict[str, float]]:
    """Add the steps from the usual area and market to the model's contributions.

    Where no index of the day is known, the market's step is what is left to the value.
    """
    logs = {str(name): floats(log_contributions, name) for name in log_contributions}
    size = AREA if AREA in logs else "size"
    logs[size] = logs[size] + np.log(floats(features, AREA) / reference.living_area_m2)
    if MARKET_LEVEL in logs:
        logs[MARKET_LEVEL] = logs[MARKET_LEVEL] - reference.market_log_level
        logs[BASE] = logs[BASE] + reference.market_log_level
    market = np.log(floats(features, PRICE_INDEX) / reference.price_index_sek_per_m2)
    value = np.asarray(value_sek, dtype="float64")
    rest = np.log(value / _level_sek(reference)) - np.column_stack(
        list(logs.values())
    ).sum(axis=1)
    logs[PRICE_INDEX] = np.where(np.isnan(market), rest, market)
    return list(_rows({name: values.tolist() for name, values in logs.items()}))


def contributions_sek(
    logs: Mapping[str, float], value_sek: int, reference: Reference
) -> dict[str, int]:
    """Divide a value in SEK: whole numbers that add up to it exactly.

    ``logs`` are a home's of :func:`logs_from_reference`; the names are the same, the
    base among them.
    """
    causes = [name for name in logs if name != BASE]
    base_sek = round(np.exp(logs[BASE]) * _level_sek(reference))
    parts = sek_parts(np.array([logs[name] for name in causes]), base_sek, value_sek)
    return {BASE: base_sek, **dict(zip(causes, parts.tolist(), strict=True))}


def _told(features: Table) -> list[str]:
    """Name the columns that facts are told of."""
    return [
        name
        for name in features
        if isinstance(name, str) and (name in FEATURE_NAMES or name.startswith("is_"))
    ]


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _level_sek(reference: Reference) -> float:
    return reference.living_area_m2 * reference.price_index_sek_per_m2


def _explanation(
    logs: dict[str, float],
    sek: dict[str, int],
    home: Mapping[str, Any],
    reference: Reference,
    language: Language,
) -> Explanation:
    by_group: dict[Group, list[str]] = {}
    for name in sek:
        if name != BASE:
            by_group.setdefault(group_of(name), []).append(name)
    whole = sum(abs(sum(sek[name] for name in names)) for names in by_group.values())
    contributions = [
        Contribution(
            group=group,
            label=group_label(group, language),
            value_sek=sum(sek[name] for name in names),
            effect_pct=_percent(np.expm1(sum(logs[name] for name in names))),
            share_pct=_percent(abs(sum(sek[name] for name in names)) / max(whole, 1)),
            text=_text(group, logs, home, reference, language),
            parts=_parts(group, names, sek, home, reference, language),
        )
        for group, names in by_group.items()
    ]
    return Explanation(
        base_sek=sek[BASE],
        base_living_area_m2=reference.living_area_m2,
        base_date=reference.date,
        contributions=sorted(contributions, key=lambda each: -abs(each.value_sek)),
        value_sek=sum(sek.values()),
    )


def _parts(
    group: Group,
    names: list[str],
    sek: dict[str, int],
    home: Mapping[str, Any],
    reference: Reference,
    language: Language,
) -> list[Part]:
    if names == [group]:
        return []
    parts = [
        Part(
            feature=name,
            label=feature_label(name, language),
            value_sek=sek[name],
            text=fact_text(name, home, reference.usual, language),
        )
        for name in names
    ]
    return sorted(parts, key=lambda part: -abs(part.value_sek))


def _text(
    group: Group,
    logs: dict[str, float],
    home: Mapping[str, Any],
    reference: Reference,
    language: Language,
) -> str:
    if group != "market" or reference.date is None:
        return group_text(group, home, reference.usual, language)
    index = price_index_text(logs[PRICE_INDEX], reference.date, language)
    return index + (LATEST_SALES[language] if MARKET_LEVEL in home else "")


LATEST_SALES: dict[Language, str] = {
    "sv": "; dessutom de senaste veckornas försäljningar",
    "en": "; and the sales of the latest weeks",
}


def _percent(share: float) -> float:
    return round(100 * float(share), 1)
