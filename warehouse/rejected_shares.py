"""Whether more of the last sales are rejected than before: of a rule, or of a district.

What belongs here: the shares, and what chance alone makes of them. What does not: the
rules (``dbt_project``). A wrong unit, a lost digit or a shifted column shows here: the
rules take such sales, so that no error of a model would tell.

A share jumps when it rose by more points than is allowed and by more than chance: of so
many sales as were sold lately, as many or more would be rejected less than once in a
thousand such looks, were the share what it was before.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log
from typing import TYPE_CHECKING

from warehouse.findings import Finding, named

if TYPE_CHECKING:
    import duckdb

LATE_DAYS, BEFORE_DAYS = 45, 365
"""The last days of sales, which a daily crawl reads again, and the year before them."""
FEWEST_REJECTED = 5
"""Fewer rejected sales are no jump, whatever their share."""
CHANCE = 0.001
LEAST_SHARE = 0.005
"""A share of nothing at all before is taken for this, as one of few sales would be."""
NO_ERRORS = ("superseded_observation", "duplicate_sale", "title_transfer")
"""Rules that take what is no error."""
ADVICE = (
    "read marts.rejected_sales of these sales and compare a few with their pages; when "
    "the site was wrong, crawl again (job nightly, or sold_months for older months); "
    "when the market really moved, raise SLUTPRIS_REJECTED_BLOCK_PCT for a night."
)

_COUNTS = f"""
with sales as (
    select sold_date, district, null as rule from marts.sales
    union all
    select sold_date, district, rule from marts.rejected_sales
    where rule not in {NO_ERRORS}
),
newest as (
    select max(sold_date) as sold_date from marts.sales
),
dated as (
    select
        coalesce(sales.district, '(no district)') as district,
        sales.rule,
        sales.sold_date > newest.sold_date - {LATE_DAYS} as is_late
    from sales
    cross join newest
    where sales.sold_date > newest.sold_date - {LATE_DAYS + BEFORE_DAYS}
        and sales.sold_date <= newest.sold_date
),
sold as (
    select
        'all sales' as label,
        count(*) filter (is_late) as late_sold,
        count(*) filter (not is_late) as before_sold
    from dated
),
of_all as (
    select
        sold.*,
        (select count(*) from dated where rule is not null and is_late)
            as late_rejected,
        (select count(*) from dated where rule is not null and not is_late)
            as before_rejected
    from sold
),
of_rules as (
    select
        'rule ' || dated.rule as label,
        any_value(sold.late_sold) as late_sold,
        any_value(sold.before_sold) as before_sold,
        count(*) filter (dated.is_late) as late_rejected,
        count(*) filter (not dated.is_late) as before_rejected
    from dated
    cross join sold
    where dated.rule is not null
    group by dated.rule
),
of_districts as (
    select
        'district ' || district as label,
        count(*) filter (is_late) as late_sold,
        count(*) filter (not is_late) as before_sold,
        count(*) filter (is_late and rule is not null) as late_rejected,
        count(*) filter (not is_late and rule is not null) as before_rejected
    from dated
    group by district
)
from of_all
union all by name
from of_rules
union all by name
from of_districts
order by label
"""


@dataclass(frozen=True)
class RejectedShare:
    """How many sales were rejected lately and in the year before, of one kind."""

    label: str
    late_sold: int
    before_sold: int
    late_rejected: int
    before_rejected: int

    @property
    def late_pct(self) -> float:
        """Share of the last sales that were rejected."""
        return 100 * self.late_rejected / max(1, self.late_sold)

    @property
    def before_pct(self) -> float:
        """Share in the year before."""
        return 100 * self.before_rejected / max(1, self.before_sold)

    def has_jumped(self, points: float) -> bool:
        """Whether it rose by more than so many points, and by more than chance."""
        if self.late_rejected < FEWEST_REJECTED:
            return False
        is_chance = (
            at_least(
                self.late_rejected,
                self.late_sold,
                max(self.before_pct / 100, LEAST_SHARE),
            )
            > CHANCE
        )
        return self.late_pct - self.before_pct > points and not is_chance

    def is_wild(self, block_pct: float) -> bool:
        """Whether so many are rejected that what is left misleads."""
        is_part = self.label.startswith("rule ")
        is_many = self.late_rejected >= FEWEST_REJECTED
        return not is_part and is_many and self.late_pct >= block_pct

    def __str__(self) -> str:
        return (
            f"{self.label}: {self.late_rejected} of {self.late_sold} rejected in the "
            f"last {LATE_DAYS} days ({self.late_pct:.0f} %), {self.before_pct:.1f} % "
            "in the year before"
        )


def read_rejected_shares(
    connection: duckdb.DuckDBPyConnection,
) -> list[RejectedShare]:
    """Count all sales, each rule's and each district's."""
    cursor = connection.execute(_COUNTS)
    names = [column[0] for column in cursor.description]
    return [
        RejectedShare(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()
    ]


def judge_rejected_shares(
    shares: list[RejectedShare], *, jump_pct: float, block_pct: float
) -> Finding:
    """Say which shares jumped, and whether what is left can be learned from.

    Parameters
    ----------
    shares
        As :func:`read_rejected_shares` gives them.
    jump_pct
        Points that a share may rise by.
    block_pct
        The share of all sales, or of a district's, from which on it is grave.
    """
    wild = [share for share in shares if share.is_wild(block_pct)]
    jumped = [
        share for share in shares if share.has_jumped(jump_pct) and share not in wild
    ]
    of_all = next((share for share in shares if share.label == "all sales"), None)
    return Finding(
        passed=not wild and not jumped,
        found=named([str(share) for share in (*wild, *jumped)])
        or (str(of_all) if of_all else "no sales"),
        expected=f"no share up by more than {jump_pct:g} points and chance, and none "
        f"at {block_pct:g} % or more",
        advice=ADVICE,
        figures={
            "late_rejected_pct": of_all.late_pct if of_all else 0.0,
            "before_rejected_pct": of_all.before_pct if of_all else 0.0,
            "jumped": len(jumped),
            "wild": len(wild),
        },
        is_grave=bool(wild),
    )


def at_least(hits: int, count: int, share: float) -> float:
    """Chance of so many hits or more among ``count``, each with chance ``share``."""
    if hits <= 0:
        return 1.0
    if share >= 1:
        return 1.0
    return sum(_exactly(number, count, share) for number in range(hits, count + 1))


def _exactly(hits: int, count: int, share: float) -> float:
    ways = lgamma(count + 1) - lgamma(hits + 1) - lgamma(count - hits + 1)
    return exp(ways + hits * log(share) + (count - hits) * log(1 - share))
