"""A market from a Parquet file of sales, one row a sale, nothing invented.

Fields the file does not have stay missing. Drawing or judging sales does not belong
here: every row is served as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from scrapy_project.replica.areas import (
    CITY,
    FIRST_FILE_DISTRICT_ID,
    district_area,
)
from scrapy_project.replica.market import Agency, Area, Market, Sale
from scrapy_project.replica.stockholm import FIRST_AGENCY_ID
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

_REQUIRED = {
    "source_id": pa.string(),
    "url": pa.string(),
    "address": pa.string(),
    "sold_date": pa.date32(),
    "sold_price": pa.float64(),
    "living_area": pa.float64(),
}
_OPTIONAL = {
    "area": pa.string(),
    "municipality": pa.string(),
    "list_price": pa.float64(),
    "rooms": pa.float64(),
    "fee": pa.float64(),
    "operating_cost_year": pa.float64(),
    "floor": pa.float64(),
    "construction_year": pa.float64(),
    "lat": pa.float64(),
    "lon": pa.float64(),
    "object_type": pa.string(),
    "agency": pa.string(),
}
FIRST_RESERVED_ID = 9_000_000_000
"""Ids from here on stand in for a repeated or missing one: this plus the row."""


def file_market(path: Path, today: date) -> tuple[Market, list[str]]:
    """Build the market of a file; note what a person should know about it.

    Raises
    ------
    SlutprisError
        If the file cannot be read as Parquet, lacks a column, or a row lacks what a
        page cannot do without.
    """
    rows = _read_rows(path)
    ids, notes = _booli_ids(rows)
    districts = _districts(rows)
    agencies = _agencies(rows)
    sales = [
        _sale(path, number, row, booli_id, districts, agencies)
        for number, (row, booli_id) in enumerate(zip(rows, ids, strict=True))
    ]
    market = Market.of(f"sales of {path.name}", sales, today=today)
    if len(market.sales) < len(sales):
        later = len(sales) - len(market.sales)
        notes.append(f"{later} sales lie after {today} and are not shown")
    return market, notes


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise SlutprisError(f"there is no file {path}; give a Parquet file of sales")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(
            f"cannot read {path} as Parquet ({reason}); give a Parquet file of sales"
        ) from error
    missing = [name for name in _REQUIRED if name not in table.column_names]
    if missing:
        raise SlutprisError(
            f"{path} lacks the columns {', '.join(missing)}; "
            f"it has {', '.join(table.column_names)}"
        )
    types = {**_REQUIRED, **_OPTIONAL}
    known = [name for name in types if name in table.column_names]
    schema = pa.schema([(name, types[name]) for name in known])
    try:
        return table.select(known).cast(schema).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SlutprisError(
            f"{path} has a column of the wrong type ({str(error).splitlines()[0]}); "
            f"wanted: {', '.join(f'{field.name} {field.type}' for field in schema)}"
        ) from error


def _booli_ids(rows: list[dict[str, Any]]) -> tuple[list[int], list[str]]:
    """Give every row its own id; of equal ids the row with its url keeps it."""
    keeper: dict[int, int] = {}
    for number, row in enumerate(rows):
        own = _integer_id(row["source_id"])
        if own is None:
            continue
        has_url = bool(row.get("url"))
        if own not in keeper or (has_url and not rows[keeper[own]].get("url")):
            keeper[own] = number
    kept = {number: booli_id for booli_id, number in keeper.items()}
    ids = [kept.get(number, FIRST_RESERVED_ID + number) for number in range(len(rows))]
    renamed = len(rows) - len(kept)
    if not renamed:
        return ids, []
    note = (
        f"{renamed} rows repeat or lack a source_id and are served under ids from "
        f"{FIRST_RESERVED_ID} + row"
    )
    return ids, [note]


def _integer_id(source_id: object) -> int | None:
    text = str(source_id)
    if not text.isascii() or not text.isdigit() or int(text) >= FIRST_RESERVED_ID:
        return None
    return int(text)


def _districts(rows: list[dict[str, Any]]) -> dict[str | None, tuple[Area, ...]]:
    names = sorted({row["area"] for row in rows if row.get("area")})
    areas: dict[str | None, tuple[Area, ...]] = {None: CITY}
    for number, name in enumerate(names):
        own = district_area(name, FIRST_FILE_DISTRICT_ID + number)
        areas[name] = (*CITY, *own)
    return areas


def _agencies(rows: list[dict[str, Any]]) -> dict[str | None, Agency | None]:
    names = sorted({row["agency"] for row in rows if row.get("agency")})
    agencies: dict[str | None, Agency | None] = {None: None}
    for number, name in enumerate(names):
        agencies[name] = Agency(FIRST_AGENCY_ID + number, name)
    return agencies


def _sale(
    path: Path,
    number: int,
    row: dict[str, Any],
    booli_id: int,
    districts: dict[str | None, tuple[Area, ...]],
    agencies: dict[str | None, Agency | None],
) -> Sale:
    for name in ("sold_date", "sold_price", "living_area"):
        if not row[name]:
            raise SlutprisError(f"{path}, row {number + 1}: no {name}; remove the row")
    yearly_cost = row.get("operating_cost_year")
    return Sale(
        booli_id=booli_id,
        residence_id=None,
        street_address=row["address"],
        district=row.get("area") or None,
        municipality=row.get("municipality"),
        areas=districts[row.get("area") or None],
        object_type=row.get("object_type") or "Lägenhet",
        sold_date=row["sold_date"],
        sold_price_sek=round(row["sold_price"]),
        # The files do not tell; a card always does.
        sold_price_type="Slutpris",
        living_area_m2=row["living_area"],
        # A list price of 0 means unknown in these files.
        list_price_sek=_whole(row.get("list_price")) or None,
        rooms=row.get("rooms"),
        floor=row.get("floor"),
        construction_year=_whole(row.get("construction_year")),
        fee_sek_per_month=_whole(row.get("fee")),
        operating_cost_sek_per_month=(
            None if yearly_cost is None else round(yearly_cost / 12)
        ),
        latitude=row.get("lat"),
        longitude=row.get("lon"),
        agency=agencies[row.get("agency") or None],
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
