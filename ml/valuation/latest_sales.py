"""The latest sales, and what each model said the homes were worth.

What belongs here: the newest sales of the snapshot, and of each the value that is most
honest: one logged before the sale was known, else the standing backtest's, else one
made now as of the sale's day. What does not: how any of it is shown.

A value made now is *afterwards*: its features know only what was known on the day, but
the model may have been trained on the sale itself. It is never logged.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ml.serving_models import ServingRegistry
from ml.valuation.kept_reports import (
    NoReportError,
    ReportError,
    read_backtest,
    read_scored,
    report_stamp,
)
from ml.valuation.request import ModelName, ValuationRequest
from ml.valuation.value import PlainValue, Valuer
from warehouse.errors import SlutprisError
from warehouse.serving import current_snapshot_id

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import duckdb
    import pandas as pd

    from ml.valuation.words import Words
    from warehouse.settings import Settings

Origin = Literal["forward", "backtest", "afterwards"]
"""How honest a value is: said before the sale was known, by a model that had not seen
it, or by one that may have."""

LATEST = 20
FACTS = (
    "address",
    "living_area_m2",
    "rooms",
    "floor",
    "fee_sek_per_month",
    "operating_cost_sek_per_month",
    "construction_year",
    "agency",
)
"""What a sale tells that a request can take."""

_SALES_SQL = f"""
    select
        sale_id, url, district, sold_date, sold_price_sek, list_price_sek,
        {", ".join(FACTS)}
    from marts.sales
    where sold_price_sek > 0
    order by sold_date desc, sale_id desc
    limit $count
"""


@dataclass(frozen=True)
class SaidOfSale:
    """What one model said of a home that was sold, and how it came to say so."""

    model: str
    origin: Origin
    value_sek: float
    low_sek: float | None = None
    high_sek: float | None = None
    confidence_class: int | None = None
    is_trained_on: bool = False
    """Whether the model learnt from sales up to the day of this one, so from it too."""

    def error_pct(self, sold_price_sek: float) -> float:
        """Give the error in percent of the price."""
        return 100 * (self.value_sek / sold_price_sek - 1)

    def ends(self) -> tuple[float, float]:
        """Give the ends of the range; the value itself where there is none."""
        low, high = self.low_sek, self.high_sek
        return (
            self.value_sek if low is None else low,
            self.value_sek if high is None else high,
        )


@dataclass(frozen=True)
class Sale:
    """A sale, and what each model said of it, by the model's name."""

    sale_id: str
    url: str | None
    district: str | None
    sold_date: dt.date
    sold_price_sek: float
    list_price_sek: float | None
    facts: dict[str, Any]
    said: dict[str, SaidOfSale] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Street and number, as they were written."""
        return str(self.facts["address"] or "")


@dataclass(frozen=True)
class LatestSales:
    """The latest sales, newest first, and what could not be read about them."""

    sales: list[Sale]
    problems: list[Words]


def latest_sales(settings: Settings) -> LatestSales:
    """Give the latest sales of the published snapshot; shared between readers.

    Raises
    ------
    SlutprisError
        When nothing is published.
    """
    registry = ServingRegistry(settings)
    names = [name for name in get_args(ModelName) if name in registry.names()]
    stamp = (
        current_snapshot_id(settings.serving_dir),
        report_stamp(settings.reports_dir),
        tuple(f"{name} {registry.get(name).version}" for name in names),
    )
    # one reader computes, the others wait for it: twenty at once are no twenty times
    with _computing:
        return _latest_sales(settings, tuple(names), stamp)


_computing = threading.Lock()


@lru_cache(maxsize=4)
def _latest_sales(
    settings: Settings, names: tuple[ModelName, ...], stamp: tuple[Any, ...]
) -> LatestSales:
    del stamp  # what is kept is stale when it changes
    problems: list[Words] = []
    # It lives no longer than this: its answers are kept, its market is not.
    valuer = Valuer(settings.model_copy(update={"forward_log": False}))
    try:
        sales = list(_newest(valuer.connection()))
        known = _known(settings, {sale.sale_id for sale in sales}, problems)
        sales = [replace(sale, said=known.get(sale.sale_id, {})) for sale in sales]
        afterwards = _afterwards(valuer, sales, _trained_until(settings, names))
    finally:
        valuer.close()
    return LatestSales(
        [
            replace(sale, said=said | sale.said)
            for sale, said in zip(sales, afterwards, strict=True)
        ],
        problems,
    )


def _newest(connection: duckdb.DuckDBPyConnection) -> Iterator[Sale]:
    rows = connection.execute(_SALES_SQL, {"count": LATEST}).fetchall()
    for row in rows:
        sale_id, url, district, sold_date, sold_price, list_price, *facts = row
        yield Sale(
            str(sale_id),
            url,
            district,
            sold_date,
            float(sold_price),
            list_price,
            dict(zip(FACTS, facts, strict=True)),
        )


def _known(
    settings: Settings, sale_ids: set[str], problems: list[Words]
) -> dict[str, dict[str, SaidOfSale]]:
    """Find what was said of sales in the backtest and, over it, in the forward log."""
    found: dict[str, dict[str, SaidOfSale]] = {}
    for read in (_backtested, _forward):
        try:
            rows = read(settings)
        except NoReportError:
            continue
        except ReportError as error:
            problems.append(error.words)
            continue
        origin: Origin = "backtest" if read is _backtested else "forward"
        for row in rows[rows["sale_id"].isin(sale_ids)].to_dict("records"):
            said = _said(row, origin)
            found.setdefault(str(row["sale_id"]), {})[said.model] = said
    return found


def _backtested(settings: Settings) -> pd.DataFrame:
    backtested = read_backtest(settings.reports_dir)
    rows = backtested.predictions
    return rows[np.isfinite(rows["value_sek"]) & rows["refusal_reason"].isna()]


def _forward(settings: Settings) -> pd.DataFrame:
    rows = read_scored(settings.reports_dir).valuations
    is_said = (
        rows["is_counted"] & rows["is_forward"] & (rows["mode"] == "before_listing")
    )
    return rows[is_said.fillna(False).astype(bool)]


def _said(row: dict[Any, Any], origin: Origin) -> SaidOfSale:
    confidence = _or_none(row["confidence_class"])
    return SaidOfSale(
        str(row["model"]),
        origin,
        float(row["value_sek"]),
        _or_none(row["low_sek"]),
        _or_none(row["high_sek"]),
        None if confidence is None else int(confidence),
    )


def _trained_until(
    settings: Settings, names: Iterable[ModelName]
) -> dict[ModelName, str]:
    """Give the day of the last sale that each model learnt from; empty if untold."""
    registry = ServingRegistry(settings)
    return {
        name: str(registry.get(name).lineage.get("last_sold_date") or "")
        for name in names
    }


def _afterwards(
    valuer: Valuer, sales: Sequence[Sale], trained_until: Mapping[ModelName, str]
) -> list[dict[str, SaidOfSale]]:
    """Value sales now, as of their days, by the models that said nothing of them."""
    found: list[dict[str, SaidOfSale]] = [{} for _ in sales]
    for name, until in trained_until.items():
        unsaid = [at for at, sale in enumerate(sales) if name not in sale.said]
        for at, said in _valued(valuer, name, sales, unsaid):
            is_trained_on = f"{sales[at].sold_date:%Y-%m-%d}" <= until
            found[at][name] = replace(said, is_trained_on=is_trained_on)
    return found


def _valued(
    valuer: Valuer, name: ModelName, sales: Sequence[Sale], positions: Sequence[int]
) -> Iterator[tuple[int, SaidOfSale]]:
    asked = {at: _request(sales[at], name) for at in positions}
    requests = {at: request for at, request in asked.items() if request is not None}
    if not requests:
        return
    try:
        values = valuer.value_many(list(requests.values()))
    except SlutprisError:
        # A damaged model says nothing here; asking for it by name tells why.
        return
    for at, value in zip(requests, values, strict=True):
        if isinstance(value, PlainValue) and value.refusal_reason is None:
            yield (
                at,
                SaidOfSale(
                    name,
                    "afterwards",
                    float(value.value_sek),
                    value.low_sek,
                    value.high_sek,
                    value.confidence_class,
                ),
            )


def _request(sale: Sale, name: ModelName) -> ValuationRequest | None:
    facts = {key: value for key, value in sale.facts.items() if value is not None}
    try:
        return ValuationRequest.of(**facts, date=sale.sold_date, model=name)
    except SlutprisError:
        return None


def _or_none(number: float | None) -> float | None:
    return None if number is None or number != number else float(number)
