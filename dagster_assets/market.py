"""Which market a demo's data folder holds, so that two are never mixed.

A warehouse with a synthetic market and real sales in it would train on both. The demo
writes down what it crawled, and sets the folder's content aside when asked for another.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.settings import Settings

SYNTHETIC = "synthetic"
SET_ASIDE = "set-aside"


def market_name(sales_file: Path | None) -> str:
    """Name the market: synthetic, or the sales of a file by their content."""
    if sales_file is None:
        return SYNTHETIC
    digest = hashlib.sha256(sales_file.read_bytes()).hexdigest()
    return f"{sales_file.stem}-{digest[:12]}"


def claim(settings: Settings, market: str) -> Path | None:
    """Make the data folder this market's own.

    Returns
    -------
    The folder to which another market's data was moved, if there was one.

    Raises
    ------
    SlutprisError
        When the warehouse holds sales that no demo put there and that must not be mixed
        with this market.
    """
    marker = settings.data / "demo.json"
    held = json.loads(marker.read_text())["market"] if marker.exists() else None
    moved_to = None
    if held is None:
        _refuse_to_mix(settings, market)
    elif held != market:
        moved_to = _set_aside(settings, held)
    settings.data.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps({"market": market}))
    return moved_to


def _refuse_to_mix(settings: Settings, market: str) -> None:
    if not settings.warehouse_path.exists():
        return
    with connect(settings.warehouse_path) as connection:
        create_raw_tables(connection)
        crawled = connection.execute("from raw.sale_cards limit 1").fetchall()
        landed = connection.execute("from raw.landed_sales limit 1").fetchall()
    if crawled or (landed and market == SYNTHETIC):
        raise SlutprisError(
            f"{settings.data} holds sales that the demo did not put there, and the "
            f"demo's market ({market}) must not be mixed with them; "
            "give the demo a folder of its own: SLUTPRIS_DATA=/another/folder make demo"
        )


def _set_aside(settings: Settings, market: str) -> Path:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
    target = settings.data / SET_ASIDE / f"{market}-{now}"
    target.mkdir(parents=True)
    for item in settings.data.iterdir():
        if item.name != SET_ASIDE:
            shutil.move(item, target / item.name)
    return target
