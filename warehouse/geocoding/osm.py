"""Addresses of an OpenStreetMap extract.

What belongs here: reading `.pbf`. What does not: what an address means.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_osm(path: Path) -> Iterator[tuple[str, str | None, float, float]]:
    """Address, municipality, latitude and longitude (WGS84) of nodes and buildings.

    A building (way) lies at the mean of its corners.

    Raises
    ------
    SlutprisError
        When osmium is not installed or the file is not an extract.
    """
    try:
        osmium: Any = import_module("osmium")
    except ImportError as error:
        raise SlutprisError(
            f"reading {path} needs osmium; install it with `pip install osmium`"
        ) from error
    try:
        objects = osmium.FileProcessor(str(path)).with_locations()
        for thing in objects.with_filter(osmium.filter.KeyFilter("addr:housenumber")):
            if "addr:street" in thing.tags and (place := _place(thing)):
                tags = thing.tags
                address = f"{tags['addr:street']} {tags['addr:housenumber']}"
                # Postal towns (addr:city) are no municipalities: Stockholm's
                # mail goes to Årsta and Farsta too.
                yield address, tags.get("addr:municipality"), *place
    except RuntimeError as error:
        raise SlutprisError(
            f"{path} cannot be read as an OSM extract: {error}"
        ) from error


def _place(thing: Any) -> tuple[float, float] | None:  # noqa: ANN401 - osmium's
    if thing.is_node():
        return thing.location.lat, thing.location.lon
    if not thing.is_way():
        return None
    # The last corner of a closed way is its first again.
    corners = [n.location for n in thing.nodes if n.location.valid()]
    corners = corners[:-1] if thing.is_closed() else corners
    if not corners:
        return None
    count = len(corners)
    return sum(c.lat for c in corners) / count, sum(c.lon for c in corners) / count
