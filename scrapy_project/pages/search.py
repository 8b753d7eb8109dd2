"""The sold search page: the echo of the query, the page count, and the cards.

What does not belong here: requests, and any judgement of a card's values.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
from web_poet import WebPage

from scrapy_project.items import SaleCard
from scrapy_project.pages.next_data import (
    Entity,
    Json,
    NextData,
    UnknownShapeError,
    date_in,
    identifier,
    number_of,
    payload_of,
    text_of,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS_PER_PAGE = 35


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
        """The page's ``__NEXT_DATA__``, as served."""
        return payload_of(bytes(self.response.body))

    @cached_property
    def data(self) -> NextData:
        """The parsed payload."""
        return NextData(self.payload)

    @cached_property
    def _result(self) -> tuple[Entity, Entity]:
        found = self.data.root_queries("searchSold")
        try:
            ((arguments, value),) = found
            query, result = json.loads(arguments)["input"], self.data.resolve(value)
            result["result"], result["pages"], result["totalCount"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnknownShapeError(
                f"expected one searchSold(...) with input, result, pages and totalCount"
                f" in ROOT_QUERY, found {len(found)} ({error!r})"
            ) from error
        return query, result

    @cached_property
    def echo(self) -> SearchEcho:
        """The query as the site understood it, from the cache key of the result."""
        query, _ = self._result
        areas = query.get("areaId") or query.get("areaIds") or ""
        ids = areas if isinstance(areas, list) else str(areas).split(",")
        return SearchEcho(
            area_ids=frozenset(map(str, ids)),
            filters={f["key"]: _joined(f["value"]) for f in query.get("filters") or []},
            page=int(query.get("page") or 1),
            is_sorted=bool(query.get("sort") or query.get("ascending")),
        )

    @property
    def page_count(self) -> int:
        """Pages of this search, as the site says."""
        return int(self._result[1]["pages"])

    @property
    def total_count(self) -> int:
        """Sales of this search, as the site says."""
        return int(self._result[1]["totalCount"])

    @cached_property
    def _read(self) -> tuple[list[SaleCard], list[UnreadableCard]]:
        references = self._result[1]["result"] or []
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
        """Cards that lack an id, a url, a date or a price."""
        return self._read[1]

    def _card_or_reason(
        self, position: int, reference: Json
    ) -> SaleCard | UnreadableCard:
        entity = self.data.resolve(reference)
        if not isinstance(entity, dict):
            return UnreadableCard(
                position, "result", "the reference leads nowhere", reference
            )
        if entity.get("__typename") != "SoldProperty":
            reason = f"expected a SoldProperty, got {entity.get('__typename')}"
            return UnreadableCard(position, "__typename", reason, entity)
        values = self._values(entity)
        for field, key in _REQUIRED.items():
            if values[field] is None:
                reason = f"expected {key}, got {entity.get(key)!r}"
                return UnreadableCard(position, key, reason, entity)
        return SaleCard(**values)

    def _values(self, entity: Entity) -> dict[str, Any]:
        field, points = self.data.field, self.data.data_points(entity)
        location = field(entity, "location") or {}
        return {
            "booli_id": identifier(entity.get("booliId") or entity.get("id")),
            "url": text_of(entity.get("url")),
            "street_address": text_of(entity.get("streetAddress")),
            "descriptive_area_name": text_of(entity.get("descriptiveAreaName")),
            "municipality_name": text_of(
                (location.get("region") or {}).get("municipalityName")
            ),
            "object_type": text_of(entity.get("objectType")),
            "sold_price_type": text_of(entity.get("soldPriceType")),
            "sold_date": date_in(entity.get("soldDate")),
            "days_active": whole(number_of(entity.get("daysActive"))),
            "latitude": number_of(entity.get("latitude")),
            "longitude": number_of(entity.get("longitude")),
            "amenities": self.data.amenities(entity),
            **self._prices(entity, points),
            **self._measures(entity, points),
        }

    def _prices(self, entity: Entity, points: dict[str, float]) -> dict[str, Any]:
        def kronor(key: str) -> int | None:
            return whole(number_of(self.data.field(entity, key)))

        per_m2 = points.get("price_per_m2_sek")
        percentage = self.data.field(entity, "soldPricePercentageDiff")
        return {
            "sold_price_sek": kronor("soldPrice"),
            "list_price_sek": kronor("listPrice"),
            "price_change_sek": kronor("soldPriceAbsoluteDiff"),
            "price_change_pct": number_of(percentage),
            "price_per_m2_sek": kronor("soldSqmPrice")
            if per_m2 is None
            else whole(per_m2),
            "fee_sek_per_month": whole(points.get("fee_sek_per_month")),
        }

    def _measures(self, entity: Entity, points: dict[str, float]) -> dict[str, Any]:
        # Releases up to 2025-01 served these as fields of the card.
        fields = {
            "living_area_m2": "livingArea",
            "additional_area_m2": "additionalArea",
            "rooms": "rooms",
            "floor": "floor",
        }
        return {
            column: points[column]
            if column in points
            else number_of(self.data.field(entity, key))
            for column, key in fields.items()
        }


_REQUIRED = {
    "booli_id": "booliId",
    "url": "url",
    "sold_date": "soldDate",
    "sold_price_sek": "soldPrice",
}


def _joined(value: Json) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
