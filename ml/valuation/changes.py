"""What changed since a former valuation of a home, in SEK that add up.

What belongs here: dividing the difference of two values among the market, new
comparables and other sales, changed facts, and the new model. What does not: computing
features or loading models; both come in.

Each cause is switched from then to now, in all 16 mixtures, and each gets what its
switch adds on average over all orders (its Shapley value). One order would hand the
joint effect of two causes, a rising market for a home that grew, to whichever came
last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from ml.valuation.attribution import (
    coalitions,
    shapley_values,
    spread_to,
    whole_numbers,
)
from ml.valuation.features import ECONOMY_FEATURES, FACTS, MARKET_LEVEL
from ml.valuation.reason_groups import (
    PRICE_INDEX,
    feature_label,
    price_index_text,
    written_fact,
)
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.valuation.words import Language

Cause = Literal["market", "comparables", "facts", "model"]
CAUSES: tuple[Cause, ...] = get_args(Cause)

MARKET_COLUMNS = frozenset(
    {
        PRICE_INDEX,
        MARKET_LEVEL,
        "size_log_drift",
        "asking_log_premium",
        "sold_date",
        "sold_year_fraction",
        "sold_month_sin",
        "sold_month_cos",
        "sold_date_norm",
        *ECONOMY_FEATURES,
        *(f"is_{name}_scenario" for name in ECONOMY_FEATURES),
        "unemployment_norm",
        "policy_rate_norm",
    }
)
"""The day and what is known of the market on it, the same for every home but for what
it knows of sizes."""

FACT_COLUMNS = ("street", "district", "agency", *FACTS, "list_price_sek")
MAX_DRIFT = 1e-4
"""By what share a model's value may differ from the one it is on record with, its
libraries having changed since, before the record is taken for another valuation's."""

_LABELS: dict[Cause, tuple[str, str]] = {
    "market": ("Marknaden", "The market"),
    "comparables": ("Nya försäljningar i närheten", "New sales nearby"),
    "facts": ("Ändrade uppgifter", "Changed facts"),
    "model": ("Ny modell", "New model"),
}


class FactChange(BaseModel):
    """A fact of the home that differs between the two valuations."""

    model_config = ConfigDict(frozen=True)

    feature: str
    text: str


class CauseOfChange(BaseModel):
    """What one cause added to the value since then."""

    model_config = ConfigDict(frozen=True)

    cause: Cause
    label: str
    value_sek: int
    text: str


class ValueChange(BaseModel):
    """The causes, largest first, add up to ``change_sek``, and that to the values."""

    model_config = ConfigDict(frozen=True)

    value_then_sek: int
    value_now_sek: int
    change_sek: int
    causes: list[CauseOfChange]
    changed_facts: list[FactChange]


@dataclass(frozen=True)
class Valued:
    """A valuation as it was made: a row of features, a model's predict, the value.

    ``model`` names the model's version; ``comparables`` are the ids of the sales it was
    compared with. Both are only told.
    """

    predict: Callable[[pd.DataFrame], np.ndarray]
    features: pd.DataFrame
    value_sek: int
    model: str = ""
    comparables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Crossed:
    """Features of a home whose facts changed, between then and now: a row each.

    ``former_facts_now`` is the former request asked as of today, ``new_facts_then``
    today's request as of the former day. Many features hang on both, a neighbour's
    weight on the home's size for one, so they cannot be put together of columns.
    """

    former_facts_now: pd.DataFrame
    new_facts_then: pd.DataFrame


def change_of_value(
    then: Valued,
    now: Valued,
    *,
    crossed: Crossed | None = None,
    language: Language = "sv",
) -> ValueChange:
    """Divide what a home's value changed by among its causes.

    Parameters
    ----------
    then, now
        The former valuation and today's, of one home. A column that was not yet
        computed then has today's value in the former rows too, so a feature that a new
        model brings along counts as the new model's.
    crossed
        Needed when the request states other facts now; None when it is the same.
    language
        Of labels and texts.

    Raises
    ------
    SlutprisError
        When a model does not give the value it is said to have given.
    """
    outcomes = _outcomes(then, now, crossed)
    _require_same(outcomes[0], then)
    _require_same(outcomes[-1], now)
    change_sek = now.value_sek - then.value_sek
    parts = whole_numbers(spread_to(shapley_values(outcomes), change_sek), change_sek)
    facts = _changed_facts(then, crossed, language)
    causes = [
        CauseOfChange(
            cause=cause,
            label=_LABELS[cause][language == "en"],
            value_sek=int(part),
            text=_text(cause, then, now, facts, language),
        )
        for cause, part in zip(CAUSES, parts, strict=True)
    ]
    return ValueChange(
        value_then_sek=then.value_sek,
        value_now_sek=now.value_sek,
        change_sek=change_sek,
        causes=sorted(causes, key=lambda each: -abs(each.value_sek)),
        changed_facts=facts,
    )


def _outcomes(then: Valued, now: Valued, crossed: Crossed | None) -> np.ndarray:
    """Value all mixtures, in the order of ``coalitions``: eight rows for each model."""
    rows = _mixtures(then, now, crossed)
    by_then = np.asarray(then.predict(rows), dtype="float64")
    if now.predict == then.predict:
        return np.concatenate([by_then, by_then])
    return np.concatenate([by_then, np.asarray(now.predict(rows), dtype="float64")])


def _mixtures(then: Valued, now: Valued, crossed: Crossed | None) -> pd.DataFrame:
    old, new = _row(then.features), _row(now.features)
    former_facts_now = new if crossed is None else _row(crossed.former_facts_now)
    new_facts_then = old if crossed is None else _row(crossed.new_facts_then)
    by_known_and_facts = {
        (False, False): former_facts_now | old,
        (True, False): former_facts_now,
        (False, True): new | new_facts_then,
        (True, True): new,
    }
    rows = []
    for market_is_new, is_known_now, has_new_facts in coalitions(3).tolist():
        day = by_known_and_facts[market_is_new, has_new_facts]
        row = by_known_and_facts[is_known_now, has_new_facts]
        rows.append(row | {name: day[name] for name in MARKET_COLUMNS & day.keys()})
    return pd.DataFrame(rows)


def _row(features: pd.DataFrame) -> dict[str, Any]:
    if len(features) != 1:
        raise SlutprisError(
            f"a change is explained of one home; {len(features)} rows of features came"
        )
    return {str(name): features[name].iloc[0] for name in features}


def _require_same(found_sek: float, valued: Valued) -> None:
    if abs(found_sek - valued.value_sek) > 1 + MAX_DRIFT * valued.value_sek:
        raise SlutprisError(
            f"the model {valued.model} gives {found_sek:.0f} kr for these features, "
            f"not the {valued.value_sek} kr on record; give the version that made it"
        )


def _changed_facts(
    then: Valued, crossed: Crossed | None, language: Language
) -> list[FactChange]:
    """Compare the facts as known then: what is imputed otherwise today is no change."""
    if crossed is None:
        return []
    old, new = _row(then.features), _row(crossed.new_facts_then)
    return [
        FactChange(
            feature=name,
            text=f"{feature_label(name, language)} "
            f"{written_fact(name, old[name], language)} → "
            f"{written_fact(name, new[name], language)}",
        )
        for name in FACT_COLUMNS
        if name in old and name in new and not _is_same(old[name], new[name])
    ]


def _is_same(first: object, second: object) -> bool:
    return bool(pd.isna([first]).all() and pd.isna([second]).all()) or first == second


def _text(
    cause: Cause,
    then: Valued,
    now: Valued,
    facts: list[FactChange],
    language: Language,
) -> str:
    if cause == "facts":
        return "; ".join(fact.text for fact in facts)
    if cause == "model":
        return f"{then.model} → {now.model}" if then.model != now.model else ""
    if cause == "comparables":
        return _new_sales_text(len(now.comparables - then.comparables), language)
    return _market_text(_row(then.features), _row(now.features), language)


def _new_sales_text(count: int, language: Language) -> str:
    if count == 0:
        return ""
    if language == "en":
        return f"{count} new comparable sale{'s' if count > 1 else ''}"
    return f"{count} " + (
        "nya jämförbara försäljningar" if count > 1 else "ny jämförbar försäljning"
    )


def _market_text(old: dict[str, Any], new: dict[str, Any], language: Language) -> str:
    index_then, index_now = old[PRICE_INDEX], new[PRICE_INDEX]
    if pd.isna(index_then) or pd.isna(index_now):
        return ""
    day = pd.Timestamp(old["sold_date"]).date()
    return price_index_text(float(np.log(index_now / index_then)), day, language)
