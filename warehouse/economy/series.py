"""The four series of the economy: how a file names them, and when they are known.

What belongs here: names, units, lags, bounds and periods. What does not: file formats
(``files``) and the choice among a file's cells (``figures``).
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Frequency = Literal["day", "month", "quarter"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"(\d{4})[M-](0[1-9]|1[0-2])")
_CONTENTS_CODE = re.compile(r"[0-9A-Z]{8}")
_QUARTER = re.compile(r"(\d{4})-?[KQ]([1-4])")


@dataclass(frozen=True)
class Period:
    """What a figure is about: ``2024-Q1``, ``2024-01`` or ``2024-01-02``."""

    text: str
    frequency: Frequency
    end: dt.date
    """The last day of it."""

    def year_before(self) -> str:
        """Name the same month or quarter of the year before."""
        return f"{int(self.text[:4]) - 1}{self.text[4:]}"


def parse_period(text: str) -> Period | None:
    """Read a period as SCB (2024M01, 2024K1) or Riksbanken (2024-01-02) writes it."""
    text = text.strip().upper()
    if match := _QUARTER.fullmatch(text):
        year, quarter = map(int, match.groups())
        return Period(f"{year}-Q{quarter}", "quarter", _month_end(year, 3 * quarter))
    if match := _MONTH.fullmatch(text):
        year, month = map(int, match.groups())
        return Period(f"{year}-{month:02}", "month", _month_end(year, month))
    if not _DAY.fullmatch(text):
        return None
    try:
        return Period(text, "day", dt.date.fromisoformat(text))
    except ValueError:
        return None


def _month_end(year: int, month: int) -> dt.date:
    return dt.date(year, month, calendar.monthrange(year, month)[1])


@dataclass(frozen=True, eq=False)
class Series:
    """A series as the warehouse keeps it, and the words by which a file shows it.

    The words are looked for in what a file says of a figure: the codes and labels of
    its dimensions, the contents, the table's title.
    """

    name: str
    unit: str
    wanted: str
    """For a person: what to choose where the file is made."""
    lag_days: Mapping[Frequency, int]
    """Days from a period's end until its figure is surely public."""
    lowest: float
    highest: float
    named_by: tuple[str, ...]
    """Patterns that must all be found."""
    never: str
    """A pattern that must not be found: other groups, other adjustments."""
    level: str | None = None
    """Of a level, from which the yearly change is computed."""
    change: str | None = None
    """Of the yearly change itself."""

    def is_in(self, facets: tuple[str, ...], title: str) -> bool:
        """Tell whether these words name the series.

        The title counts where nothing else is told apart: that of a table by product
        group would name food a consumer price index.
        """
        is_bare = all(self._says_how_measured(facet) for facet in facets)
        words = (*facets, title) if is_bare else facets
        return all(_found(pattern, words) for pattern in self.named_by)

    def _says_how_measured(self, facet: str) -> bool:
        if not facet or _CONTENTS_CODE.fullmatch(facet):
            return True
        return self.kind((facet,)) is not None

    def is_barred_by(self, facets: tuple[str, ...]) -> bool:
        """Tell whether these words name something else beside it."""
        return _found(self.never, facets)

    def kind(self, facets: tuple[str, ...]) -> Literal["change", "level"] | None:
        """Tell the published figure itself from a level; None when it is neither."""
        if self.change is None or _found(self.change, facets):
            return "change"
        return "level" if self.level and _found(self.level, facets) else None

    def known_from(self, period: Period, vintage_on: dt.date) -> dt.date:
        """Give the first day on which the figure counts as known.

        A day's rate is known on the day. Others after the usual lag, or when the file
        was published, if that was sooner.
        """
        lag = dt.timedelta(days=self.lag_days[period.frequency])
        return min(period.end + lag, vintage_on)


def _found(pattern: str, facets: tuple[str, ...]) -> bool:
    return any(re.search(pattern, facet, re.IGNORECASE) for facet in facets)


# The codes are those of SCB's tables AKURLBefM, NR0103ENS2010T10SKv and KPItotM.
SERIES = {
    series.name: series
    for series in (
        Series(
            name="gdp_growth_yoy",
            unit="percent, year on year, volume",
            wanted="GDP at market prices (BNPM), constant prices (NR0103CE), quarterly",
            lag_days={"quarter": 60},
            lowest=-30,
            highest=30,
            named_by=(r"\bbnpm\b|bnp till marknadspris|gdp at market price",),
            never=(
                r"nr0103c[fg]|löpande|current prices|föregående (period|kvartal)"
                r"|(previous|preceding) (period|quarter)|per capita|per invånare"
            ),
            level=r"nr0103ce|fasta priser|constant prices",
            change=(
                r"motsvarande (kvartal|period)|årstakt|year.on.year"
                r"|(same|corresponding) (quarter|period)"
            ),
        ),
        Series(
            name="unemployment",
            unit="percent of labour force 15-74, seasonally adjusted",
            wanted=(
                "unemployment rate (ALÖSP), seasonally adjusted (SR_DATA), both sexes, "
                "aged 15-74, monthly or quarterly"
            ),
            lag_days={"month": 30, "quarter": 60},
            lowest=0,
            highest=30,
            named_by=(
                r"alösp|arbetslöshetstal|unemployment rate",
                r"sr_data|^säsongs?rensade?\b|^seasonally adjusted\b",
                r"15[-–]74",
            ),
            never=(
                r"^(1|2|män|kvinnor|men|women|males?|females?)$|\b[ot]c?_data"
                r"|icke|non-season|not season|utjämn|smoothed|trend|felmarginal"
                r"|margin of error"
            ),
        ),
        Series(
            name="policy_rate",
            unit="percent",
            wanted="the policy rate (SECBREPOEFF), daily",
            lag_days={"day": 0},
            lowest=-2,
            highest=20,
            named_by=(r"secbrepoeff|styrränta\b|reporänta\b|\b(policy|repo) rate\b",),
            never=(
                r"inlån|utlån|deposit|lending|genomsnitt|average|bana\b|path\b"
                r"|forecast|prognos"
            ),
        ),
        Series(
            name="cpi_yoy",
            unit="percent, year on year",
            wanted="CPI in total (KPI): the index (000004VU), or its yearly change",
            lag_days={"month": 21},
            lowest=-10,
            highest=30,
            named_by=(
                r"\bkpi\b|konsumentprisindex|\bcpi\b|consumer price index"
                r"|000004v[uv]",
            ),
            never=(
                r"kpif|cpif|hikp|hicp|kpi-ks|fast ränta|fixed interest"
                r"|(?<!12-)(?<!tolv)månadsförändring|^monthly change"
                # a product group: 01, 01.1, 01 Livsmedel
                r"|^\d\d(\.\d+)*( \D|$)"
            ),
            level=r"000004vu|\bindex\b|19[48]\d ?= ?100|20\d\d ?= ?100|fastställda",
            change=(
                r"000004vv|(12-|tolv)månad|årsförändring|annual change"
                r"|12.month|inflationstakt"
            ),
        ),
    )
}
