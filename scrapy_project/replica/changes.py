"""What happens to a market between two crawls, deterministic by a seed.

Sales arrive late, bids become final prices, prices are corrected, homes get a page of
their own and come back on the market. When that happens belongs to ``control`` and
``drift``.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from scrapy_project.replica.market import Ad, Market, Sale

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

APARTMENT = "Lägenhet"
FIRST_MOVED_RESIDENCE_ID = 50_000_000
"""Residences the site learns of late get this plus the sale's id."""

_MODEL_COUNT = 2_000
"""New sales resemble one of so many newest ones, so that their prices are of today."""
_CHOICE = 3
"""A change falls on one of so many times more newest candidates than it needs."""
_PRICE_STEP_SEK = 5_000
_DAYS_UNTIL_AD_IS_SOLD = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How much is to happen; all of it to apartments, the newest first."""

    seed: int = 1
    late_sales: int = 0
    """New sales with sold dates of the past."""
    late_days: int = 40
    """Days from the market's today to the oldest of them at most."""
    settled_bids: int = 0
    """``Sista bud`` that become ``Slutpris``, at another price."""
    corrected_prices: int = 0
    moved_urls: int = 0
    """Sales whose ``/annons/<id>`` becomes ``/bostad/<id>``."""
    new_ads: int = 0
    """Homes that are for sale again."""


def apply(market: Market, change: Change) -> dict[str, list[int]]:
    """Let it happen; give the sales' ids by kind of change, the homes' for ads.

    No sale is changed twice. There are fewer ids than asked for where the market has
    no more sales of the kind.
    """
    touched: set[int] = set()

    def changed(
        kind: str,
        count: int,
        is_wanted: Callable[[Sale], bool],
        renew: Callable[[random.Random, Sale], Sale],
    ) -> list[int]:
        rng = random.Random(f"{change.seed}/{kind}")
        chosen = _chosen(market, rng, count, touched, is_wanted)
        for sale in chosen:
            market.replace(sale, renew(rng, sale))
        return [sale.booli_id for sale in chosen]

    ids = {
        "settled_bids": changed("settled", change.settled_bids, _is_bid, _settled),
        "corrected_prices": changed(
            "corrected", change.corrected_prices, _is_final, _repriced
        ),
        "moved_urls": changed("moved", change.moved_urls, _has_no_home, _moved),
        "new_ads": _new_ads(market, change, touched),
    }
    rng = random.Random(f"{change.seed}/late")
    today = market.today
    days = [
        today - timedelta(days=rng.randint(1, change.late_days))
        for _ in range(change.late_sales)
    ]
    return {"late_sales": add_sales(market, rng, days), **ids}


def add_sales(market: Market, rng: random.Random, days: list[date]) -> list[int]:
    """Add a new sale for each sold date; give their ids, higher than any before."""
    models = [
        sale
        for sale in market.sales[:_MODEL_COUNT]
        if _is_apartment(sale) and _is_final(sale)
    ]
    added = []
    for day in days if models else []:
        sale = _resembling(rng, rng.choice(models), next_booli_id(market), day)
        market.add(sale)
        added.append(sale.booli_id)
    return added


def reprice(market: Market, district: str, since: date, factor: float) -> list[int]:
    """Multiply the prices of a district's sales since a day; give their ids."""
    wanted = [
        sale
        for sale in market.sales
        if sale.district == district and sale.sold_date >= since and _is_apartment(sale)
    ]
    for sale in wanted:
        price = round(sale.sold_price_sek * factor)
        market.replace(sale, replace(sale, sold_price_sek=price))
    return [sale.booli_id for sale in wanted]


def _chosen(
    market: Market,
    rng: random.Random,
    count: int,
    touched: set[int],
    is_wanted: Callable[[Sale], bool],
) -> list[Sale]:
    candidates = []
    for sale in market.sales:
        if len(candidates) >= count * _CHOICE:
            break
        is_free = sale.booli_id not in touched and _is_apartment(sale)
        if is_free and is_wanted(sale):
            candidates.append(sale)
    chosen = rng.sample(candidates, min(count, len(candidates)))
    touched.update(sale.booli_id for sale in chosen)
    return chosen


def _new_ads(market: Market, change: Change, touched: set[int]) -> list[int]:
    def is_off_the_market(sale: Sale) -> bool:
        home = sale.residence_id
        if home is None or home in market.ads:
            return False
        return market.by_residence_id[home][0] is sale

    rng = random.Random(f"{change.seed}/ads")
    homes = []
    for sale in _chosen(market, rng, change.new_ads, touched, is_off_the_market):
        market.advertise(_ad(market, rng, sale))
        homes.append(sale.residence_id or 0)
    return homes


def _ad(market: Market, rng: random.Random, sale: Sale) -> Ad:
    asked = _other_price(rng, sale)
    offered = replace(
        sale,
        booli_id=next_booli_id(market),
        sold_date=market.today + timedelta(days=_DAYS_UNTIL_AD_IS_SOLD),
        list_price_sek=asked,
        first_price_sek=asked,
        days_active=None,
        truth=None,
    )
    return Ad(offered, market.today)


def next_booli_id(market: Market) -> int:
    """Give an id higher than any the site has shown."""
    ads = (ad.sale.booli_id for ad in market.ads.values())
    return max(0, max(market.by_booli_id, default=0), max(ads, default=0)) + 1


def _resembling(
    rng: random.Random, model: Sale, booli_id: int, sold_date: date
) -> Sale:
    """Make a sale of another home much like the model's; no truth lies behind it."""
    price = _other_price(rng, model)
    asked = None if model.list_price_sek is None else _other_price(rng, model)
    is_known_home = rng.random() < 0.5
    return replace(
        model,
        booli_id=booli_id,
        residence_id=FIRST_MOVED_RESIDENCE_ID + booli_id if is_known_home else None,
        sold_date=sold_date,
        sold_price_sek=price,
        list_price_sek=asked,
        first_price_sek=asked,
        days_active=rng.randint(1, 60),
        truth=None,
    )


def _settled(rng: random.Random, sale: Sale) -> Sale:
    return replace(_repriced(rng, sale), sold_price_type="Slutpris")


def _repriced(rng: random.Random, sale: Sale) -> Sale:
    price = _other_price(rng, sale)
    truth = sale.truth and replace(
        sale.truth,
        true_price_sek=price,
        noise_log=round(math.log(price / sale.truth.expected_price_sek), 6),
    )
    return replace(sale, sold_price_sek=price, truth=truth)


def _other_price(rng: random.Random, sale: Sale) -> int:
    """Give a price some per cent off the sale's, never the same."""
    wanted = sale.sold_price_sek * (1 + rng.choice((-1, 1)) * rng.uniform(0.01, 0.05))
    price = max(_PRICE_STEP_SEK, round(wanted / _PRICE_STEP_SEK) * _PRICE_STEP_SEK)
    return price + _PRICE_STEP_SEK if price == sale.sold_price_sek else price


def _moved(_rng: random.Random, sale: Sale) -> Sale:
    return replace(sale, residence_id=FIRST_MOVED_RESIDENCE_ID + sale.booli_id)


def _is_apartment(sale: Sale) -> bool:
    return sale.object_type == APARTMENT and sale.booli_id > 0


def _is_bid(sale: Sale) -> bool:
    return sale.sold_price_type == "Sista bud"


def _is_final(sale: Sale) -> bool:
    return sale.sold_price_type == "Slutpris"


def _has_no_home(sale: Sale) -> bool:
    return sale.residence_id is None
