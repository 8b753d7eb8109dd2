"""The standing comparison of agencies: kept in the reports, and read again by pages.

What belongs here: which sales it rests on and whose values, keeping it, and not making
it again when nothing it rests on has changed. What does not: the statistics and the
figures (``agencies``), and how they are shown.

The kept backtest values half a year, too little to tell agencies apart in a district.
Here years are valued, each half by a model that learnt from what was sold before it:
out of sample, and by one that does not see the agency. That the second year is valued
by a model of the first's beginning costs little, for prices near by are those of each
sale's own day, and the month is adjusted for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.valuation.agencies import MIN_SALES, TooFewSalesError, agency_report
from ml.valuation.described import read_described_sales
from ml.valuation.protocols import Split
from ml.valuation.provenance import fingerprint
from ml.valuation.registration import code_fingerprint
from ml.valuation.valuing import is_answered, valued
from warehouse.json_files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from warehouse.settings import Settings

REPORT = "agencies.json"
MODEL = "xgboost_plain"
"""Blind to agencies, and fitted in a third of the time of the one with ranges."""
YEARS, FITS = 6, 2
SHUFFLES = 39
"""As many as a chance of one in twenty needs to be told, and some to spare."""
FEWEST_TRAINING_SALES = 500
VERSION = 1
"""Of the report: raised when what is computed here or what it holds changes."""

SOLD_SQL = """
    select sale_id, platform, source_id, address, url, agency, district
    from marts.sales
"""


def ensure_agency_report(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> dict[str, Any]:
    """Write what agencies' sales fetched over their values, unless that is there.

    Returns
    -------
    dict
        The report, or with ``is_enough`` false how many sales there are and must be.

    Raises
    ------
    SlutprisError
        When the marts are not built.
    """
    sales = read_described_sales(connection, settings)
    sold = connection.execute(SOLD_SQL).df()
    made_of = {
        "version": VERSION,
        "model": MODEL,
        "years": YEARS,
        "code_fingerprint": code_fingerprint(),
        "data_fingerprint": fingerprint(sales) + fingerprint(sold),
    }
    kept = read_agency_report(settings)
    if kept is not None and kept["made_of"] == made_of:
        return kept
    content = _content(sales, sold, settings) | {"made_of": made_of}
    write_json(settings.reports_dir / REPORT, content)
    return content


def read_agency_report(settings: Settings) -> dict[str, Any] | None:
    """Read the report; None where it was not made yet, or is not one of ours."""
    content = read_json(settings.reports_dir / REPORT)
    if content is None or content.get("made_of", {}).get("version") != VERSION:
        return None
    return content


def out_of_sample(sales: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Value the last years' sales by models that learnt from those before alone.

    Empty where too few were sold before.
    """
    frames = [
        valued(split, MODEL, "before_listing", settings) for split in _splits(sales)
    ]
    if not frames:
        return sales.head(0).assign(value_sek=np.nan)
    values = pd.concat(frames, ignore_index=True)
    return values[is_answered(values)]


def _content(
    sales: pd.DataFrame, sold: pd.DataFrame, settings: Settings
) -> dict[str, Any]:
    identified = sales.drop(columns=["district", "agency"], errors="ignore").merge(
        sold, on="sale_id", validate="one_to_one"
    )
    if identified["agency"].notna().sum() < MIN_SALES:
        return _too_few(int(identified["agency"].notna().sum()))
    values = out_of_sample(
        sales.merge(sold.drop(columns=["district", "agency"]), on="sale_id"), settings
    )
    named = values.drop(columns=["district", "agency"], errors="ignore").merge(
        sold[["sale_id", "agency", "district"]], on="sale_id", validate="one_to_one"
    )
    try:
        report = agency_report(named, shuffles=SHUFFLES)
    except TooFewSalesError as error:
        return _too_few(error.sale_count)
    return {"is_enough": True, **report.content}


def _too_few(sale_count: int) -> dict[str, Any]:
    return {"is_enough": False, "sales": sale_count, "needed_sales": MIN_SALES}


def _splits(sales: pd.DataFrame) -> Iterator[Split]:
    """Yield the fits: each values the years up to the next, or to the end."""
    sold = sales["sold_date"]
    last = sold.max() + pd.Timedelta(days=1)
    years = YEARS // FITS
    for fit in range(FITS, 0, -1):
        start = last - pd.DateOffset(years=fit * years)
        is_train = (sold < start).to_numpy()
        is_test = ~is_train & (sold < start + pd.DateOffset(years=years)).to_numpy()
        if is_train.sum() >= FEWEST_TRAINING_SALES and is_test.any():
            label = f"agencies before {start:%Y-%m-%d}"
            yield Split(label, sales, is_train, {"rolling_monthly": is_test})
