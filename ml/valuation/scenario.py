"""What prices may do if the economy does as a reader chooses: a scenario, no forecast.

What belongs here: a small model of the city's price level on the policy rate,
unemployment and growth, and the paths it gives. What does not: any home, and drawing.

Trees cannot say what they have never seen, so the future is left to four numbers that
can be shown: a trend, and what a percentage point of each figure has gone together with
(``docs/decisions/0021-scenario-not-forecast.md``). Over a year the log of the index
changes by

    trend + rate effect x change of the policy rate
          + unemployment effect x change of unemployment
          + growth effect x (growth of GDP - its usual growth)

The signs are set: a dearer loan and more people out of work do not raise prices,
growth does not lower them. Years of history are few and their changes overlap, so every
number is drawn towards nothing by a prior, and the less that is known the more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import duckdb
import numpy as np
import pandas as pd
from scipy.optimize import lsq_linear

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

Figure = Literal["policy_rate_pct", "unemployment_pct", "gdp_growth_yoy_pct"]
FIGURES: tuple[Figure, ...] = get_args(Figure)
Cause = Literal["trend", "policy_rate_pct", "unemployment_pct", "gdp_growth_yoy_pct"]
CAUSES: tuple[Cause, ...] = get_args(Cause)

_SERIES: dict[Figure, str] = {
    "policy_rate_pct": "policy_rate",
    "unemployment_pct": "unemployment",
    "gdp_growth_yoy_pct": "gdp_growth_yoy",
}
GROWTH: Figure = "gdp_growth_yoy_pct"

PERIODS_OF_YEAR = 24
"""The index has a level for each half-month."""
PRIOR_SD = {
    "trend": 0.03,
    "policy_rate_pct": 0.05,
    "unemployment_pct": 0.05,
    "gdp_growth_yoy_pct": 0.05,
}
"""Before any history is seen: prices stand still, give or take three per cent a year,
and a percentage point moves them by some five per cent a year, or not at all."""
LEAST_YEARS = 3.0
"""Fewer years of yearly changes than this are too short a history to learn from."""
UNKNOWN_SD = 0.10
"""How far a year takes prices, at the least, where the history is too short to say."""
LEAST_SD = 0.01

_LOWEST = [-np.inf, -np.inf, -np.inf, 0.0]
_HIGHEST = [np.inf, 0.0, 0.0, np.inf]

HISTORY_SQL = """
    with levels as (
        select known_from::date as day, price_index_sek_per_m2
        from marts.price_index
        where known_from <= $day and price_index_sek_per_m2 is not null
    )

    select
        levels.day,
        levels.price_index_sek_per_m2,
        {figures}
    from levels
    order by levels.day
"""
_FIGURE_SQL = """
        (
            select economy.value
            from marts.economy
            where
                economy.series = '{series}'
                and not economy.is_scenario
                and levels.day >= economy.known_from
                and levels.day < economy.valid_until
        ) as {figure}"""
LATEST_SQL = """
    select series, value, is_scenario
    from marts.economy
    where known_from <= $day
    qualify row_number() over (partition by series order by known_from desc) = 1
"""


@dataclass(frozen=True)
class Economy:
    """The figures as they stood on a day; those never published are absent.

    ``assumed`` names those whose last published figure is older than they last.
    """

    figures: Mapping[Figure, float]
    assumed: frozenset[Figure] = frozenset()


@dataclass(frozen=True)
class ScenarioModel:
    """What a year has done to the city's price level, in logs, by its causes.

    ``effects`` are the trend, and what one percentage point goes together with over a
    year; ``sd`` is how far a year has strayed from what they say, and ``covariance``
    how uncertain they are themselves. ``years`` is the history they were learnt from.
    """

    effects: Mapping[Cause, float]
    covariance: np.ndarray
    sd: float
    usual_growth_pct: float
    years: float
    economy: Economy

    @property
    def is_short(self) -> bool:
        """Whether the history is too short to say what the figures mean."""
        return self.years < LEAST_YEARS

    def path(
        self, chosen: Mapping[Figure, float], months: int, *, has_trend: bool = True
    ) -> pd.DataFrame:
        """Lead the price level to a chosen economy, month by month.

        The policy rate and unemployment go evenly to what is chosen in a year and stay
        there; growth is what is chosen all the time.

        Parameters
        ----------
        chosen
            Figures in per cent; one that is left out stays as it is.
        months
            How far ahead.
        has_trend
            Whether prices go on as they usually did; else they stand still but for
            what the figures do.

        Returns
        -------
        pandas.DataFrame
            A row each month from 0: ``months``; what each of ``CAUSES`` adds to the log
            of the level; their sum ``log_change``; and ``sd``, one standard deviation.
        """
        steps = self._steps(chosen, np.arange(months + 1) / 12, has_trend=has_trend)
        effects = np.array([self.effects[cause] for cause in CAUSES])
        path = pd.DataFrame(steps * effects, columns=list(CAUSES))
        strayed = self.sd**2 * np.arange(months + 1) / 12
        learnt = np.einsum("mi,ij,mj->m", steps, self.covariance, steps)
        return path.assign(
            months=range(months + 1),
            log_change=path.sum(axis=1),
            sd=np.sqrt(strayed + learnt),
        )

    def _steps(
        self, chosen: Mapping[Figure, float], years: np.ndarray, *, has_trend: bool
    ) -> np.ndarray:
        """How far each cause has gone by each time, in years or percentage points."""
        now = self.economy.figures
        moved = [
            chosen.get(name, now.get(name, 0.0)) - now.get(name, 0.0)
            for name in ("policy_rate_pct", "unemployment_pct")
        ]
        growth = chosen.get(GROWTH, now.get(GROWTH, self.usual_growth_pct))
        under_way = np.minimum(years, 1.0)
        return np.column_stack(
            [
                years * has_trend,
                *(under_way * each for each in moved),
                years * (growth - self.usual_growth_pct),
            ]
        )


def scenario_model(
    connection: duckdb.DuckDBPyConnection, day: dt.date
) -> ScenarioModel:
    """Learn from what a snapshot says was known on a day."""
    if not _has_economy(connection):
        history = connection.execute(
            _history_sql(["null::double as " + name for name in FIGURES]), {"day": day}
        ).df()
        return fitted_scenario(history, Economy({}))
    figures = [
        _FIGURE_SQL.format(series=_SERIES[figure], figure=figure) for figure in FIGURES
    ]
    history = connection.execute(_history_sql(figures), {"day": day}).df()
    return fitted_scenario(history, economy_of(connection, day))


def economy_of(connection: duckdb.DuckDBPyConnection, day: dt.date) -> Economy:
    """Read the figures that stood on a day, assumed ones among them."""
    rows = connection.execute(LATEST_SQL, {"day": day}).fetchall()
    latest = {series: (float(value), bool(assumed)) for series, value, assumed in rows}
    known: dict[Figure, tuple[float, bool]] = {
        figure: latest[series] for figure, series in _SERIES.items() if series in latest
    }
    return Economy(
        {figure: value for figure, (value, _) in known.items()},
        frozenset(figure for figure, (_, assumed) in known.items() if assumed),
    )


def fitted_scenario(history: pd.DataFrame, economy: Economy) -> ScenarioModel:
    """Learn the effects from half-months in a row.

    Parameters
    ----------
    history
        ``price_index_sek_per_m2`` and ``FIGURES``, a row each half-month, oldest first;
        figures that were not known are missing.
    economy
        Where the paths start from.
    """
    changes, steps, usual_growth_pct = _yearly_changes(history, economy)
    years = len(changes) / PERIODS_OF_YEAR
    if years < LEAST_YEARS:
        changes, steps = changes[:0], steps[:0]
    effects, covariance, sd = _fit(changes, steps)
    if years < LEAST_YEARS:
        sd = max(UNKNOWN_SD, _spread_of_a_year(history))
    return ScenarioModel(
        effects=dict(zip(CAUSES, effects.tolist(), strict=True)),
        covariance=covariance,
        sd=sd,
        usual_growth_pct=usual_growth_pct,
        years=years,
        economy=economy,
    )


def _yearly_changes(
    history: pd.DataFrame, economy: Economy
) -> tuple[np.ndarray, np.ndarray, float]:
    """Give log changes over a year, and the steps that go with them."""
    figures = history[list(FIGURES)].astype("float64")
    year = figures - figures.shift(PERIODS_OF_YEAR)
    # A figure nobody published explains nothing; it takes no year from the others.
    is_published = year.notna().any()
    log_level = history["price_index_sek_per_m2"].astype("float64").map(np.log)
    change = log_level.diff(PERIODS_OF_YEAR)
    rows = pd.DataFrame(
        {
            "change": change,
            **{
                name: year[name] if is_published[name] else 0.0
                for name in ("policy_rate_pct", "unemployment_pct")
            },
            GROWTH: figures[GROWTH] if is_published[GROWTH] else 0.0,
        }
    ).dropna()
    usual = float(rows[GROWTH].mean()) if is_published[GROWTH] and len(rows) else None
    if usual is None:
        usual = economy.figures.get(GROWTH, 0.0)
    steps = rows[list(FIGURES)].to_numpy(copy=True)
    steps[:, FIGURES.index(GROWTH)] -= usual if is_published[GROWTH] else 0.0
    trend = np.ones(len(rows))
    return rows["change"].to_numpy(), np.column_stack([trend, steps]), usual


def _fit(
    changes: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Find effects, their covariance and the spread that is left.

    Changes over a year overlap, a row each half-month: each counts as a twenty-fourth
    of a year's evidence.
    """
    prior = np.diag([1 / PRIOR_SD[cause] for cause in CAUSES])
    effects, sd = np.zeros(len(CAUSES)), UNKNOWN_SD
    if len(changes):
        sd = float(changes.std()) or UNKNOWN_SD
        for _ in range(5):
            effects = _most_likely(changes, steps, prior, sd)
            sd = _spread_left(changes - steps @ effects, effects)
    evidence = steps.T @ steps / PERIODS_OF_YEAR / sd**2
    return effects, np.linalg.inv(evidence + prior @ prior), sd


def _most_likely(
    changes: np.ndarray, steps: np.ndarray, prior: np.ndarray, sd: float
) -> np.ndarray:
    weight = 1 / (sd * np.sqrt(PERIODS_OF_YEAR))
    return lsq_linear(
        np.vstack([steps * weight, prior]),
        np.concatenate([changes * weight, np.zeros(len(CAUSES))]),
        bounds=(_LOWEST, _HIGHEST),
        method="bvls",
    ).x


def _spread_left(residuals: np.ndarray, effects: np.ndarray) -> float:
    """Spread of a year about what the effects say, their number allowed for.

    About its own mean: what the prior took from the trend is the trend's doubt.
    """
    years = len(residuals) / PERIODS_OF_YEAR
    free = max(years - np.count_nonzero(effects), 1.0)
    # An index that never moved would leave a scenario without any doubt.
    return max(float(residuals.std() * np.sqrt(years / free)), LEAST_SD)


def _spread_of_a_year(history: pd.DataFrame) -> float:
    """Spread of a year, from what half-months in a row have done."""
    steps = np.diff(np.log(history["price_index_sek_per_m2"].to_numpy(dtype=float)))
    return float(steps.std() * np.sqrt(PERIODS_OF_YEAR)) if len(steps) > 1 else 0.0


def _history_sql(figures: Sequence[str]) -> str:
    return HISTORY_SQL.format(figures=",\n        ".join(figures))


def _has_economy(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell a snapshot that has the economy; older ones have not."""
    try:
        connection.execute("select 1 from marts.economy limit 0")
    except duckdb.CatalogException:
        return False
    return True
