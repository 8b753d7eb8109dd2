"""What another fact would make of the value: one floor up, a lower fee.

What belongs here: the section's table and form, in words. What does not: valuing, and
which changes are tried unasked (``ml.valuation.what_if``).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import panel_material_ui as pmui

from ml.dashboards import shell, theme
from ml.dashboards.later import Later
from ml.dashboards.printing import NOT_PRINTED
from ml.valuation.request import InvalidRequestError, allowed_range
from ml.valuation.what_if import (
    Changes,
    Fact,
    ReadyAnswers,
    WhatIf,
    changed_request,
    differences,
    ready_answers,
)
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import panel as pn
    from panel.viewable import Viewable

    from ml.valuation.valuation import Valuation
    from ml.valuation.value import Valuer

NEAREST_SEK = 1_000

TITLE = Words("Tänk om", "What if")
LEDE = Words(
    "Samma modell, dag och data, men med ett annat faktum. Om skicket vet modellen "
    "inget, så vad en renovering är värd kan den inte säga. Små skillnader kan vara "
    "slump i det den har sett.",
    "The same model, day and data, but with another fact. Of the home's condition the "
    "model knows nothing, so it cannot say what a renovation is worth. Small "
    "differences may be chance in what it saw.",
)
TABLE = Words("En ändring i taget", "One change at a time")
COLUMNS = (
    Words("Ändring", "Change"),
    Words("Skillnad", "Difference"),
    Words("Procent", "Per cent"),
)
ASSUMED = Words(
    "Skillnaderna räknas från {value}, värdet om det som antas vore känt: {facts}.",
    "Differences are from {value}, the value if what is assumed were known: {facts}.",
)
FORM = Words("Ändra själv", "Change it yourself")
FORM_LEDE = Words(
    "Ändra ett eller flera fakta; skillnaden räknas mot bostadens värde.",
    "Change one or several facts; the difference is from the home's value.",
)
SEE = Words("Räkna om", "Work it out")
RESET = Words("Återställ", "Reset")
UNCHANGED = Words("Inget är ändrat än.", "Nothing is changed yet.")
CHANGED = Words(
    "Då är bostaden värd {value}: {difference} ({percent}).",
    "The home is then worth {value}: {difference} ({percent}).",
)
NOT_A_NUMBER = Words("{name} ska vara ett tal.", "{name} must be a number.")
OUT_OF_RANGE = Words(
    "{name} ska vara {lowest}–{highest}.", "{name} must be {lowest} to {highest}."
)
LOADING = Words("Räknar …", "Working it out …")


@dataclass(frozen=True)
class FactWords:
    """What a fact is called by itself, in the form, and when it is changed."""

    name: Words
    label: Words
    changed: Words


FACTS: dict[Fact, FactWords] = {
    "floor": FactWords(
        Words("våning", "floor"),
        Words("Våning", "Floor"),
        Words("Våning {value} i stället för {now}", "Floor {value} instead of {now}"),
    ),
    "fee_sek_per_month": FactWords(
        Words("avgift", "fee"),
        Words("Avgift kr/mån", "Monthly fee kr"),
        Words(
            "Avgift {value} i stället för {now}\u00a0kr/mån",
            "Fee {value} instead of {now}\u00a0kr a month",
        ),
    ),
    "rooms": FactWords(
        Words("rum", "rooms"),
        Words("Rum", "Rooms"),
        Words("{value} rum i stället för {now}", "{value} rooms instead of {now}"),
    ),
    "living_area_m2": FactWords(
        Words("boarea", "living area"),
        Words("Boarea m²", "Living area m²"),
        Words(
            "Boarea {value} i stället för {now}\u00a0m²",
            "Living area {value} instead of {now}\u00a0m²",
        ),
    ),
    "construction_year": FactWords(
        Words("byggår", "year built"),
        Words("Byggår", "Year built"),
        Words("Byggt {value} i stället för {now}", "Built {value} instead of {now}"),
    ),
    "operating_cost_sek_per_month": FactWords(
        Words("driftskostnad", "running costs"),
        Words("Drift kr/mån", "Running cost kr"),
        Words(
            "Driftskostnad {value} i stället för {now}\u00a0kr/mån",
            "Running cost {value} instead of {now}\u00a0kr a month",
        ),
    ),
}

WHAT_IF_CSS = """
.steps th[scope=row] { font-size: 15px; color: var(--ink); font-weight: 500;
  border-top: 1px solid var(--line); padding: 9px 0; white-space: normal; }
.answer { font-size: 17px; margin: 8px 0 2px; }
.problem { color: color-mix(in srgb, #e5484d 72%, var(--ink)); margin: 8px 0 2px; }
.skeleton { border-radius: 10px; background: var(--wash); height: 220px;
  display: grid; place-items: center; color: var(--muted); }
"""

FIELDS_SX = {
    "display": "grid",
    "gridTemplateColumns": "repeat(auto-fill, minmax(150px, 1fr))",
    "maxWidth": "600px",
}
"""Three fields side by side, two on a phone."""


def what_if_section(
    valuation: Valuation, valuer: Valuer, language: Language = "sv"
) -> Viewable:
    """Show what some changes do, and a form for one's own."""
    form = WhatIfForm(valuation, valuer, language)
    waiting = f'<div class="skeleton" role="status">{LOADING.to(language)}</div>'
    steps = Later(
        lambda: ready_answers(valuer, valuation.request),
        lambda answers: steps_html(valuation, answers, language),
        _styled(waiting),
    )
    return shell.card(
        TITLE.to(language),
        steps.view,
        form.view(),
        lede=LEDE.to(language),
    )


class WhatIfForm:
    """Facts that can be changed, and what the home is then worth."""

    def __init__(
        self, valuation: Valuation, valuer: Valuer, language: Language
    ) -> None:
        self.valuation, self.valuer, self.language = valuation, valuer, language
        self.fields: dict[Fact, pmui.TextInput] = {
            fact: pmui.TextInput(
                label=words.label.to(language),
                value=self._stated(fact),
                size="small",
                sizing_mode="stretch_width",
                margin=(8, 0),
            )
            for fact, words in FACTS.items()
        }
        self.button = pmui.Button(
            label=SEE.to(language), variant="contained", size="small", margin=(8, 0)
        )
        self.button.on_click(self._answer)
        for field in self.fields.values():
            field.param.watch(self._answer, "enter_pressed")
        self.answer = _styled("")
        self._say_unchanged()

    def view(self) -> Viewable:
        """Lay the form out."""
        language = self.language
        reset = pmui.Button(
            label=RESET.to(language), variant="text", size="small", margin=(8, 0)
        )
        reset.on_click(self._reset)
        heading = (
            f'<div class="head" style="margin-top: 26px"><h2>{FORM.to(language)}</h2>'
            f'<p class="lede">{FORM_LEDE.to(language)}</p></div>'
        )
        return pmui.Column(
            shell.content(heading),
            pmui.FlexBox(
                *self.fields.values(),
                gap="2px 16px",
                sx=FIELDS_SX,
                sizing_mode="stretch_width",
                margin=0,
            ),
            self.answer,
            pmui.FlexBox(self.button, reset, gap="8px", margin=0),
            css_classes=[NOT_PRINTED],
            sizing_mode="stretch_width",
            margin=0,
        )

    def changes(self) -> Changes:
        """Give the facts that differ from those the home was valued with.

        Raises
        ------
        SlutprisError
            When a field holds no number, or one out of range; it says so in words.
        """
        changes: Changes = {}
        for fact, field in self.fields.items():
            typed = (field.value_input or field.value or "").strip()
            if typed and typed != self._stated(fact):
                changes[fact] = self._number(fact, typed)
        try:
            changed_request(self.valuation.request, changes)
        except InvalidRequestError as error:
            raise SlutprisError(self._problem(error)) from error
        return changes

    async def _answer(self, *_: object) -> None:
        try:
            changes = self.changes()
            if not changes:
                self._say_unchanged()
                return
            request = self.valuation.request
            (found,) = await asyncio.to_thread(
                differences, self.valuer, request, [changes]
            )
        except SlutprisError as error:
            self.answer.object = (
                f'<p class="problem" role="alert">{escape(str(error))}</p>'
            )
        else:
            self.answer.object = answer_html(found, self.language)

    def _say_unchanged(self) -> None:
        said = UNCHANGED.to(self.language)
        self.answer.object = f'<p class="muted" role="status">{said}</p>'

    def _reset(self, *_: object) -> None:
        for fact, field in self.fields.items():
            field.value = field.value_input = self._stated(fact)
        self._say_unchanged()

    def _stated(self, fact: Fact) -> str:
        value = getattr(self.valuation.request, fact)
        return "" if value is None else fact_text(fact, value, self.language)

    def _number(self, fact: Fact, typed: str) -> float:
        bare = "".join(typed.split()).replace(",", ".").replace(theme.MINUS, "-")
        try:
            return float(bare)
        except ValueError as error:
            name = FACTS[fact].label.to(self.language)
            message = NOT_A_NUMBER.to(self.language).format(name=name)
            raise SlutprisError(message) from error

    def _problem(self, error: InvalidRequestError) -> str:
        said = []
        for problem in error.problems:
            fact = next((each for each in FACTS if each == problem.field), None)
            if fact is None or problem.lowest is None:
                said.append(problem.message)
                continue
            lowest, highest = (
                fact_text(fact, float(end), self.language)
                for end in allowed_range(fact)
                if isinstance(end, int | float)
            )
            said.append(
                OUT_OF_RANGE.to(self.language).format(
                    name=FACTS[fact].label.to(self.language),
                    lowest=lowest,
                    highest=highest,
                )
            )
        return " ".join(said)


def steps_html(valuation: Valuation, answers: ReadyAnswers, language: Language) -> str:
    """Write the changes that were tried unasked as a table."""
    stated = valuation.request.model_dump() | answers.assumed
    heads = "".join(
        f'<th scope="col"{"" if place == 0 else RIGHT}>{words.to(language)}</th>'
        for place, words in enumerate(COLUMNS)
    )
    rows = "".join(_step_html(each, stated, language) for each in answers.what_ifs)
    note = ""
    if answers.assumed and answers.stated_value_sek is not None:
        facts = ", ".join(
            f"{FACTS[fact].name.to(language)} {fact_text(fact, value, language)}"
            for fact, value in answers.assumed.items()
        )
        value = theme.sek(answers.stated_value_sek, NEAREST_SEK)
        said = ASSUMED.to(language).format(value=value, facts=facts)
        note = f'<p class="source">{said}</p>'
    return (
        f'<table class="figures steps"><caption>{TABLE.to(language)}</caption><thead>'
        f"<tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{note}"
    )


def answer_html(found: WhatIf, language: Language) -> str:
    """Say what the home is worth with the changes of the form."""
    if found.value_sek is None or found.difference_sek is None:
        return ""
    said = CHANGED.to(language).format(
        value=theme.sek(found.value_sek, NEAREST_SEK),
        difference=theme.signed_sek(found.difference_sek, NEAREST_SEK),
        percent=_percent(found, language),
    )
    return f'<p class="answer" role="status">{said}</p>'


def fact_text(fact: Fact, value: float, language: Language) -> str:
    """Write a fact's number: a year without spaces, a fee in whole kronor."""
    if fact == "construction_year":
        return f"{value:.0f}"
    if fact in ("fee_sek_per_month", "operating_cost_sek_per_month"):
        return theme.number(value, 0, language)
    return theme.plain(value, language)


RIGHT = ' class="right"'


def _step_html(found: WhatIf, stated: dict[str, Any], language: Language) -> str:
    if found.difference_sek is None:
        return ""
    ((fact, value),) = found.changes.items()
    words = FACTS[fact].changed.to(language)
    said = words.format(
        value=fact_text(fact, value, language),
        now=fact_text(fact, stated[fact], language),
    )
    return (
        f'<tr><th scope="row">{said}</th><td class="right number">'
        f"{theme.signed_sek(found.difference_sek, NEAREST_SEK)}</td>"
        f'<td class="right number">{_percent(found, language)}</td></tr>'
    )


def _percent(found: WhatIf, language: Language) -> str:
    share_pct = found.difference_pct or 0.0
    sign = "+" if round(share_pct, 1) > 0 else ""
    return f"{sign}{theme.percent(share_pct, 1, language)}"


def _styled(html: str) -> pn.pane.HTML:
    pane = shell.content(html)
    pane.stylesheets = [*pane.stylesheets, WHAT_IF_CSS]
    return pane
