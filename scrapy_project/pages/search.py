"""The sold search page: the echo of the query, the page count, and the cards.

What does not belong here: requests, how a number is read (``quantities``), and any
judgement of a card's values.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
from web_poet import WebPage

from scrapy_project.items import SaleCard
from scrapy_project.pages.known import SALE_TYPE, SOLD_PRICE_TYPES
from scrapy_project.pages.next_data import (
    Entity,
    Json,
    NextData,
    Node,
    UnknownShapeError,
    payload_of,
)
from scrapy_project.pages.quantities import (
    contradicts_price_per_m2,
    label,
    plausible,
    read_data_point,
    whole,
    wording,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS_PER_PAGE = 35
_MOST_SALES = 1_000_000_000


@attrs.frozen
class SearchEcho:
    """The query as the site understood it; unknown parameters are missing from it."""

    area_ids: frozenset[str]
    filters: Mapping[str, str]
    page: int
    is_sorted: bool = False


@attrs.frozen
class UnreadableCard:
    """A card without what makes it a sale; kept for the quarantine."""

    position: int
    field: str
    reason: str
    record: Any


@attrs.define(slots=False, eq=False)
class SearchPage(WebPage[SaleCard]):
    """A page of ``/sok/slutpriser``, as served or as saved from a browser."""

    @cached_property
    def payload(self) -> bytes:
        """The page's data as JSON, as served."""
        return payload_of(bytes(self.response.body))

    @cached_property
    def data(self) -> NextData:
        """The parsed payload."""
        return NextData(self.payload)

    @property
    def oddities(self) -> Counter[str]:
        """What was not understood, by name; complete once the cards were read."""
        return self.data.oddities

    @cached_property
    def suspicions(self) -> Counter[str]:
        """Values that contradict each other, by name; complete with the cards."""
        return Counter()

    @cached_property
    def _result(self) -> tuple[Entity, Node, list[Json]]:
        found = self.data.root_queries("searchSold")
        try:
            ((arguments, value),) = found
            query = json.loads(arguments)["input"]
            result = self.data.node(value, "searchSold", "SearchSoldResult")
            references = result.data["result"] or []
            result.data["pages"], result.data["totalCount"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnknownShapeError(
                "expected one searchSold(...) with input, result, pages and totalCount "
                f"in ROOT_QUERY, found {self.data.root_outline()}"
            ) from error
        if not isinstance(query, dict) or not isinstance(references, list):
            raise UnknownShapeError(
                "expected the input of searchSold(...) to be an object and its result "
                f"a list, found {type(query).__name__} and {type(references).__name__}"
            )
        return query, result, references

    @cached_property
    def echo(self) -> SearchEcho:
        """The query as the site understood it, from the cache key of the result."""
        query, _, _ = self._result
        areas = query.get("areaId") or query.get("areaIds") or ""
        try:
            return SearchEcho(
                area_ids=frozenset(_joined(areas).split(",")),
                filters={f["key"]: _joined(f["value"]) for f in query["filters"] or []},
                page=int(query.get("page") or 1),
                is_sorted=bool(query.get("sort") or query.get("ascending")),
            )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise UnknownShapeError(
                "expected filters with key and value, and a page number, in the input "
                f"of searchSold(...); got {type(error).__name__} on {label(error)}"
            ) from error

    @property
    def page_count(self) -> int:
        """Pages of this search, as the site says."""
        return self._total("pages")

    @property
    def total_count(self) -> int:
        """Sales of this search, as the site says."""
        return self._total("totalCount")

    def _total(self, name: str) -> int:
        total = self._result[1].data[name]
        if type(total) is str and total.isascii() and total.isdigit():
            total = int(total[:12])
        if type(total) is not int or not 0 <= total <= _MOST_SALES:
            raise UnknownShapeError(
                f"expected {name} of searchSold(...) to be a whole number, found "
                f"{label(total)}"
            )
        return total

    @cached_property
    def _read(self) -> tuple[list[SaleCard], list[UnreadableCard]]:
        references = self._result[2]
        if not references and self.total_count and self.echo.page <= self.page_count:
            raise UnknownShapeError(
                f"the page says {self.total_count} sales but lists none"
            )
        read = [self._card_or_reason(*numbered) for numbered in enumerate(references)]
        cards = [card for card in read if isinstance(card, SaleCard)]
        unreadable = [card for card in read if isinstance(card, UnreadableCard)]
        if unreadable and not cards and len(unreadable) > 1:
            first = unreadable[0]
            raise UnknownShapeError(
                f"none of {len(unreadable)} cards can be read; the first: "
                f"{first.field}: {first.reason}"
            )
        return cards, unreadable

    @property
    def cards(self) -> list[SaleCard]:
        """The sales on this page, in its order.

        Raises
        ------
        UnknownShapeError
            When the page lists sales but not one of them can be read.
        """
        return self._read[0]

    @property
    def unreadable(self) -> list[UnreadableCard]:
        """Cards that lack an id, a url, a date or a price, or have an unlikely one."""
        return self._read[1]

    def _card_or_reason(
        self, position: int, reference: Json
    ) -> SaleCard | UnreadableCard:
        entity = self.data.resolve(reference)
        if not isinstance(entity, dict):
            reason = "the reference leads to no object"
            return UnreadableCard(position, "result", reason, reference)
        card = self.data.node(reference, "result", SALE_TYPE)
        if card.data.get("__typename") != SALE_TYPE:
            reason = f"expected a {SALE_TYPE}, got {label(entity.get('__typename'))}"
            return UnreadableCard(position, "__typename", reason, entity)
        values = self._values(card)
        for column, key in _REQUIRED.items():
            if values[column] is None:
                reason = f"expected {key}, got {label(entity.get(key))!r}"
                return UnreadableCard(position, key, reason, entity)
        read = SaleCard(**values)
        self._check(read)
        return read

    def _check(self, card: SaleCard) -> None:
        price, area = card.sold_price_sek, card.living_area_m2
        if contradicts_price_per_m2(price, area, card.price_per_m2_sek):
            self.suspicions["sqm_check_failed"] += 1

    def _values(self, card: Node) -> dict[str, Any]:
        region = card.node("location", "Location").node("region", "Region")
        points = _data_points(card)
        return {
            "booli_id": card.identifier(
                "id" if card.data.get("booliId") is None else "booliId", "booli_id"
            ),
            "url": card.home_path("url"),
            "street_address": card.text("streetAddress"),
            "descriptive_area_name": card.text("descriptiveAreaName"),
            "municipality_name": region.text("municipalityName"),
            "object_type": card.text("objectType"),
            "sold_price_type": sold_price_type(card),
            "sold_date": card.day("soldDate", "sold_date"),
            "days_active": card.integer("daysActive", "days_active"),
            "latitude": card.number("latitude", "latitude"),
            "longitude": card.number("longitude", "longitude"),
            "amenities": card.amenities(),
            **_prices(card, points),
            **_measures(card, points),
        }


_REQUIRED = {
    "booli_id": "booliId",
    "url": "url",
    "sold_date": "soldDate",
    "sold_price_sek": "soldPrice",
}
# Releases up to 2025-01 served these as fields of the card.
_MEASURES = {
    "living_area_m2": "livingArea",
    "additional_area_m2": "additionalArea",
    "rooms": "rooms",
    "floor": "floor",
}


def sold_price_type(node: Node) -> str | None:
    """Read what kind of price it is; a new kind is kept as shown, and counted."""
    kind = node.text("soldPriceType")
    if kind is not None and kind not in SOLD_PRICE_TYPES:
        node.odd(f"unknown_sold_price_type/{wording(kind)}")
    return kind


def _data_points(card: Node) -> dict[str, float]:
    """Read the short texts under a card, by column; the first of a kind counts."""
    attributes = card.node("displayAttributes", "DisplayAttributes")
    if not attributes.data and not card.has("livingArea"):
        card.odd("missing/displayAttributes")
    read: dict[str, float] = {}
    for point in attributes.nodes("dataPoints", "DataPoint"):
        shown = point.node("value", "DisplayText").text("plainText")
        if shown is None:
            card.odd("missing/plainText")
            continue
        values = read_data_point(shown)
        if values is None:
            card.odd(f"unknown_datapoint/{wording(shown)}")
            continue
        for column, value in values:
            _keep(card, read, column, value)
    return read


def _keep(card: Node, read: dict[str, float], column: str, value: float) -> None:
    number = card.tried(plausible, value, column)
    if number is not None and read.setdefault(column, number) != number:
        card.odd(f"conflicting_datapoints/{column}")


def _prices(card: Node, points: dict[str, float]) -> dict[str, Any]:
    per_m2 = points.get("price_per_m2_sek")
    if per_m2 is None:
        per_m2 = card.number("soldSqmPrice", "price_per_m2_sek")
    return {
        "sold_price_sek": card.integer("soldPrice", "sold_price_sek"),
        "list_price_sek": card.integer("listPrice", "list_price_sek"),
        "price_change_sek": card.integer("soldPriceAbsoluteDiff", "price_change_sek"),
        "price_change_pct": card.number("soldPricePercentageDiff", "price_change_pct"),
        "price_per_m2_sek": whole(per_m2),
        "fee_sek_per_month": whole(points.get("fee_sek_per_month")),
    }


def _measures(card: Node, points: dict[str, float]) -> dict[str, Any]:
    return {
        column: points[column] if column in points else card.number(key, column)
        for column, key in _MEASURES.items()
    }


def _joined(value: Json) -> str:
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, list | dict) for one in values):
        raise TypeError("a value of a filter is an object")
    return ",".join(map(str, values))
