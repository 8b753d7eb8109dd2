"""What a sold search asks for, which sales answer it, and how the site echoes it.

Parameters the site does not know, and values it cannot read, are ignored without a
word, as on the real site; the echo tells what was understood. No page is put together
here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from scrapy_project.replica.stockholm import COUNTRY_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scrapy_project.replica.market import Market, Sale

PAGE_SIZE = 35

_RANGES: dict[str, Callable[[Sale], float | None]] = {
    "SoldPrice": lambda sale: sale.sold_price_sek,
    "SoldSqmPrice": lambda sale: sale.price_per_m2_sek,
    "Rooms": lambda sale: sale.rooms,
    "LivingArea": lambda sale: sale.living_area_m2,
    "PlotArea": lambda _: None,
    "ConstructionYear": lambda sale: sale.construction_year,
}
_AMENITIES = {
    "hasBalconyOrPatio": ("balcony", "patio"),
    "hasFireplace": ("fireplace",),
    "buildingHasElevator": ("elevator",),
}
_SORT_KEYS: dict[str, Callable[[Sale], Any]] = {
    "soldDate": lambda sale: sale.sold_date,
    "created": lambda sale: sale.sold_date,
    "priceDiffPct": lambda sale: sale.sold_price_sek / (sale.first_price_sek or 1e12),
    "soldPrice": lambda sale: sale.sold_price_sek,
    "rooms": lambda sale: sale.rooms or 0,
    "livingArea": lambda sale: sale.living_area_m2,
    "soldSqmPrice": lambda sale: sale.price_per_m2_sek,
    "plotArea": lambda _: 0,
    "postAddress": lambda sale: sale.street_address or "",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A search as the site understood it."""

    area_ids: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    """Key and value in the order they were given."""
    page: int
    sort: str

    @property
    def is_ascending(self) -> bool:
        """Giving any ``sort`` turns the order round; without it, newest first."""
        return bool(self.sort)

    def echo_key(self) -> str:
        """Write the key of ``ROOT_QUERY`` that carries the echo.

        With several areas the form of ``areaId`` is an assumption: comma separated.
        """
        return f"searchSold({self.arguments()})"

    def arguments(self) -> str:
        """Write the search input as the cache key has it."""
        return _json({"input": self.input()})

    def input(self) -> dict[str, Any]:
        """Write the search input, keys in the site's alphabetical order."""
        return {
            "areaId": ",".join(self.area_ids),
            "ascending": self.is_ascending,
            "excludeAncestors": True,
            "facets": ["upcomingSale"],
            "filters": [{"key": key, "value": value} for key, value in self.filters],
            "page": self.page,
            "sort": self.sort,
        }

    def initial_state(self) -> dict[str, Any]:
        """``pageProps.initialState`` of the search page."""
        return {
            "filters": [
                {"key": key, "value": value.split(",")} for key, value in self.filters
            ],
            "areaIds": list(self.area_ids),
            "ascending": self.is_ascending,
            "page": self.page,
            "searchType": {
                "key": "sold",
                "label": "Slutpriser",
                "urlSlug": "slutpriser",
            },
            "sort": self.sort,
        }


def understood(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read the parameters of a sold search, ignoring what the site would ignore."""
    area_ids: list[str] = []
    filters: dict[str, str] = {}
    page, sort = 1, ""
    for key, value in parameters:
        if key == "areaIds":
            area_ids += [part for part in value.split(",") if part.strip().isdigit()]
        elif key == "page" and value.isdigit():
            page = max(1, int(value))
        elif key == "sort" and value in _SORT_KEYS:
            sort = value
        elif value and _predicate(key, value) is not None:
            filters[key] = value
    return Query(
        tuple(dict.fromkeys(area_ids)) or (str(COUNTRY_ID),),
        tuple(filters.items()),
        page,
        sort,
    )


class SoldSearch:
    """Finds sales; keeps the latest few results, as a crawl pages through one query."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._found = lru_cache(maxsize=32)(self._find)

    def results(self, query: Query) -> Sequence[Sale]:
        """Find all sales that answer the query now, in its order."""
        version = self._market.version
        return self._found(version, query.area_ids, query.filters, query.sort)

    def _find(
        self,
        _version: int,
        area_ids: tuple[str, ...],
        filters: tuple[tuple[str, str], ...],
        sort: str,
    ) -> list[Sale]:
        wanted = {int(area_id) for area_id in area_ids}
        tests = [_predicate(key, value) for key, value in filters]
        found = [
            sale
            for sale in self._within_dates(dict(filters))
            if any(area.area_id in wanted for area in sale.areas)
            and all(test(sale) for test in tests if test is not None)
        ]
        if sort:
            found.sort(key=lambda sale: sale.booli_id)
            found.sort(key=_SORT_KEYS[sort])
        return found

    def _within_dates(self, filters: dict[str, str]) -> Sequence[Sale]:
        """Cut the market between the sold dates asked for, newest first."""
        first = date.fromisoformat(filters.get("minSoldDate", "0001-01-01"))
        last = date.fromisoformat(filters.get("maxSoldDate", "9999-12-31"))
        sales = self._market.sales
        newest = bisect_left(sales, -last.toordinal(), key=_age)
        oldest = bisect_right(sales, -first.toordinal(), key=_age)
        return sales[newest:oldest]


def _age(sale: Sale) -> int:
    return -sale.sold_date.toordinal()


def _predicate(key: str, value: str) -> Callable[[Sale], bool] | None:
    """Say what a filter demands; ``None`` if the site would ignore it."""
    if key in ("minSoldDate", "maxSoldDate"):
        return _any_sale if _is_date(value) else None
    if key == "objectType":
        types = value.split(",")
        return lambda sale: sale.object_type in types
    if key == "rooms":
        counts = {_number(part) for part in value.split(",")}
        return None if None in counts else lambda sale: sale.rooms in counts
    if key == "amenities":
        return _has_amenities(value.split(","))
    if key == "extendAreas":
        return _any_sale
    return _range_predicate(key, value)


def _range_predicate(key: str, value: str) -> Callable[[Sale], bool] | None:
    read, limit = _RANGES.get(key[3:]), _number(value)
    if read is None or limit is None or key[:3] not in ("min", "max"):
        return None
    sign = 1 if key.startswith("min") else -1

    def is_within(sale: Sale) -> bool:
        shown = read(sale)
        return shown is not None and (shown - limit) * sign >= 0

    return is_within


def _has_amenities(keys: list[str]) -> Callable[[Sale], bool]:
    groups = [_AMENITIES.get(key, ()) for key in keys]
    return lambda sale: all(
        any(amenity in sale.amenities for amenity in group) for group in groups
    )


def _any_sale(_sale: Sale) -> bool:
    return True


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2026-01-31")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
