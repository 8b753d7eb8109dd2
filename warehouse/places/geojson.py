"""District polygons out of a GeoJSON file (RFC 7946).

What belongs here: reading and checking the file. What does not: where its rows land
(``landing``), and which point lies in which polygon (dbt's ``surroundings``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

NAME_PROPERTY = "name"

Ring = list[list[float]]
Polygons = list[list[Ring]]


@dataclass(frozen=True)
class District:
    """A named area; ``polygons`` is GeoJSON's MultiPolygon, holes are inner rings."""

    feature_number: int
    name: str
    polygons: Polygons


def read_districts(path: Path, name_property: str = NAME_PROPERTY) -> list[District]:
    """Read every feature of a FeatureCollection of polygons.

    Positions are (longitude, latitude) in degrees, WGS 84; a third number (height) is
    left out.

    Raises
    ------
    SlutprisError
        When the file is no such collection, or a feature has no name or a bad ring.
    """
    collection = _parsed(path)
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list) or not features:
        raise SlutprisError(
            f"{path} is no GeoJSON FeatureCollection with features; "
            "export the districts as one"
        )
    return [
        _district(path, number, feature, name_property)
        for number, feature in enumerate(features, start=1)
    ]


def _parsed(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SlutprisError(f"{path} is no JSON in UTF-8: {error}") from error


def _district(
    path: Path,
    number: int,
    feature: Any,  # noqa: ANN401 - checked here
    name_property: str,
) -> District:
    where = f"{path}, feature {number}"
    if not isinstance(feature, dict):
        raise SlutprisError(f"{where} is no object; expected a GeoJSON Feature")
    properties = feature.get("properties") or {}
    name = properties.get(name_property) if isinstance(properties, dict) else None
    if not isinstance(name, str) or not name.strip():
        known = ", ".join(properties) if isinstance(properties, dict) else ""
        raise SlutprisError(
            f"{where} has no text in property {name_property!r} (it has {known}); "
            "name the right one with --name-property"
        )
    polygons = _polygons(where, feature.get("geometry"))
    return District(number, name.strip(), polygons)


def _polygons(where: str, geometry: Any) -> Polygons:  # noqa: ANN401 - checked here
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise SlutprisError(
            f"{where} is a {kind or 'feature without geometry'}; "
            "expected Polygon or MultiPolygon"
        )
    coordinates = geometry.get("coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not _is_filled(polygons) or not all(map(_is_filled, polygons)):
        raise SlutprisError(f"{where} has no coordinates; expected rings of positions")
    return [[_ring(where, ring) for ring in polygon] for polygon in polygons]


def _ring(where: str, ring: Any) -> Ring:  # noqa: ANN401 - checked here
    try:
        positions = [[float(x), float(y)] for x, y, *_ in ring]
    except (TypeError, ValueError) as error:
        raise SlutprisError(
            f"{where} has a position that is not [longitude, latitude]: {error}"
        ) from error
    # Written so that NaN, which JSON readers let in, is refused too.
    if not all(abs(x) <= 180 and abs(y) <= 90 for x, y in positions):
        raise SlutprisError(
            f"{where} has positions outside [-180, 180], [-90, 90]; expected degrees "
            "of WGS 84, not metres: export it as EPSG:4326"
        )
    if len(positions) < 4 or positions[0] != positions[-1]:
        raise SlutprisError(
            f"{where} has a ring of {len(positions)} positions that is not closed; "
            "expected four or more, the last like the first"
        )
    return positions


def _is_filled(value: object) -> bool:
    return isinstance(value, list) and bool(value)
