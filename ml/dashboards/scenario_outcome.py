"""A scenario as it moves one home's value: month by month, and in words.

What belongs here: from a change of the price level to SEK, and what of it comes from
where. What does not: what the economy does to prices (``ml.valuation.scenario``), and
the chart (``over_time``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.dashboards import theme
from ml.valuation.attribution import log_mean, whole_numbers
from ml.valuation.scenario import CAUSES, Cause, Figure, ScenarioModel
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.valuation.valuation import Valuation

NEAREST_SEK, THOUSAND = 10_000, 1_000
NINE_OF_TEN = 1.645
"""Standard deviations on each side that hold nine of ten, were errors normal."""

CAUSE_NAMES: dict[Cause, Words] = {
    "trend": Words("Prisernas trend", "The trend of prices"),
    "policy_rate_pct": Words("Styrräntan", "The policy rate"),
    "unemployment_pct": Words("Arbetslösheten", "Unemployment"),
    "gdp_growth_yoy_pct": Words("Tillväxten", "Growth"),
}
OUTCOME = Words(
    "I {month} är bostaden värd {value} i det här scenariot, nio gånger av tio mellan "
    "{low} och {high}.",
    "In {month} the home is worth {value} in this scenario, nine times out of ten "
    "between {low} and {high}.",
)
OUTCOME_TABLE = Words("Vad scenariot gör med värdet", "What the scenario does")
OUTCOME_COLUMNS = (
    Words("Orsak", "Cause"),
    Words("Prisnivån", "Price level"),
    Words("Värdet", "The value"),
)
TOGETHER = Words("Tillsammans", "Together")

RIGHT = ' class="right"'


@dataclass(frozen=True)
class Ahead:
    """A scenario in SEK: a row each month from the day of the valuation."""

    months: pd.DataFrame
    causes: Mapping[Cause, float]


def scenario_sek(
    valuation: Valuation,
    model: ScenarioModel,
    chosen: Mapping[Figure, float],
    months: int,
    *,
    has_trend: bool = True,
) -> Ahead:
    """Lead a home's value along a scenario, its own range and the scenario's together.

    Returns
    -------
    Ahead
        ``months`` has ``date``, ``value_sek``, ``low_sek`` and ``high_sek``; ``causes``
        what each has done to the log of the price level at the end.
    """
    path = model.path(chosen, months, has_trend=has_trend)
    value = valuation.value_sek * path["log_change"].map(math.exp)
    low, high = _own_spread(valuation)
    newest = pd.Timestamp(valuation.request.date)
    wide = NINE_OF_TEN * path["sd"]
    return Ahead(
        pd.DataFrame(
            {
                "date": [
                    (newest + pd.DateOffset(months=n)).date() for n in path["months"]
                ],
                "value_sek": value,
                "low_sek": value * (-((low**2 + wide**2) ** 0.5)).map(math.exp),
                "high_sek": value * ((high**2 + wide**2) ** 0.5).map(math.exp),
            }
        ),
        {cause: float(path[cause].iloc[-1]) for cause in CAUSES},
    )


def outcome_html(valuation: Valuation, ahead: Ahead, language: Language) -> str:
    """Say what the scenario comes to, and what of it comes from where."""
    last = ahead.months.iloc[-1]
    said = OUTCOME.to(language).format(
        month=theme.month(last["date"], language),
        value=theme.sek(last["value_sek"], NEAREST_SEK),
        low=theme.sek(last["low_sek"], NEAREST_SEK),
        high=theme.sek(last["high_sek"], NEAREST_SEK),
    )
    whole = sum(ahead.causes.values())
    # In whole thousands that add up, as the table says they do.
    before, after = (
        round(amount / THOUSAND) for amount in (valuation.value_sek, last["value_sek"])
    )
    mean = log_mean(valuation.value_sek, last["value_sek"]) / THOUSAND
    exact = mean * np.array(list(ahead.causes.values()))
    parts = whole_numbers(exact, after - before)
    rows = "".join(
        _cause_html(CAUSE_NAMES[cause].to(language), log, int(part), language)
        for (cause, log), part in zip(ahead.causes.items(), parts, strict=True)
    )
    heads = "".join(
        f'<th scope="col"{"" if place == 0 else RIGHT}>{words.to(language)}</th>'
        for place, words in enumerate(OUTCOME_COLUMNS)
    )
    total = _cause_html(TOGETHER.to(language), whole, after - before, language, "total")
    return (
        f'<p class="outcome" role="status">{said}</p><table class="figures moments">'
        f"<caption>{OUTCOME_TABLE.to(language)}</caption><thead><tr>{heads}</tr>"
        f"</thead><tbody>{rows}{total}</tbody></table>"
    )


def _cause_html(
    name: str, log: float, thousands: int, language: Language, look: str = ""
) -> str:
    return (
        f'<tr class="{look}"><th scope="row">{name}</th>'
        f'<td class="right number">{signed_percent(log, language)}</td>'
        f'<td class="right number">{theme.signed_sek(THOUSAND * thousands)}</td></tr>'
    )


def signed_percent(log: float, language: Language) -> str:
    """Write a change of a log as a percentage with its sign."""
    sign = "+" if round(100 * math.expm1(log), 1) > 0 else ""
    return f"{sign}{theme.percent(100 * math.expm1(log), 1, language)}"


def _own_spread(valuation: Valuation) -> tuple[float, float]:
    """Give how far the home's own range goes below and above its value, in logs."""
    low, high, value = valuation.low_sek, valuation.high_sek, valuation.value_sek
    if low is None or high is None:
        return 0.0, 0.0
    return math.log(value / low), math.log(high / value)
