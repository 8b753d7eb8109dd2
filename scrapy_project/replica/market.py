"""What the replica knows: sales, the areas they lie in, and look-ups over them.

Shared by the synthetic market and the market of a file. Nothing here knows how a page
looks, and nothing here draws a random number.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date


@dataclass(frozen=True, slots=True)
class Area:
    """A place the site knows by id, as listed under ``areas`` on a listing page."""

    area_id: int
    name: str
    kind: str
    parent_id: int | None


@dataclass(frozen=True, slots=True)
class Brf:
    """A housing co-operative."""

    brf_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Agency:
    """An estate agency; the people who work there are not modelled."""

    agency_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What was so before the dirt went in, for checks against the synthetic market."""

    true_price_sek: int
    true_address: str
    true_living_area_m2: float
    true_floor: float
    true_construction_year: int
    true_fee_sek_per_month: int
    true_list_price_sek: int
    index_sek_per_m2: float
    """City level of the month."""
    expected_price_sek: float
    """Price without the noise."""
    noise_log: float
    """``log(true price / expected price)``, before rounding to even thousands."""
    dirt: tuple[str, ...]
    """What was done to the sale on its way to the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One sale as the site shows it; ``None`` where the site shows nothing."""

    booli_id: int
    residence_id: int | None
    street_address: str | None
    district: str | None
    municipality: str | None
    areas: tuple[Area, ...]
    object_type: str
    sold_date: date
    sold_price_sek: int
    sold_price_type: str
    living_area_m2: float
    list_price_sek: int | None = None
    first_price_sek: int | None = None
    additional_area_m2: float | None = None
    rooms: float | None = None
    floor: float | None = None
    construction_year: int | None = None
    fee_sek_per_month: int | None = None
    operating_cost_sek_per_month: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    energy_class: str | None = None
    apartment_number: str | None = None
    days_active: int | None = None
    is_sold_before_listing: bool | None = None
    tenure_form: str | None = None
    amenities: tuple[str, ...] = ()
    brf: Brf | None = None
    agency: Agency | None = None
    has_half_signs: bool = False
    """Whether its texts spell one half as ``½``, as the site did in earlier years."""
    truth: Truth | None = None

    @property
    def url(self) -> str:
        """Path of the page: a deed's, or the home's if the site knows the home."""
        if self.booli_id < 0:
            return f"/lagfart/{self.booli_id}"
        if self.residence_id is None:
            return f"/annons/{self.booli_id}"
        return f"/bostad/{self.residence_id}"

    @property
    def price_per_m2_sek(self) -> int:
        """As the site shows it: rounded to 100."""
        return round(self.sold_price_sek / self.living_area_m2 / 100) * 100

    def record(self) -> dict[str, Any]:
        """One line of the exported truth: what is shown, and what was true."""
        shown = {
            name: getattr(self, name)
            for name in self.__slots__
            if name not in ("areas", "brf", "agency", "truth")
        }
        return {
            "sale_id": f"booli:{self.booli_id}",
            **shown,
            "sold_date": self.sold_date.isoformat(),
            "url": self.url,
            "price_per_m2_sek": self.price_per_m2_sek,
            "brf_id": self.brf and self.brf.brf_id,
            "brf_name": self.brf and self.brf.name,
            "agency_id": self.agency and self.agency.agency_id,
            "agency_name": self.agency and self.agency.name,
            "area_ids": [area.area_id for area in self.areas],
            **(asdict(self.truth) if self.truth else {}),
        }


@dataclass(frozen=True, slots=True)
class Ad:
    """A home for sale again: the ad of a sale that has not happened yet."""

    sale: Sale
    published: date


@dataclass
class Market:
    """All sales up to ``today``, newest first, and where to find them.

    A market changes only through its methods, which keep the look-ups true.
    """

    name: str
    today: date
    sales: list[Sale] = field(default_factory=list)
    by_booli_id: dict[int, Sale] = field(default_factory=dict)
    by_residence_id: dict[int, list[Sale]] = field(default_factory=dict)
    sales_of_brf: dict[int, list[Sale]] = field(default_factory=dict)
    ads: dict[int, Ad] = field(default_factory=dict)
    """Ads by residence id."""
    areas: dict[int, Area] = field(default_factory=dict)
    draw: Callable[..., Sale] | None = field(default=None, compare=False)
    """Draws one more sale, where the market is drawn and not read."""
    version: int = field(default=0, compare=False)
    """Grows with every change, so that what was found before is found to be old."""

    @classmethod
    def of(
        cls, name: str, sales: Iterable[Sale], *, today: date, ads: Iterable[Ad] = ()
    ) -> Market:
        """Build the look-ups over the sales that are not after ``today``."""
        market = cls(name, today)
        shown = (sale for sale in sales if sale.sold_date <= today)
        # In this order every sale goes last into its lists: no search for its place.
        for sale in sorted(shown, key=newest_first):
            market._register(sale, list.append)
        for ad in ads:
            market.advertise(ad)
        market.version = 0
        return market

    def add(self, sale: Sale) -> None:
        """Take up a sale at its place among the others."""
        self._register(sale, lambda group, new: insort(group, new, key=newest_first))

    def replace(self, old: Sale, new: Sale) -> None:
        """Put a sale in another's place; the sold date or the url may differ."""
        self.by_booli_id.pop(old.booli_id)
        for group in (self.sales, *self._groups(old)):
            del group[bisect_left(group, newest_first(old), key=newest_first)]
        self.add(new)

    def advertise(self, ad: Ad) -> None:
        """Put a home on the market again."""
        if ad.sale.residence_id is not None:
            self.ads[ad.sale.residence_id] = ad

    def _register(self, sale: Sale, place: Callable[[list[Sale], Sale], None]) -> None:
        self.by_booli_id[sale.booli_id] = sale
        for group in (self.sales, *self._groups(sale)):
            place(group, sale)
        self.areas.update((area.area_id, area) for area in sale.areas)
        self.version += 1

    def _groups(self, sale: Sale) -> Iterator[list[Sale]]:
        if sale.residence_id is not None:
            yield self.by_residence_id.setdefault(sale.residence_id, [])
        if sale.brf is not None:
            yield self.sales_of_brf.setdefault(sale.brf.brf_id, [])

    @property
    def span(self) -> str:
        """First and last sold date."""
        if not self.sales:
            return "no sales"
        return f"{self.sales[-1].sold_date} to {self.sales[0].sold_date}"


def newest_first(sale: Sale) -> tuple[int, int]:
    """Give the key of the site's own order."""
    return -sale.sold_date.toordinal(), -sale.booli_id
