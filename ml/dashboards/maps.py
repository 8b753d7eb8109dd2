"""Maps, drawn by Bokeh over a background of our own: they need no internet.

What belongs here: where things lie on the paper, the background of water, districts and
metro lines, and OpenStreetMap's tiles for who asks for them. What does not: what the
spots mean, and the card around a map (``shell``).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.models import (
    ColumnDataSource,
    HoverTool,
    PanTool,
    Range1d,
    ResetTool,
    SaveTool,
    WheelZoomTool,
    WMTSTileSource,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.plotting import figure

from ml.dashboards.charts import LABEL, Chart
from ml.dashboards.theme import BLUE, MUTED, TEAL
from ml.valuation.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ml.valuation.words import Language

BACKGROUND_PATH = Path(__file__).with_name("stockholm.json")
EARTH_RADIUS_M = 6_378_137
CITY_RADIUS_M = 9_000
NAMES_WITHIN_M = 6_000
"""Only maps of at most this radius name the districts: on others they would overlap."""
TILES_URL = "https://tile.openstreetmap.org/{Z}/{X}/{Y}.png"
TILES_CREDIT = "© OpenStreetMap contributors"
MAP_TITLE = Words("karta", "map")

Lonlat = tuple[float, float]


@dataclass(frozen=True)
class Spot:
    """A place on the map; its label shows when it is pointed at."""

    latitude: float
    longitude: float
    label: str = ""
    colour: str = TEAL
    size: float = 10
    """Across, in CSS pixels."""
    is_hollow: bool = False


@dataclass(frozen=True)
class Background:
    """Water, lines and names, as longitudes and latitudes."""

    water: dict[str, list[list[Lonlat]]]
    """The shore, then the islands in it."""
    metro_lines: dict[str, list[Lonlat]]
    stations: dict[str, Lonlat]
    districts: dict[str, Lonlat]


def spot_map(
    spots: Sequence[Spot],
    *,
    language: Language,
    centre: Spot | None = None,
    radius_m: float = CITY_RADIUS_M,
    tiles: bool = False,
    aspect: float = 1.7,
) -> Chart:
    """Draw spots on a map.

    Parameters
    ----------
    spots
        From the bottom up.
    language
        Of the name a saved picture gets.
    centre
        The middle, drawn above all else; the spots' own middle when None.
    radius_m
        Of the circle around the middle that the map holds.
    tiles
        Whether to fetch OpenStreetMap's map, which needs the internet, instead of
        drawing our own.
    aspect
        Width over height.
    """
    middle = _middle(spots, centre)
    made = _paper(middle, radius_m, aspect, MAP_TITLE.to(language))
    if tiles:
        made.add_tile(WMTSTileSource(url=TILES_URL, attribution=TILES_CREDIT))
    else:
        _draw_background(made, radius_m)
    _draw_spots(made, [*spots, *([centre] if centre else [])])
    return Chart(made)


@cache
def background() -> Background:
    """Read the background, once."""
    content = json.loads(BACKGROUND_PATH.read_text(encoding="utf-8"))
    content.pop("note")
    return Background(**content)


def mercator(longitude: float, latitude: float) -> tuple[float, float]:
    """Give the place on web Mercator paper, in its stretched metres."""
    x = math.radians(longitude) * EARTH_RADIUS_M
    y = math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2)) * EARTH_RADIUS_M
    return x, y


def _middle(spots: Sequence[Spot], centre: Spot | None) -> Lonlat:
    if centre is not None:
        return centre.longitude, centre.latitude
    if not spots:
        return background().stations["T-Centralen"]
    return (
        sum(spot.longitude for spot in spots) / len(spots),
        sum(spot.latitude for spot in spots) / len(spots),
    )


def _paper(middle: Lonlat, radius_m: float, aspect: float, title: str) -> figure:
    x, y = mercator(*middle)
    # Mercator's metres are longer than the ground's, by more the farther north.
    half = radius_m / math.cos(math.radians(middle[1]))
    wide, high = (half * aspect, half) if aspect >= 1 else (half, half / aspect)
    made = figure(
        x_range=Range1d(start=x - wide, end=x + wide),
        y_range=Range1d(start=y - high, end=y + high),
        sizing_mode="scale_width",
        aspect_ratio=aspect,
        tools=[*_tools(title)],
        toolbar_location="above",
        min_border=0,
        # A drag or a turn of the wheel moves the page, until a tool is chosen.
        active_drag=None,
        active_scroll=None,
    )
    made.axis.visible = False
    made.grid.visible = False
    made.toolbar.logo = None
    made.outline_line_color = None
    return made


def _tools(title: str) -> Iterable[Any]:
    return (
        PanTool(),
        WheelZoomTool(),
        ZoomInTool(),
        ZoomOutTool(),
        ResetTool(),
        SaveTool(filename=title),
    )


def _draw_background(on: figure, radius_m: float) -> None:
    known = background()
    _draw_water(on, known)
    for line in known.metro_lines.values():
        xs, ys = _paper_places(line)
        on.line(xs, ys, color=MUTED, width=1.5, alpha=0.55)
    xs, ys = _paper_places(known.stations.values())
    on.scatter(xs, ys, size=4, color=MUTED, alpha=0.7)
    if radius_m <= NAMES_WITHIN_M:
        xs, ys = _paper_places(known.districts.values())
        on.text(
            xs,
            ys,
            text=list(known.districts),
            text_color=MUTED,
            text_font_size="12px",
            text_align="center",
            text_baseline="middle",
        )


def _draw_water(on: figure, known: Background) -> None:
    placed = [[_paper_places(ring) for ring in rings] for rings in known.water.values()]
    on.multi_polygons(
        xs=[[[xs for xs, _ in rings]] for rings in placed],
        ys=[[[ys for _, ys in rings]] for rings in placed],
        fill_color=BLUE,
        fill_alpha=0.22,
        line_color=None,
    )


def _draw_spots(on: figure, spots: Sequence[Spot]) -> None:
    xs, ys = _paper_places((spot.longitude, spot.latitude) for spot in spots)
    source = ColumnDataSource(
        {
            "x": xs,
            "y": ys,
            "label": [spot.label for spot in spots],
            "colour": [spot.colour for spot in spots],
            "size": [spot.size for spot in spots],
            "fill": [0.0 if spot.is_hollow else 0.8 for spot in spots],
            "edge": [spot.colour if spot.is_hollow else "white" for spot in spots],
            "width": [2 if spot.is_hollow else 1 for spot in spots],
        }
    )
    dots = on.scatter(
        "x",
        "y",
        source=source,
        size="size",
        fill_color="colour",
        fill_alpha="fill",
        line_color="edge",
        line_width="width",
    )
    on.add_tools(HoverTool(renderers=[dots], tooltips=LABEL))


def _paper_places(places: Iterable[Sequence[float]]) -> tuple[list[float], list[float]]:
    placed = [mercator(place[0], place[1]) for place in places]
    return [x for x, _ in placed], [y for _, y in placed]
