"""The listing page: one home, and the one sale (or ad) the page speaks for.

What does not belong here: requests, and joining a home to its other sales.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
from web_poet import WebPage

from scrapy_project.items import Home
from scrapy_project.pages.next_data import (
    Entity,
    NextData,
    UnknownShapeError,
    date_in,
    emphasised,
    identifier,
    number_in,
    number_of,
    payload_of,
    text_of,
    whole,
)

if TYPE_CHECKING:
    from datetime import date

SOLD_TYPES = frozenset({"SoldProperty", "ResidenceWithSoldProperty"})
HOME_TYPES = SOLD_TYPES | {"Listing", "ResidenceForSale", "Residence"}
ROOT_QUERIES = ("propertyByResidenceId", "propertyByListingId")

KNOWN_INFO_POINTS = frozenset(
    {
        "soldPrice", "price", "priceDiff", "soldOrRemovedDate", "soldSqmPrice",
        "soldInfoReadMore", "soldDate", "tenureForm", "rent", "operatingCost", "floor",
        "apartmentNumber", "energyScore", "daysActive", "pageviews",
    }
)  # fmt: skip
_BRF_PATH = re.compile(r"/bostadsrattsforening/(\d+)$")
_GROUND_FLOOR = re.compile(r"\bbv\b|botten|markplan|entréplan", re.IGNORECASE)


@attrs.define(slots=False, eq=False)
class ListingPage(WebPage[Home]):
    """A page of ``/bostad``, ``/annons`` or ``/lagfart``, as served or as saved."""

    @cached_property
    def payload(self) -> bytes:
        """The page's ``__NEXT_DATA__``, as served."""
        return payload_of(bytes(self.response.body))

    @cached_property
    def data(self) -> NextData:
        """The parsed payload."""
        return NextData(self.payload)

    @cached_property
    def _root(self) -> Entity:
        found = [q for name in ROOT_QUERIES for q in self.data.root_queries(name)]
        roots = [root for _, value in found if (root := self.data.resolve(value))]
        if not roots:
            raise UnknownShapeError(
                f"expected {' or '.join(ROOT_QUERIES)} in ROOT_QUERY, found "
                f"{', '.join(sorted(self.data.root))[:200]}"
            )
        if roots[0].get("__typename") not in HOME_TYPES:
            raise UnknownShapeError(
                f"expected one of {', '.join(sorted(HOME_TYPES))}, got "
                f"{roots[0].get('__typename')}"
            )
        return roots[0]

    @cached_property
    def _info(self) -> dict[str, str]:
        points = self.data.info_points(self._root)
        for key in points.keys() - KNOWN_INFO_POINTS:
            self.data.oddities[f"unknown_infopoint/{key}"] += 1
        return points

    @cached_property
    def home(self) -> Home:
        """The home.

        Raises
        ------
        UnknownShapeError
            When no known kind of home stands at the root of the page.
        """
        root = self._root
        return Home(
            url=text_of(root.get("url")) or urlsplit(str(self.response.url)).path,
            detail_typename=root["__typename"],
            booli_id=self._sale_id(),
            residence_id=identifier(root.get("residenceId")),
            object_type=text_of(root.get("objectType")),
            amenities=self.data.amenities(root),
            **self._place(),
            **self._building(),
            **self._agency(),
            **self._sale(),
            **self._costs(),
            **self._measures(),
        )

    def _sale_id(self) -> int | None:
        # On residence types booliId was the residence's id in 2023; it is the sale's
        # only where the list of sales knows it.
        root = self._root
        own = identifier(root.get("booliId"))
        if root["__typename"] == "SoldProperty":
            return own
        sales = self.data.field(root, "salesOfResidence") or []
        known = {
            identifier(sale.get("booliId"))
            for sale in map(self.data.resolve, sales)
            if isinstance(sale, dict)
        }
        return own if own in known and root["__typename"] in SOLD_TYPES else None

    def _place(self) -> dict[str, Any]:
        root, field = self._root, self.data.field
        areas = [
            area
            for area in map(self.data.resolve, field(root, "areas") or [])
            if isinstance(area, dict)
        ]
        names = {area.get("type"): text_of(area.get("name")) for area in areas}
        location = field(root, "location") or {}
        municipality = (location.get("region") or {}).get("municipalityName")
        ids = {identifier(area.get("id")) for area in areas} - {None}
        return {
            "street_address": text_of(root.get("streetAddress")),
            "descriptive_area_name": text_of(root.get("descriptiveAreaName")),
            "municipality_name": text_of(municipality) or names.get("municipality"),
            "postcode": names.get("postcode"),
            "latitude": number_of(root.get("latitude")),
            "longitude": number_of(root.get("longitude")),
            "area_ids": sorted(id_ for id_ in ids if id_ is not None),
        }

    def _building(self) -> dict[str, Any]:
        root, field = self._root, self.data.field
        brf_id, brf_name = self._brf()
        tenure = text_of(root.get("tenureForm")) or emphasised(
            self._info.get("tenureForm")
        )
        energy = field(root, "energyClass") or {}
        score = re.search(r"energiklass ([A-G])\b", self._info.get("energyScore", ""))
        number = field(root, "apartmentNumber") or {}
        return {
            "brf_id": brf_id,
            "brf_name": brf_name,
            "tenure_form": tenure.capitalize() if tenure else None,
            "energy_class": text_of(energy.get("score")) or (score and score[1]),
            "apartment_number": text_of(number.get("value"))
            or emphasised(self._info.get("apartmentNumber")),
            "construction_year": whole(number_of(field(root, "constructionYear"))),
        }

    def _brf(self) -> tuple[int | None, str | None]:
        brf = self.data.field(self._root, "housingCoop") or {}
        brf_id, name = identifier(brf.get("id")), text_of(brf.get("name"))
        for crumb in self.data.field(self._root, "breadcrumbs") or []:
            match = _BRF_PATH.search(crumb.get("url") or "")
            if match:
                return brf_id or int(match[1]), name or text_of(crumb.get("label"))
        return brf_id, name

    def _agency(self) -> dict[str, Any]:
        agency = self.data.field(self._root, "agency") or {}
        agency_id = self._root.get("agencyId") or agency.get("id")
        return {
            "agency_id": identifier(agency_id),
            "agency_name": text_of(agency.get("name")),
        }

    def _sale(self) -> dict[str, Any]:
        root = self._root
        return {
            "sold_price_type": text_of(root.get("soldPriceType")),
            "sold_date": self._sold_date(),
            "sold_price_sek": self._kronor("soldPrice", "soldPrice"),
            "list_price_sek": self._kronor("listPrice", "price"),
            "first_price_sek": self._kronor("firstPrice"),
            "days_active": self._days_active(),
            "is_sold_before_listing": root.get("soldAsUpcomingSale"),
        }

    def _sold_date(self) -> date | None:
        texts = (
            self._root.get("soldDate"),
            self._info.get("soldOrRemovedDate"),
            self._info.get("soldDate"),
        )
        if self._root["__typename"] not in SOLD_TYPES:
            return None
        return next(filter(None, map(date_in, texts)), None)

    def _kronor(self, key: str, info_key: str | None = None) -> int | None:
        shown = number_of(self.data.field(self._root, key))
        if shown is None and info_key:
            shown = number_in(emphasised(self._info.get(info_key)))
        return whole(shown)

    def _days_active(self) -> int | None:
        days = number_of(self._root.get("daysActive"))
        text = self._info.get("daysActive", "")
        # "snart till salu" counts the days before the ad, a different quantity.
        if days is None and "till salu" in text and "snart" not in text:
            days = number_in(emphasised(text))
        return whole(days)

    def _costs(self) -> dict[str, Any]:
        return {
            "fee_sek_per_month": self._per_month("rent"),
            "operating_cost_sek_per_month": self._per_month("operatingCost"),
        }

    def _per_month(self, key: str) -> int | None:
        value = self.data.field(self._root, key)
        unit = value.get("unit") if isinstance(value, dict) else None
        if unit is not None and "kr/mån" not in unit:
            self.data.oddities[f"unexpected_unit/{key}/{unit}"] += 1
            return None
        text = self._info.get(key, "")
        if value is None and "kr/mån" in text:
            return whole(number_in(emphasised(text)))
        return whole(number_of(value))

    def _measures(self) -> dict[str, Any]:
        root, field = self._root, self.data.field
        return {
            "living_area_m2": number_of(field(root, "livingArea")),
            "additional_area_m2": number_of(field(root, "additionalArea")),
            "rooms": number_of(field(root, "rooms")),
            "floor": self._floor(),
        }

    def _floor(self) -> float | None:
        structured = number_of(self.data.field(self._root, "floor"))
        text = self._info.get("floor")
        if structured is not None or text is None:
            return structured
        shown = emphasised(text) or text
        floor = 0.0 if _GROUND_FLOOR.search(shown) else number_in(shown)
        if floor is None:
            self.data.oddities[f"unknown_floor/{shown[:40]}"] += 1
        return floor
