"""Valuing districts of which nothing is known: their sales were never observed.

What belongs here: choosing whole districts, and the splits of warehouses in which their
sales are missing. What does not: building such a warehouse (``warehouse``).

A model that never saw a district still has its index and comparables, made of its own
sales. So the sales of some districts are left out of the raw rows, all is built again,
and the homes are valued as a stranger's request would be. In the arriving variant only
what was sold until half a year before the first month is missing: the district's later
sales feed index and comparables, but no model ever trains on them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.described import described, described_sales
from ml.valuation.features import read_sale_features
from ml.valuation.hedonic.hedonics import Hedonics
from ml.valuation.protocols import Split, in_month
from warehouse.errors import SlutprisError
from warehouse.store import connect
from warehouse.without_sales import build_without

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from ml.valuation.plan import Plan, Protocol

HELD_OUT_SHARE = 0.07
LARGEST_SHARE = 0.03
FEWEST_SALES = 10
"""Of all sales: what the held-out districts hold together, and one at most; and how
many sales of the plan's months a district must have to be worth holding out."""

APART_DEGREES = 0.02
"""No two held-out districts have centres nearer than this in latitude (2.2 km)."""

ARRIVING_FROM_MONTHS_BEFORE = 6
LABELS = ["sold_price_sek", "price_per_m2_sek", "sold_price_norm", "list_price_sek"]
IDENTITY = ["platform", "source_id", "address", "url"]


def district_of(sales: pd.DataFrame) -> pd.Series:
    """Name each sale's district: where it lies, else as it was written."""
    written = sales["district"]
    if "city_district" not in sales:
        return written
    return sales["city_district"].fillna(written)


def held_out_districts(sales: pd.DataFrame, plan: Plan) -> tuple[str, ...]:
    """Choose whole districts apart from each other, the same ones in every run.

    In the order of a hash of their names, until they hold 7 % of the sales; none with
    more than 3 % of them or too few in the plan's months. In a market of a few large
    districts, the smallest one.

    Raises
    ------
    SlutprisError
        When there are not two districts with sales in the plan's months.
    """
    districts = district_of(sales)
    counts = districts.value_counts()
    planned = districts[sales["sold_date"] >= pd.Timestamp(plan.start)].value_counts()
    known = sorted(planned.index[planned >= FEWEST_SALES], key=_shuffled)
    if not known or len(counts) == 1:
        raise SlutprisError(
            f"no district can be held out: none of {len(counts)} has {FEWEST_SALES} "
            f"sales from {plan.start:%Y-%m} to {plan.end:%Y-%m}; give more months, or "
            "leave out the protocols of unseen districts"
        )
    small = [name for name in known if counts[name] <= LARGEST_SHARE * len(sales)]
    centres = sales[["latitude", "longitude"]].groupby(districts).median()
    chosen: list[str] = []
    for name in small:
        if counts[chosen].sum() >= HELD_OUT_SHARE * len(sales):
            break
        if not _is_near(centres, name, chosen):
            chosen.append(name)
    return tuple(sorted(chosen)) or (min(known, key=lambda name: counts[name]),)


def held_out_months(sales: pd.DataFrame, plan: Plan) -> list[pd.Timestamp]:
    """List the months in which something was sold in the held-out districts."""
    is_held_out = district_of(sales).isin(held_out_districts(sales, plan)).to_numpy()
    return [m for m in plan.months if (in_month(sales, m) & is_held_out).any()]


def label_of(protocol: Protocol, month: pd.Timestamp) -> str:
    """Name the fit of a month, as its split is labelled."""
    return f"{protocol.replace('_', ' ')} {month:%Y-%m}"


def district_splits(
    connection: duckdb.DuckDBPyConnection,
    sales: pd.DataFrame,
    plan: Plan,
    protocol: Protocol,
) -> Iterator[Split]:
    """Build the warehouse of a protocol and yield its fits, a month each.

    Parameters
    ----------
    connection
        To the whole warehouse; only read.
    sales
        Its features, labels and identity up to the end of the plan, oldest first.
    plan
        Its months.
    protocol
        ``unseen_districts``, or with their sales of the last half-year arriving.

    Raises
    ------
    SlutprisError
        When no district fits, or dbt fails.
    """
    is_held_out = district_of(sales).isin(held_out_districts(sales, plan))
    held_out = sales[is_held_out]
    is_arriving = protocol == "unseen_districts_arriving"
    absent = _sold_until_arrival(held_out, plan) if is_arriving else held_out
    asked = pd.DataFrame()
    with TemporaryDirectory(prefix="slutpris-held-out-") as folder:
        absent_ids = _absent_ids(connection, absent, sales)
        path = build_without(connection, absent_ids, Path(folder))
        with connect(path, read_only=True) as without:
            features = read_sale_features(without)
            planned = held_out[held_out["sold_date"] >= pd.Timestamp(plan.start)]
            if not is_arriving:
                asked = _as_requests(connection, without, planned)
    hedonics = Hedonics(features)
    seen = _seen(described_sales(features, hedonics), sales)
    if not is_arriving:
        seen = pd.concat([seen, described(asked, hedonics)], ignore_index=True)
    seen = seen.sort_values(["sold_date", "sale_id"], ignore_index=True)
    yield from _monthly(seen, held_out, plan, protocol)


def _monthly(
    seen: pd.DataFrame, held_out: pd.DataFrame, plan: Plan, protocol: Protocol
) -> Iterator[Split]:
    is_held_out = seen["sale_id"].isin(held_out["sale_id"]).to_numpy()
    for month in plan.months:
        is_test = in_month(seen, month) & is_held_out
        is_train = (seen["sold_date"] < month).to_numpy() & ~is_held_out
        if is_test.any():
            label = label_of(protocol, month)
            yield Split(label, seen, is_train, {protocol: is_test})


def _sold_until_arrival(held_out: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    months = pd.DateOffset(months=ARRIVING_FROM_MONTHS_BEFORE)
    return held_out[held_out["sold_date"] < pd.Timestamp(plan.start) - months]


def _absent_ids(
    connection: duckdb.DuckDBPyConnection, absent: pd.DataFrame, sales: pd.DataFrame
) -> list[str]:
    """List the absent sales, and all that were sold after the plan's last month."""
    connection.register("planned_sales", sales[["sale_id"]])
    later = connection.execute(
        "select sale_id from marts.sales except select sale_id from planned_sales"
    ).fetchall()
    connection.unregister("planned_sales")
    return [*absent["sale_id"], *(sale_id for (sale_id,) in later)]


def _seen(features: pd.DataFrame, sales: pd.DataFrame) -> pd.DataFrame:
    """Give the sales that the second warehouse has what tells who they are."""
    identity = sales[["sale_id", *_known(sales, IDENTITY)]]
    return features.merge(identity, on="sale_id", validate="one_to_one")


def _as_requests(
    whole: duckdb.DuckDBPyConnection,
    without: duckdb.DuckDBPyConnection,
    held_out: pd.DataFrame,
) -> pd.DataFrame:
    """Features of absent homes, as the second warehouse gives them to a request."""
    whole.register("wanted_sales", held_out[["sale_id"]])
    homes = whole.sql(
        """
        select
            sale_id as request_id, sold_date, address, district, agency, brf_name,
            residence_id, living_area_m2, rooms, floor, construction_year,
            fee_sek_per_month, operating_cost_sek_per_month, latitude, longitude
        from marts.sales
        where sale_id in (select sale_id from wanted_sales)
        """
    ).to_arrow_table()
    whole.unregister("wanted_sales")
    without.register("held_out_homes", homes)
    features = without.execute("from marts.features_of('held_out_homes')").df()
    without.unregister("held_out_homes")
    labels = held_out[["sale_id", *_known(held_out, LABELS + IDENTITY)]]
    return features.rename(columns={"request_id": "sale_id"}).merge(
        labels, on="sale_id", validate="one_to_one"
    )


def _known(sales: pd.DataFrame, names: list[str]) -> list[str]:
    return [name for name in names if name in sales]


def _is_near(centres: pd.DataFrame, name: str, chosen: list[str]) -> bool:
    # A degree of longitude is half as long as one of latitude here.
    steps = (centres.loc[chosen] - centres.loc[name]) * [1, 0.5]
    return bool((np.hypot(steps["latitude"], steps["longitude"]) < APART_DEGREES).any())


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
