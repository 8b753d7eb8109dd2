"""The listing page: one home, and the one sale (or ad) the page speaks for.

What does not belong here: requests, the sentences of the info points
(``info_points``), and joining a home to its other sales.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
from web_poet import WebPage

from scrapy_project.items import Home
from scrapy_project.pages.info_points import InfoPoints
from scrapy_project.pages.known import HOME_TYPES, SALE_TYPE, SOLD_TYPES
from scrapy_project.pages.next_data import (
    NextData,
    Node,
    UnknownShapeError,
    payload_of,
)
from scrapy_project.pages.quantities import (
    Json,
    OddValueError,
    contradicts_price_per_m2,
    label,
    read_home_path,
    read_identifier,
    read_number,
    wording,
)
from scrapy_project.pages.search import sold_price_type

if TYPE_CHECKING:
    from datetime import date

ROOT_QUERIES = ("propertyByResidenceId", "propertyByListingId")
NEVER_SOLD_TYPE = "Residence"

_BRF_PATH = re.compile(r"/bostadsrattsforening/([0-9]+)$")
_POSTCODE = re.compile(r"[0-9]{3} ?[0-9]{2}")
_ENERGY_CLASS = re.compile(r"[A-G]")


@attrs.define(slots=False, eq=False)
class ListingPage(WebPage[Home]):
    """A page of ``/bostad``, ``/annons`` or ``/lagfart``, as served or as saved."""

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
        """What was not understood, by name; complete once the home was read."""
        return self.data.oddities

    @cached_property
    def suspicions(self) -> Counter[str]:
        """Values that contradict each other, by name; complete with the home."""
        return Counter()

    @cached_property
    def _root(self) -> Node:
        found = [q for name in ROOT_QUERIES for q in self.data.root_queries(name)]
        roots = [root for _, value in found if (root := self.data.resolve(value))]
        if not roots or not isinstance(roots[0], dict):
            raise UnknownShapeError(
                f"expected {' or '.join(ROOT_QUERIES)} in ROOT_QUERY, and a home under "
                f"it, found {self.data.root_outline()}"
            )
        root = roots[0]
        typename = root.get("__typename")
        if not isinstance(typename, str) or typename not in HOME_TYPES:
            raise UnknownShapeError(
                f"expected one of {', '.join(sorted(HOME_TYPES))}, got "
                f"{label(typename)}"
            )
        if any(other is not root for other in roots[1:]):
            self.data.oddities["several_roots"] += 1
        return Node(self.data, root)

    @property
    def _typename(self) -> str:
        return self._root.data["__typename"]

    @cached_property
    def _info(self) -> InfoPoints:
        if self._typename in SOLD_TYPES:
            root = self._root
            if not root.has("infoSections") and not root.has("soldDate"):
                root.odd("missing/infoSections")
        return InfoPoints.of(self._root)

    @cached_property
    def home(self) -> Home:
        """The home.

        Raises
        ------
        UnknownShapeError
            When no known kind of home stands at the root of the page.
        """
        root = self._root
        home = Home(
            url=self._url(),
            detail_typename=self._typename,
            booli_id=self._sale_id(),
            residence_id=root.identifier("residenceId", "residence_id"),
            object_type=root.text("objectType"),
            amenities=root.amenities(),
            **self._place(),
            **self._building(),
            **_agency(root),
            **self._offer(),
            **self._sale(),
            **self._costs(),
            **self._measures(),
        )
        per_m2 = root.number("soldSqmPrice", "price_per_m2_sek")
        if contradicts_price_per_m2(home.sold_price_sek, home.living_area_m2, per_m2):
            self.suspicions["sqm_check_failed"] += 1
        return home

    def _url(self) -> str:
        own = self._root.home_path("url")
        path = urlsplit(str(self.response.url)).path
        try:
            url = own or read_home_path(path)
        except OddValueError:
            url = None
        if url is None:
            raise UnknownShapeError(
                f"expected the path of a home as url, got "
                f"{label(self._root.data.get('url'))}"
            )
        return url

    def _sale_id(self) -> int | None:
        """Tell which sale the page speaks for.

        On residence types ``booliId`` was the residence's id in 2023. The sale is then
        the one of the home's sales that is both the first, as the newest stands first,
        and the greatest, as ids grow.
        """
        root = self._root
        if self._typename not in SOLD_TYPES:
            return None
        own = root.identifier("booliId", "booli_id")
        if self._typename == SALE_TYPE:
            if own is None and root.data.get("booliId") is None:
                own = root.identifier("id", "booli_id")
            return own
        stubs = root.nodes("salesOfResidence", SALE_TYPE)
        sales = [stub.identifier("booliId", "booli_id") for stub in stubs]
        known = [sale for sale in sales if sale is not None]
        if own in known:
            return own
        if own is not None and str(own) not in self._residence_ids():
            self.suspicions["booli_id_not_among_sales"] += 1
            return None
        is_newest = bool(known) and known[0] == sales[0] == max(known)
        return known[0] if is_newest else None

    def _residence_ids(self) -> set[str]:
        return {label(self._root.data.get(name)) for name in ("residenceId", "id")}

    def _place(self) -> dict[str, Any]:
        root = self._root
        areas = root.nodes("areas", "Area_V3")
        names = {label(area.get("type")): area.text("name") for area in areas}
        region = root.node("location", "Location").node("region", "Region")
        ids = {area.identifier("id", "area_ids") for area in areas} - {None}
        return {
            "street_address": root.text("streetAddress"),
            "descriptive_area_name": root.text("descriptiveAreaName"),
            "municipality_name": region.text("municipalityName")
            or names.get("municipality"),
            "postcode": _matching(root, _POSTCODE, names.get("postcode"), "postcode"),
            "latitude": root.number("latitude", "latitude"),
            "longitude": root.number("longitude", "longitude"),
            "area_ids": sorted(id_ for id_ in ids if id_ is not None),
        }

    def _building(self) -> dict[str, Any]:
        root, info = self._root, self._info
        brf_id, brf_name = _brf(root)
        tenure = root.text("tenureForm") or info.shown("tenureForm")
        energy = _member_or_text(root, "energyClass", "EnergyClass", "score")
        number = _member_or_text(root, "apartmentNumber", "FormattedValue", "value")
        return {
            "brf_id": brf_id,
            "brf_name": brf_name,
            "tenure_form": tenure.capitalize() if tenure else None,
            "energy_class": _matching(root, _ENERGY_CLASS, energy, "energy_class")
            or info.energy_class(),
            "apartment_number": number or info.shown("apartmentNumber"),
            "construction_year": root.integer("constructionYear", "construction_year"),
        }

    def _offer(self) -> dict[str, Any]:
        """Read the asking price and the days for sale, which an ad has, too."""
        if self._typename == NEVER_SOLD_TYPE:
            return {}
        return {
            "list_price_sek": self._integer("listPrice", "list_price_sek", "price"),
            "first_price_sek": self._integer("firstPrice", "first_price_sek"),
            "days_active": self._integer("daysActive", "days_active", "daysActive"),
        }

    def _sale(self) -> dict[str, Any]:
        root = self._root
        if self._typename not in SOLD_TYPES:
            return {}
        price = self._integer("soldPrice", "sold_price_sek", "soldPrice")
        return {
            "sold_price_type": sold_price_type(root),
            "sold_date": self._sold_date(),
            "sold_price_sek": price,
            "is_sold_before_listing": root.flag("soldAsUpcomingSale"),
        }

    def _sold_date(self) -> date | None:
        return (
            self._root.day("soldDate", "sold_date")
            or self._info.day("soldOrRemovedDate")
            or self._info.day("soldDate")
        )

    def _costs(self) -> dict[str, Any]:
        cost = "operating_cost_sek_per_month"
        return {
            "fee_sek_per_month": self._integer("rent", "fee_sek_per_month", "rent"),
            cost: self._integer("operatingCost", cost, "operatingCost"),
        }

    def _measures(self) -> dict[str, Any]:
        root = self._root
        return {
            "living_area_m2": root.number("livingArea", "living_area_m2"),
            "additional_area_m2": root.number("additionalArea", "additional_area_m2"),
            "rooms": root.number("rooms", "rooms"),
            "floor": self._number("floor", "floor", "floor"),
        }

    def _integer(self, name: str, column: str, point: str | None = None) -> int | None:
        number = self._number(name, column, point)
        return None if number is None else round(number)

    def _number(self, name: str, column: str, point: str | None) -> float | None:
        """Read a field or, where it says nothing at all, the info point of the same."""
        try:
            number = read_number(self._root.get(name), column)
        except OddValueError as odd:
            self._root.odd(odd.oddity)
            return None
        if number is None and point is not None:
            return self._info.number(point, column)
        return number


def _member_or_text(root: Node, name: str, typename: str, member: str) -> str | None:
    """Read a text that stands in an object, or, in some releases, by itself."""
    value = root.get(name)
    if isinstance(value, str):
        return root.text(name)
    return root.node(name, typename).text(member)


def _matching(root: Node, form: re.Pattern[str], text: Json, name: str) -> str | None:
    if text is None or form.fullmatch(text):
        return text
    root.odd(f"unknown_text/{name}/{wording(text)}")
    return None


def _brf(root: Node) -> tuple[int | None, str | None]:
    brf = root.node("housingCoop", "HousingCoop")
    brf_id, name = brf.identifier("id", "brf_id"), brf.text("name")
    paths = [brf.text("link")]
    crumbs = root.nodes("breadcrumbs", "BreadcrumbItem")
    for crumb in crumbs:
        match = _BRF_PATH.search(crumb.text("url") or "")
        if match:
            paths.append(match[0])
            name = name or crumb.text("label")
    matches = filter(None, (_BRF_PATH.search(path or "") for path in paths))
    found = next((match[1] for match in matches), None)
    return brf_id or root.tried(read_identifier, found, "brf_id"), name


def _agency(root: Node) -> dict[str, Any]:
    agency = root.node("agency", "Agency")
    return {
        "agency_id": root.identifier("agencyId", "agency_id")
        or agency.identifier("id", "agency_id"),
        "agency_name": agency.text("name"),
    }
