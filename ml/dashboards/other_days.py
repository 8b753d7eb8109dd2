"""What a home would have been worth on other days, in a table.

What belongs here: the words and the rows of the seed's questions. What does not: the
differences themselves (``ml.valuation.value_over_time``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.dashboards import theme
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.valuation.valuation import When
    from ml.valuation.value_over_time import Difference

QUESTIONS_TABLE = Words(
    "Värdet andra dagar, jämfört med värderingsdagen",
    "The value on other days, against the day of the valuation",
)
WHEN: dict[When, Words] = {
    "three_years_ago": Words("För tre år sedan", "Three years ago"),
    "before_invasion": Words(
        "Dagen före invasionen av Ukraina", "The day before the invasion of Ukraine"
    ),
    "one_year_ago": Words("För ett år sedan", "A year ago"),
    "in_one_year": Words("Om ett år", "In a year"),
}
QUESTION_COLUMNS = (
    Words("När", "When"),
    Words("Värdet", "The value"),
    Words("Skillnad", "Difference"),
    Words("varav prisnivån", "of which price level"),
    Words("varav resten", "of which the rest"),
)
LEVEL_STAYS = Words(
    "prisnivån är inte känd då, så senaste index används, utan de senaste veckornas "
    "försäljningar; se scenariot",
    "the level is not known then, so the latest index is used, without the sales of "
    "the last weeks; see the scenario",
)
UNKNOWN = Words("okänd", "unknown")

LOOKS = ("", "right", "right", "right wide", "right wide")
"""Of the columns; wide ones are told below the name where there is no room."""


def questions_html(found: Sequence[Difference], language: Language) -> str:
    """Write the seed's questions as a table."""
    heads = "".join(
        f'<th scope="col" class="{look}">{words.to(language)}</th>'
        for look, words in zip(LOOKS, QUESTION_COLUMNS, strict=True)
    )
    rows = "".join(_question_html(each, language) for each in found)
    caption = QUESTIONS_TABLE.to(language)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">'
        f'<table class="figures moments"><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _question_html(each: Difference, language: Language) -> str:
    note = f", {LEVEL_STAYS.to(language)}" if each.is_extrapolation else ""
    parts = [
        _part(amount, language)
        for amount in (each.difference_sek, each.market_part_sek, each.rest_sek)
    ]
    cells = "".join(
        f'<td class="{look} number">{amount}</td>'
        for look, amount in zip(
            LOOKS[1:], [theme.sek(each.value_sek), *parts], strict=True
        )
    )
    below = "".join(
        f"<small>{words.to(language)} {amount}</small>"
        for words, amount in zip(QUESTION_COLUMNS[3:], parts[1:], strict=True)
    )
    return (
        f'<tr><th scope="row">{WHEN[each.when].to(language)}'
        f"<small>{each.date}{note}</small></th>{cells}</tr>"
        f'<tr class="narrow"><td colspan="3">{below}</td></tr>'
    )


def _part(amount: int | None, language: Language) -> str:
    return UNKNOWN.to(language) if amount is None else theme.signed_sek(amount)
