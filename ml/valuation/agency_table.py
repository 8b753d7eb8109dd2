"""Agencies compared, as a person reads it in a terminal.

What belongs here: words, the table and the caveat. What does not: the figures
(``agencies``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ml.valuation.swedish import swedish_number
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

CAVEAT_EN = (
    "Not proof that an agency gets a better price. Homes differ in condition, view and "
    "plan, which the model does not see; sellers choose agencies and agencies choose "
    "homes; and of many agencies some are far from the mean by chance alone."
)
CAVEAT_SV = (
    "Inget bevis för att en mäklare ger ett bättre pris. Bostäder skiljer sig i skick, "
    "utsikt och planlösning, som modellen inte ser; säljare väljer mäklare och mäklare "
    "väljer bostäder; och av många mäklare hamnar några långt från snittet av en slump."
)
CAVEAT = Words(CAVEAT_SV, CAVEAT_EN)
MIN_SHOWN_SALES = 20
SURE_P_VALUE = 0.05

BY_CHANCE = Words(
    "Skillnaderna mellan stadens mäklare kan vara slump (p = {chance}): läs ingen "
    "rangordning i dem.",
    "The differences between the city's agencies may be chance (p = {chance}): read no "
    "ranking into them.",
)
DIFFER = Words(
    "Mäklarna skiljer sig mer än av en slump (p = {chance}): med {agency} % mellan "
    "mäklare och {local} % till mellan områden hos samma mäklare (standardavvikelser; "
    "den senare p = {local_chance}), mot {residual} % mellan enskilda försäljningar.",
    "Agencies differ by more than chance (p = {chance}): by {agency}% between "
    "agencies and {local}% more between districts of one agency (standard deviations; "
    "the latter p = {local_chance}), against {residual}% between single sales.",
)
LASTED = Words(
    " En mäklare 1 % över snittet i den tidigare hälften av försäljningarna låg "
    "{slope} % över det i den senare.",
    " An agency 1% above the mean in the earlier half of the sales was {slope}% "
    "above it in the later.",
)


def print_report(
    content: dict[str, Any], records: Sequence[dict[str, Any]], out: TextIO
) -> None:
    """Print the verdict, a table of some of the agencies, and the caveat."""
    console = Console(file=out, highlight=False)
    console.print(
        f"Sold price over value, {content['first_sold_date']} to "
        f"{content['last_sold_date']}: {swedish_number(content['sales'])} sales of "
        f"{content['agency_count']} agencies, adjusted for district, month, size and "
        "value"
    )
    console.print(verdict(content))
    district = records[0].get("district")
    least = 1 if district else MIN_SHOWN_SALES
    shown = [each for each in records if each["sales"] >= least]
    console.print(_table(shown, district))
    if len(shown) < len(records):
        console.print(f"{len(records) - len(shown)} with fewer sales are in --json")
    console.print(content["caveat_en"])
    console.print(content["caveat_sv"])


def verdict(content: dict[str, Any], language: Language = "en") -> str:
    """Say in plain words whether agencies differ at all, and how much."""
    p_value = content["agency_p_value"]
    # "p = 0.05" would not tell on which side of the limit it lies
    decimals = 3 if round(p_value, 2) == SURE_P_VALUE else 2
    chance = _number(p_value, decimals, language)
    if not content["is_distinguishable_from_chance"]:
        return BY_CHANCE.to(language).format(chance=chance)
    text = DIFFER.to(language).format(
        chance=chance,
        agency=_number(content["between_agency_sd_pct"], 1, language),
        local=_number(content["between_district_sd_pct"], 1, language),
        local_chance=_number(content["district_p_value"], 2, language),
        residual=_number(content["residual_sd_pct"], 1, language),
    )
    slope = content["later_half_slope"]
    if slope is not None:
        text += LASTED.to(language).format(slope=_number(slope, 1, language))
    return text


def _number(value: float, decimals: int, language: Language) -> str:
    written = swedish_number(value, decimals)
    return written.replace(",", ".") if language == "en" else written


def _table(records: Sequence[dict[str, Any]], district: str | None) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1), title=district)
    table.add_column("agency")
    for heading in ("sales", "over value %", "90 % range", "above mean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in records:
        table.add_row(
            each["agency"],
            swedish_number(each["sales"]),
            _signed(each["effect_pct"]),
            f"{_signed(each['low_pct'])} to {_signed(each['high_pct'])}",
            swedish_number(100 * each["probability_above_mean"]) + " %",
        )
    return table


def _signed(number: float) -> str:
    rounded = round(number, 1) + 0.0  # no negative zero
    return ("+" if rounded > 0 else "") + swedish_number(rounded, 1)
