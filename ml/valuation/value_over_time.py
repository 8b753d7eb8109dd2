"""What a home was worth through the years, and how much of it the city's level did.

What belongs here: the days a curve is drawn through, the home's value on each as of
that day, and the division of a difference. What does not: the future (``scenario``),
and drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ml.valuation.known_home import known_home
from ml.valuation.price_levels import other_dates

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from ml.valuation.known_home import PastSale
    from ml.valuation.request import ValuationRequest
    from ml.valuation.valuation import Valuation, When
    from ml.valuation.value import Valuer

MONTHS_BACK = 60
MOST_MONTHS_BACK = 120
MONTHS_OF_QUARTER = 3
SAME_HOME_M2 = 1.0
"""A former sale at the address is taken for the home's own when its area is as near."""


@dataclass(frozen=True)
class Difference:
    """What a home was worth on another day, and why that is not what it is worth now.

    ``market_part_sek`` is what the difference would be, had the city's price level
    alone been another; ``rest_sek`` is all else: the neighbourhood, homes of such a
    size, the fee against others', the model's newest lessons. They add up to
    ``difference_sek``. Both are None where the level was not known.
    """

    when: When
    date: dt.date
    value_sek: int
    difference_sek: int
    market_part_sek: int | None
    rest_sek: int | None
    is_extrapolation: bool


def days_back(day: dt.date, months: int = MONTHS_BACK) -> list[dt.date]:
    """Give the days a curve is drawn through, oldest first, ``day`` the last.

    The same day of each month; of each quarter, where it goes more than
    ``MONTHS_BACK`` back.
    """
    ago = [
        n for n in range(months + 1) if n <= MONTHS_BACK or n % MONTHS_OF_QUARTER == 0
    ]
    newest = pd.Timestamp(day)
    return [(newest - pd.DateOffset(months=n)).date() for n in reversed(ago)]


def value_over_time(
    valuer: Valuer, request: ValuationRequest, days: Sequence[dt.date]
) -> pd.DataFrame:
    """Value a home on days of the past, each by what was known then.

    Parameters
    ----------
    valuer
        Of the snapshot.
    request
        The home, at its own date.
    days
        In order; its own date may be among them.

    Returns
    -------
    pandas.DataFrame
        A row each day: ``date``, ``value_sek``, ``low_sek``, ``high_sek``,
        ``index_sek`` (today's value, had the city's price level alone been that day's)
        and ``is_extrapolation``. Days on which no price level was known yet are left
        out, for a value would be a guess.

    Raises
    ------
    AddressNotFoundError
        When no known place is spelt so.
    """
    found = valuer.value_at_days(request, [request.date, *days])
    today = found.iloc[0]
    level = found["market_sek_per_m2"] / today["market_sek_per_m2"]
    found["index_sek"] = today["value_sek"] * level
    past = found.iloc[1:]
    past = past[past["market_sek_per_m2"].notna()].reset_index(drop=True)
    return past[
        ["date", "value_sek", "low_sek", "high_sek", "index_sek", "is_extrapolation"]
    ]


def differences_of(valuer: Valuer, valuation: Valuation) -> list[Difference]:
    """Answer the seed's questions, the part of the city's price level by itself.

    Oldest first: three years ago, just before the invasion of Ukraine, a year ago, and
    in a year, for which the latest known level stands in.
    """
    whens = other_dates(valuation.request.date)
    days = [valuation.request.date, *whens.values()]
    found = valuer.value_at_days(valuation.request, days)
    level = found["market_sek_per_m2"] / found["market_sek_per_m2"].iloc[0]
    differences = [
        _difference(when, found.iloc[place], level.iloc[place], valuation.value_sek)
        for place, when in enumerate(whens, start=1)
    ]
    return sorted(differences, key=lambda each: each.date)


def own_sales(valuer: Valuer, valuation: Valuation) -> list[PastSale]:
    """Find former sales at the address of a home as large, up to its date."""
    place = valuation.place
    if place.level != "address" or place.address is None:
        return []
    known = known_home(valuer.connection(), place.address, place.street_number)
    area_m2, date = valuation.request.living_area_m2, valuation.request.date
    return [
        sale
        for sale in (known.sales if known else [])
        if abs(sale.living_area_m2 - area_m2) <= SAME_HOME_M2 and sale.sold_date <= date
    ]


def _difference(when: When, then: pd.Series, level: float, now_sek: int) -> Difference:
    value_sek = round(then["value_sek"])
    difference_sek = value_sek - now_sek
    market_sek = None if pd.isna(level) else round(now_sek * (level - 1))
    return Difference(
        when=when,
        date=then["date"],
        value_sek=value_sek,
        difference_sek=difference_sek,
        market_part_sek=market_sek,
        rest_sek=None if market_sek is None else difference_sek - market_sek,
        is_extrapolation=bool(then["is_extrapolation"]),
    )
