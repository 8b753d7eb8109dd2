"""The valuation page: a form, and what the home is worth.

What belongs here: the page's parts and the order in which they come. What does not:
fields (``valuation_form``), markup (``answer``), state (``store``), and the sections
below the answer. Run it with ``panel serve ml/dashboards/valuation.py``.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
import param

from ml.dashboards import shell, theme
from ml.dashboards.agency_section import agency_section
from ml.dashboards.answer import (
    ANSWER_CSS,
    ModelAnswer,
    answer_html,
    listed_html,
    listed_problem_html,
    models_html,
    no_listed_model_html,
    source_html,
)
from ml.dashboards.batch_section import batch_section
from ml.dashboards.charts import Line, time_chart
from ml.dashboards.later import SOON, VALUES_FIRST, in_turn
from ml.dashboards.over_time import time_section
from ml.dashboards.printing import NOT_PRINTED, PRINT_WIDTH
from ml.dashboards.shared_link import copy_link, read_link, write_link
from ml.dashboards.store import NOT_FOUND, Asked, problem_texts, shortened
from ml.dashboards.valuation_form import ValuationForm
from ml.dashboards.valuers import CANNOT, Borrowed, registered_models, valuers
from ml.dashboards.what_if import what_if_section
from ml.dashboards.why import why_section
from ml.serving_models import ServingRegistry
from ml.valuation.places import AddressNotFoundError
from ml.valuation.registration import registered_name
from ml.valuation.request import InvalidRequestError
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from panel.viewable import Viewable

    from ml.dashboards.city import City
    from ml.dashboards.valuers import Borrowed
    from ml.valuation.valuation import Valuation
    from ml.valuation.value import Valuer

VALUE_TAB = Words("Värdera en bostad", "Value a home")
FILE_TAB = Words("Värdera en fil", "Value a file")
WHAT_IS_IT_WORTH = Words("Vad är lägenheten värd?", "What is the flat worth?")
INTRODUCTION = Words(
    "Adress och boarea räcker. Ju mer du fyller i, desto närmare kommer värdet. Svaret "
    "bygger på {count} försäljningar från {first} till {last}.",
    "Address and living area are enough. The more you fill in, the closer the value "
    "gets. The answer rests on {count} sales from {first} to {last}.",
)
PRICE_LEVEL = Words(
    "Prisnivån i Stockholm, kronor per kvadratmeter",
    "The price level in Stockholm, kronor per square metre",
)
INDEX_SOURCE = Words(
    "prisindexet i den publicerade ögonblicksbilden",
    "the price index of the published snapshot",
)
LEVEL = Words("Prisnivå", "Price level")
COMING = Words("Räknar fram resten …", "Working out the rest …")
NEWER = Words(
    "Nyare uppgifter har publicerats sedan den här värderingen gjordes. Värdera igen "
    "för att se varför, över tid och tänk om.",
    "Newer data were published since this valuation was made. Value again to see the "
    "reasons, the value through time and what would change it.",
)
NO_NEWS = Words(
    "Nyare uppgifter finns men kunde inte läsas, så sidan visar de tidigare. {reason}",
    "There are newer data that could not be read, so the page shows the former ones. "
    "{reason}",
)
CANNOT_VALUE = Words(
    "Bostaden kunde inte värderas just nu. {reason}",
    "The home could not be valued just now. {reason}",
)


class ResultTop(pn.custom.JSComponent):
    """Scrolls to itself at a new result, where the result lies below the form.

    On a phone a click on the button would otherwise seem to do nothing.
    """

    results = param.Integer(default=0)

    _esm = """
    export function render({model, el}) {
      model.on("results", () => {
        if (window.innerWidth >= 900) return
        const scroll = () => el.scrollIntoView({behavior: "smooth", block: "start"})
        setTimeout(scroll, 150)
      })
    }
    """


class ValuationPage(pn.viewable.Viewer):
    """Form and answer, side by side where there is room."""

    def __init__(self, settings: Settings, language: Language) -> None:
        super().__init__()
        self._settings = settings
        self._language: Language = language
        self._valuers = valuers(settings)
        self._borrowed: Borrowed | None = None
        self._turn = 0
        self._document = pn.state.curdoc
        with self._valuers.borrow() as borrowed:
            facts = borrowed.city
        # only now, for the very first visitor waits for the models to be fetched
        self._models = registered_models(settings)
        self.form = ValuationForm(self._valuers, facts.agencies, self._models, language)
        self.form.param.watch(self._ask, "asked")
        self._notice = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._introduction = pmui.Column(
            _introduction(facts, language), sizing_mode="stretch_width", margin=0
        )
        # Panel's own column: Material's walks all it holds whenever that changes
        self._answer = pn.Column(sizing_mode="stretch_width", margin=0)
        self._sections = pn.Column(sizing_mode="stretch_width", margin=0)
        self._coming = _coming(language)
        self._top = ResultTop(height=0, margin=0)

    def __panel__(self) -> Viewable:
        """Lay the page out."""
        language = self._language
        return pmui.Tabs(
            (VALUE_TAB.to(language), self._one_home()),
            (FILE_TAB.to(language), batch_section(self._settings, language)),
            sizing_mode="stretch_width",
            margin=0,
            sx={"& > .MuiBox-root": {"paddingTop": "18px"}},
        )

    def _one_home(self) -> Viewable:
        return pmui.Grid(
            pmui.Grid(
                self.form,
                size={"xs": 12, "md": 4.4, "lg": 4},
                css_classes=[NOT_PRINTED],
            ),
            pmui.Grid(
                self._top,
                self._notice,
                self._introduction,
                self._answer,
                self._sections,
                self._coming,
                size={"xs": 12, "md": 7.6, "lg": 8},
                css_classes=[PRINT_WIDTH],
            ),
            container=True,
            spacing=3,
            sizing_mode="stretch_width",
        )

    def open_link(self, fields: dict[str, str]) -> None:
        """Fill in the form of a link, and value it at once."""
        self.form.fill_from_link(fields)
        pn.state.onload(self._describe_and_value)

    def close(self) -> None:
        """Give back what is borrowed, when the visitor leaves."""
        self._turn += 1
        self._keep(None)

    async def _describe_and_value(self) -> None:
        await self.form.describe()
        await self._value()

    def _ask(self, *_: object) -> None:
        pn.state.execute(self._value)

    async def _value(self) -> None:
        self._turn += 1
        turn = self._turn
        try:
            asked = self.form.read().asked()
        except InvalidRequestError as error:
            self.form.show_suggestions([])
            self.form.show_problems(problem_texts(error, self._language))
            # told once: the fields show what is asked the next time
            self.form.form.unread = {}
            return
        self.form.button.started = turn
        try:
            with VALUES_FIRST:
                borrowed, valuation = await asyncio.to_thread(self._valued, asked)
        except CANNOT as error:
            self._show_refusal(error)
            return
        finally:
            self.form.button.finished = turn
        if turn != self._turn:
            borrowed.close()
            return
        self._keep(borrowed)
        await self._show(turn, borrowed, asked, valuation)

    def _valued(self, asked: Asked) -> tuple[Borrowed, Valuation]:
        """Value the home by what is borrowed for all that is shown of it."""
        return self._valuers.lend_for(
            lambda valuer: valuer.value(asked.request), self._recalled
        )

    def _show_refusal(self, error: Exception) -> None:
        language = self._language
        if isinstance(error, AddressNotFoundError):
            text = NOT_FOUND.to(language).format(given=shortened(error.address))
            self.form.show_problems({"address": text})
            self.form.show_suggestions(error.suggestions)
            return
        text = CANNOT_VALUE.to(language).format(reason=shortened(error))
        self.form.show_suggestions([])
        self.form.show_problems({"model": text})

    async def _show(
        self, turn: int, borrowed: Borrowed, asked: Asked, valuation: Valuation
    ) -> None:
        language = self._language
        self.form.show_problems({})
        self.form.show_suggestions([])
        self._say_whether_new()
        models = shell.content("")
        listed = shell.content("")
        for pane in (models, listed):
            pane.stylesheets = [*pane.stylesheets, ANSWER_CSS]
        answer = shell.content(
            answer_html(
                valuation,
                borrowed.city,
                language,
                is_listed=asked.listed is not None,
            )
        )
        answer.stylesheets = [*answer.stylesheets, ANSWER_CSS]
        answers = [
            ModelAnswer(name, valuation if name == valuation.model else None)
            for name in self._models
        ]
        models.object = models_html(answers, valuation.model, language)
        self._introduction.visible = False
        self._answer.objects = [answer, copy_link(language), listed, models]
        self._sections.objects = []
        self._coming.visible = True
        self._top.results += 1
        if pn.state.location is not None:
            fields = self.form.form.link_fields()
            pn.state.location.search = write_link(fields, language)
        await self._fill_models(turn, borrowed, asked, answers, models)
        await self._fill_listed(turn, borrowed, asked, valuation, listed)
        await self._fill_sections(turn, borrowed, valuation)
        if borrowed.is_recalled and turn == self._turn:
            self._let_go()

    def _is_over(self, turn: int, borrowed: Borrowed) -> bool:
        """Tell whether more of an answer is in vain: asked anew, or recalled."""
        return turn != self._turn or borrowed.is_recalled

    async def _fill_models(
        self,
        turn: int,
        borrowed: Borrowed,
        asked: Asked,
        answers: list[ModelAnswer],
        pane: pn.pane.HTML,
    ) -> None:
        """Ask the other models, and show each as it answers."""
        shown = asked.request.model
        for position, each in enumerate(answers):
            if each.name == shown or self._is_over(turn, borrowed):
                continue
            request = asked.request.model_copy(update={"model": each.name})
            try:
                other = await in_turn(partial(borrowed.valuer.value, request), SOON)
                answers[position] = replace(each, valuation=other)
            except CANNOT as error:
                answers[position] = replace(each, problem=str(error))
            pane.object = models_html(answers, shown, self._language)

    async def _fill_listed(
        self,
        turn: int,
        borrowed: Borrowed,
        asked: Asked,
        before: Valuation,
        pane: pn.pane.HTML,
    ) -> None:
        """Show the value once listed beside the one before, where a price is given."""
        listed = asked.listed
        if listed is None or listed.list_price_sek is None:
            return
        if self._is_over(turn, borrowed):
            return
        price_sek, language = listed.list_price_sek, self._language
        pane.object = listed_html(before, None, price_sek, language)
        try:
            value = await in_turn(partial(borrowed.valuer.value, listed), SOON)
        except CANNOT as error:
            model = registered_name(listed.model, "listed")
            is_there = model in ServingRegistry(self._settings).names()
            pane.object = (
                listed_problem_html(shortened(error), price_sek, language)
                if is_there
                else no_listed_model_html(model, price_sek, language)
            )
            return
        pane.object = listed_html(before, value, price_sek, language)

    async def _fill_sections(
        self, turn: int, borrowed: Borrowed, valuation: Valuation
    ) -> None:
        """Add what else there is to say, a section at a time, the first ones first.

        Of a value that was refused there is nothing more to say.
        """
        is_refused = valuation.refusal_reason is not None
        sections = _sections(self._settings, self._language)
        for make in [] if is_refused else sections:
            work = partial(self._made_unless_late, turn, make, valuation, borrowed)
            try:
                made = await in_turn(work)
            except CANNOT as error:
                made = shell.notice(str(error))
            if made is None or self._is_over(turn, borrowed):
                return
            self._sections.append(made)
        source = source_html(valuation, borrowed.city, self._language)
        self._sections.append(shell.content(source))
        self._coming.visible = False

    def _made_unless_late(
        self,
        turn: int,
        make: Callable[[Valuation, Valuer], Viewable],
        valuation: Valuation,
        borrowed: Borrowed,
    ) -> Viewable | None:
        """Make a section; nothing when it came to be in vain while it waited."""
        if self._is_over(turn, borrowed):
            return None
        return make(valuation, borrowed.valuer)

    def _say_whether_new(self) -> None:
        problem = self._valuers.problem
        text = NO_NEWS.to(self._language).format(reason=problem)
        self._notice.objects = [shell.notice(text)] if problem else []

    def _keep(self, borrowed: Borrowed | None) -> None:
        former, self._borrowed = self._borrowed, borrowed
        if former is not None:
            former.close()

    def _recalled(self) -> None:
        """Give the valuer back when it must be forgotten; from another thread."""
        if self._document is None:
            self._let_go()
        else:
            self._document.add_next_tick_callback(self._let_go)

    def _let_go(self) -> None:
        """Take away what rests on a recalled valuer; a value under way comes yet."""
        if self._borrowed is None or not self._borrowed.is_recalled:
            return
        self._coming.visible = False
        self._sections.objects = [shell.notice(NEWER.to(self._language))]
        self._keep(None)


def _sections(
    settings: Settings, language: Language
) -> list[Callable[[Valuation, Valuer], Viewable]]:
    """Give what is shown below the answer, from the top down."""
    return [
        partial(why_section, language=language),
        partial(time_section, language=language),
        partial(what_if_section, language=language),
        lambda valuation, _: agency_section(valuation, settings, language),
    ]


def _introduction(facts: City, language: Language) -> Viewable:
    """Show the city before the first valuation: the price level through the years."""
    dates = [day for day, _ in facts.index]
    levels = [level for _, level in facts.index]
    chart = time_chart(
        Line(LEVEL.to(language), dates, levels),
        title=PRICE_LEVEL.to(language),
        language=language,
        write=theme.sek,
        height=250,
        from_zero=True,
    )
    lede = INTRODUCTION.to(language).format(
        count=theme.number(facts.sale_count),
        first=theme.month(facts.first_sale, language),
        last=theme.month(facts.last_sale, language),
    )
    return shell.chart_card(
        WHAT_IS_IT_WORTH.to(language),
        chart,
        language=language,
        lede=f"{lede} {PRICE_LEVEL.to(language)}:",
        source=INDEX_SOURCE.to(language),
    )


def _coming(language: Language) -> Viewable:
    pane = shell.content(
        '<section class="card" role="status">'
        f'<p class="muted">{COMING.to(language)}</p>'
        '<p class="skeleton" style="margin-top: 14px"></p>'
        '<p class="skeleton" style="margin-top: 10px; width: 70%"></p></section>',
        visible=False,
    )
    pane.stylesheets = [*pane.stylesheets, ANSWER_CSS]
    return pane


def valuation_page() -> pmui.Page:
    """Make the page, or say what to run when there is nothing to show yet."""
    language = shell.shown_language()
    try:
        page = ValuationPage(Settings(), language)
    except SlutprisError as error:
        nothing = shell.nothing_yet(str(error), language)
        return shell.page("valuation", nothing, language=language)
    pn.state.on_session_destroyed(lambda _: page.close())
    if fields := read_link(pn.state.session_args or {}):
        page.open_link(fields)
    return shell.page("valuation", page.__panel__(), language=language)


if pn.state.served:
    shell.serve(valuation_page())
