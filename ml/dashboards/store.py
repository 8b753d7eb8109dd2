"""What the pages show, as state: read from the snapshot and the registry, no Panel.

What belongs here: the form as typed, the latest valuation or what was wrong, the city's
figures, and the words of every refusal. What does not: widgets, layout and colour.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

import param

from ml.dashboards.svg_charts import Spot
from ml.dashboards.theme import NBSP, plain
from ml.serving_models import ServingRegistry, keep_models_fresh
from ml.valuation.places import AddressNotFoundError, Place
from ml.valuation.registration import served_names
from ml.valuation.request import (
    FieldProblem,
    InvalidRequestError,
    ModelName,
    ValuationRequest,
)
from ml.valuation.value import Valuation, Valuer
from warehouse.errors import SlutprisError
from warehouse.serving import current_snapshot_id, open_snapshot

if TYPE_CHECKING:
    import duckdb

    from ml.dashboards.svg_charts import Point
    from ml.registry import ModelVersion
    from warehouse.serving import Manifest
    from warehouse.settings import Settings

FIELD_NAMES = {
    "address": "Adress",
    "street_number": "Gatunumret",
    "living_area_m2": "Boarea",
    "rooms": "Antal rum",
    "floor": "Våning",
    "fee_sek_per_month": "Avgift",
    "operating_cost_sek_per_month": "Driftskostnad",
    "construction_year": "Byggår",
    "date": "Värderingsdatum",
    "agency": "Mäklare",
    "model": "Modell",
}
UNITS = {
    "living_area_m2": "m²",
    "fee_sek_per_month": "kr/mån",
    "operating_cost_sek_per_month": "kr/mån",
}
YEARS = {"construction_year"}
NUMBER_FIELDS = (
    "living_area_m2",
    "rooms",
    "floor",
    "fee_sek_per_month",
    "operating_cost_sek_per_month",
    "construction_year",
)
AGENCY_COUNT = 40
MAP_RADII_M = (600, 1000, 1500, 2500)
HOUSE_COUNT = 2500


class HomeForm(param.Parameterized):
    """The home as typed: text in every field, empty where nothing is known."""

    address = param.String(allow_None=True)
    living_area_m2 = param.String()
    rooms = param.String()
    floor = param.String()
    fee_sek_per_month = param.String()
    operating_cost_sek_per_month = param.String()
    construction_year = param.String()
    agency = param.String(allow_None=True)
    date = param.CalendarDate(default=None, allow_None=True)
    model = param.Selector(default="xgboost", objects=list(get_args(ModelName)))

    def request(self) -> ValuationRequest:
        """Make a request of what is typed.

        Raises
        ------
        InvalidRequestError
            When a field cannot be so, with one problem for each.
        """
        fields: dict[str, Any] = {
            "address": self.address,
            "agency": self.agency,
            "date": self.date,
            "model": self.model,
        }
        fields |= {name: as_number(getattr(self, name)) for name in NUMBER_FIELDS}
        return ValuationRequest.of(
            **{name: value for name, value in fields.items() if value not in ("", None)}
        )


class ValuationStore(param.Parameterized):
    """One visitor's form, valuation and what stands in its way."""

    valuation = param.ClassSelector(class_=Valuation, default=None, allow_None=True)
    problems = param.Dict(
        default={}, doc="Field name to what is wrong with it, in Swedish."
    )
    suggestions = param.List(default=[], doc="Nearest spellings of an unknown address.")

    def __init__(self, valuer: Valuer) -> None:
        super().__init__()
        self.valuer = valuer
        self.form = HomeForm(date=dt.date.today())

    def value(self) -> None:
        """Value what the form holds; fills ``valuation``, or ``problems``."""
        self.param.update(**self.outcome())

    def outcome(self) -> dict[str, Any]:
        """Value what the form holds; give the parameters to set, and set none.

        Fit for a thread of its own, away from what watches the parameters.
        """
        try:
            valuation = self.valuer.value(self.form.request())
        except InvalidRequestError as error:
            problems = {each.field: problem_text(each) for each in error.problems}
            return {"problems": problems, "suggestions": []}
        except AddressNotFoundError as error:
            problem = (
                f"Adressen ”{error.address}” finns inte bland de kända. "
                "Välj ett av förslagen under adressen, eller skriv bara gatan."
            )
            return {"problems": {"address": problem}, "suggestions": error.suggestions}
        except SlutprisError as error:
            return {"problems": {"model": str(error)}, "suggestions": []}
        return {"valuation": valuation, "problems": {}, "suggestions": []}


@dataclass(frozen=True)
class City:
    """What is the same for every visitor of one snapshot."""

    addresses: list[str]
    agencies: list[str]
    index: list[Point]
    sale_count: int
    first_sale: dt.date
    last_sale: dt.date


@lru_cache(maxsize=2)
def _valuer(settings: Settings, snapshot_id: str, models: tuple[str, ...]) -> Valuer:
    # the arguments are what a valuer is stale without
    del snapshot_id, models
    valuer = Valuer(settings)
    # The first visitors wait for DuckDB rather than for this.
    threading.Thread(target=valuer.warm, name="warm-valuer").start()
    return valuer


def warm_valuer(settings: Settings) -> Valuer:
    """Give the shared valuer of the newest snapshot and models.

    Raises
    ------
    SlutprisError
        When nothing is published, or no model is registered.
    """
    keep_models_fresh(settings, tuple(served_names()))
    registry = ServingRegistry(settings)
    snapshot_id = current_snapshot_id(settings.serving_dir)
    newest = [registry.get(name) for name in registry.names()]
    models = tuple(f"{version.name} {version.version}" for version in newest)
    valuer = _valuer(settings, snapshot_id or "", models)
    valuer.served_model("xgboost")
    return valuer


def registered_models(settings: Settings) -> list[str]:
    """Name the models a visitor can choose."""
    registered = ServingRegistry(settings).names()
    return [name for name in get_args(ModelName) if name in registered]


@lru_cache(maxsize=2)
def city(valuer: Valuer) -> City:
    """Read what every visitor of a snapshot sees."""
    connection = valuer.connection()
    counted = connection.execute(
        "select count(*), min(sold_date), max(sold_date) from marts.sales"
    ).fetchone()
    if counted is None or not counted[0]:
        raise SlutprisError("the published snapshot has no sales; run `make demo`")
    return City(
        addresses=_column(
            connection,
            """
            select coalesce(address, street, district)
            from marts.places
            where coalesce(address, street, district) is not null
            order by place_level <> 'street', sale_count desc, place_key
            """,
        ),
        agencies=_column(
            connection,
            f"""
            select agency from marts.sales where agency is not null
            group by agency order by count(*) desc, agency limit {AGENCY_COUNT}
            """,
        ),
        index=price_index(connection),
        sale_count=counted[0],
        first_sale=counted[1],
        last_sale=counted[2],
    )


def price_index(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    """Read the index: the day a month's level became known, and SEK per m²."""
    return connection.execute(
        "select known_from::date, price_index_sek_per_m2 from marts.price_index "
        "where price_index_sek_per_m2 is not null order by known_from"
    ).fetchall()


def houses_around(
    connection: duckdb.DuckDBPyConnection, place: Place, radius_m: float
) -> list[Spot]:
    """Read the known addresses near a place, for its map."""
    rows = connection.execute(
        """
        select latitude, longitude
        from marts.places
        where
            place_level = 'address'
            and abs(latitude - $latitude) * 111320 < $radius
            and abs(longitude - $longitude) * 111320 * cos(radians($latitude)) < $radius
        order by place_key
        limit $limit
        """,
        {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "radius": radius_m,
            "limit": HOUSE_COUNT,
        },
    ).fetchall()
    return [Spot(*row) for row in rows]


def map_radius_m(valuation: Valuation) -> float:
    """Choose the least map that holds all the sales shown, in metres."""
    farthest = max((sale.distance_m for sale in valuation.comparables), default=0)
    fitting = [radius for radius in MAP_RADII_M if radius > farthest * 1.15]
    return fitting[0] if fitting else MAP_RADII_M[-1]


def value_curve(
    index: list[Point], valuation: Valuation
) -> tuple[list[Point], list[Point]]:
    """Give the home's value along the index, and on beyond what is known of it.

    The city's price level, scaled so that it passes through the value.
    """
    date, dates = valuation.request.date, valuation.at_other_dates
    known = [(day, level) for day, level in index if day <= date]
    if not known:
        return [], []
    first = min(
        min(value.date for value in dates) - dt.timedelta(days=365),
        index[-1][0] - dt.timedelta(days=5 * 365),
    )
    last = max([date, *(value.date for value in dates)])
    scale = valuation.value_sek / known[-1][1]
    line = [(day, level * scale) for day, level in index if first <= day <= last]
    if not line or line[-1][0] >= last:
        return line, []
    return line, [line[-1], (last, line[-1][1])]


def as_number(text: str) -> str:
    """Turn what a Swede types into what a computer reads.

    ``3 200,50 kr`` is 3200.50 and ``BV``, the ground floor, is 0; what is no number
    stays as it is.
    """
    bare = re.sub(r"\s", "", text)
    bare = re.sub(r"(kr(/mån)?|m²|m2|tr)$", "", bare, flags=re.IGNORECASE)
    bare = bare.replace(",", ".").replace("\u2212", "-")
    return "0" if bare.upper() == "BV" else bare


def problem_text(problem: FieldProblem) -> str:
    """Say in Swedish what is wrong with a field, and what it may be."""
    name = FIELD_NAMES.get(problem.field, problem.field)
    if problem.given is None:
        return f"{name} saknas."
    if problem.lowest is None or problem.highest is None:
        what = "ett datum" if problem.field == "date" else "ett tal"
        if problem.field == "address":
            return f"{name} ska vara en gata och ett nummer, till exempel Sveavägen 98."
        return f"{name} ska vara {what}, du skrev ”{problem.given}”."
    unit = f"{NBSP}{UNITS[problem.field]}" if problem.field in UNITS else ""
    lowest, highest, given = (
        _written(problem.field, value)
        for value in (problem.lowest, problem.highest, problem.given)
    )
    return f"{name} ska vara {lowest}–{highest}{unit}, du skrev {given}."


def _written(field: str, value: Any) -> str:  # noqa: ANN401 - number or date
    if field in YEARS or not isinstance(value, int | float):
        return str(value)
    return plain(value)


def _column(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [value for (value,) in connection.execute(query).fetchall()]


@dataclass(frozen=True)
class SystemState:
    """What runs and how well: the latest snapshot and every model's latest version."""

    manifest: Manifest
    index: list[Point]
    sales_per_month: list[Point]
    rejected: list[tuple[str, int, str]]
    models: list[ModelVersion]


def system_state(settings: Settings) -> SystemState:
    """Read the state of the system for the monitoring page.

    Raises
    ------
    SlutprisError
        When nothing is published yet.
    """
    with open_snapshot(settings.serving_dir) as snapshot:
        connection = snapshot.connection
        sales_per_month = connection.execute(
            "select date_trunc('month', sold_date)::date as month, count(*) "
            "from marts.sales group by month order by month"
        ).fetchall()
        rejected = connection.execute(
            "select rule, count(*), min(reason) from marts.rejected_sales "
            "group by rule order by count(*) desc, rule"
        ).fetchall()
        index = price_index(connection)
        manifest = snapshot.manifest
    registry = ServingRegistry(settings)
    models = [registry.get(name) for name in registry.names()]
    return SystemState(manifest, index, sales_per_month, rejected, models)
