"""Whether the prices of a district moved as no market does: a wrong unit or digit.

What belongs here: medians of the last sales and of the year before, by district. What
does not: single sales, which rules of dbt take (``rejected_shares`` counts them). A
district of few or cheap sales can be wrong by a digit without a rule that takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.findings import Finding, named
from warehouse.rejected_shares import BEFORE_DAYS, LATE_DAYS, NO_ERRORS

if TYPE_CHECKING:
    import duckdb

FEWEST_SALES = 3
"""In each of the periods; the median of fewer follows a single sale."""
ADVICE = (
    "compare a few of these sales in raw.sale_cards with their pages; when the site "
    "was wrong, crawl again (job nightly, or sold_months for older months); when the "
    "prices are right, raise SLUTPRIS_DISTRICT_PRICE_FACTOR for a night."
)

# What was observed, rejected or not: a rule may have taken all that is wrong.
_MEDIANS = f"""
with sales as (
    select district, sold_date, sold_price_sek / living_area_m2 as price_per_m2_sek
    from marts.sales
    union all
    select district, sold_date, sold_price_sek / nullif(living_area_m2, 0)
    from marts.rejected_sales
    where rule not in {NO_ERRORS}
),
newest as (
    select max(sold_date) as sold_date from marts.sales
),
dated as (
    select sales.*, sales.sold_date > newest.sold_date - {LATE_DAYS} as is_late
    from sales
    cross join newest
    where sales.sold_date > newest.sold_date - {LATE_DAYS + BEFORE_DAYS}
        and sales.sold_date <= newest.sold_date
        and sales.price_per_m2_sek > 0
        and sales.district is not null
)
select
    district,
    count(*) filter (is_late) as late_sold,
    median(price_per_m2_sek) filter (is_late) as late_sek,
    median(price_per_m2_sek) filter (not is_late) as before_sek
from dated
group by district
having
    count(*) filter (is_late) >= {FEWEST_SALES}
    and count(*) filter (not is_late) >= {FEWEST_SALES}
order by district
"""


@dataclass(frozen=True)
class DistrictPrices:
    """Median prices per m² of one district, lately and in the year before."""

    district: str
    late_sold: int
    late_sek: float
    before_sek: float

    @property
    def factor(self) -> float:
        """How many times dearer the last sales were; or cheaper, if they were."""
        ratio = self.late_sek / self.before_sek
        return max(ratio, 1 / ratio)

    def __str__(self) -> str:
        return (
            f"{self.district}: {self.late_sek:.0f} kr/m² in the last {LATE_DAYS} days "
            f"({self.late_sold} sales), {self.before_sek:.0f} in the year before"
        )


def read_district_prices(
    connection: duckdb.DuckDBPyConnection,
) -> list[DistrictPrices]:
    """Give the districts with sales enough in both periods."""
    return [DistrictPrices(*row) for row in connection.execute(_MEDIANS).fetchall()]


def judge_district_prices(
    districts: list[DistrictPrices], *, most_factor: float
) -> Finding:
    """Name the districts whose median moved by more than a factor, either way."""
    moved = sorted(
        (each for each in districts if each.factor > most_factor),
        key=lambda each: -each.factor,
    )
    return Finding(
        passed=not moved,
        found=named([str(each) for each in moved])
        or f"{len(districts)} districts, none of which moved so far",
        expected=f"median prices per m² within a factor of {most_factor:g}",
        advice=ADVICE,
        figures={"districts": len(districts), "moved": len(moved)},
    )
