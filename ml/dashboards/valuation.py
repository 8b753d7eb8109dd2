"""The valuation page: a form, and what the home is worth.

Thin on purpose: state is in ``store``, looks in ``theme``, drawing in ``charts``, the
markup of a result in ``valuation_result``. Run it with
``panel serve ml/dashboards/valuation.py``.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
import param

from ml.dashboards import shell
from ml.dashboards.store import (
    City,
    ValuationStore,
    city,
    registered_models,
    warm_valuer,
)
from ml.dashboards.valuation_result import city_html, result_html
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

MODEL_NAMES = {"xgboost": "XGBoost", "autogluon": "AutoGluon", "blend": "Blandning"}
LABELS = {
    "living_area_m2": "Boarea m²",
    "rooms": "Rum",
    "floor": "Våning",
    "construction_year": "Byggår",
    "fee_sek_per_month": "Avgift kr/mån",
    "operating_cost_sek_per_month": "Driftskostnad kr/mån",
}
# Two changes of the button sent at almost the same time may reach the browser in the
# wrong order and leave it loading for ever: a quick answer shows none, a slow one some
# time.
LOADING_AFTER_S = 0.2
LOADING_AT_LEAST_S = 0.3
PROBLEMS_CSS = """
ul { margin: 0; padding: 10px 14px; list-style: none; border-radius: 8px;
     color: color-mix(in srgb, #e5484d 72%, var(--panel-on-surface-color, #000));
     background: rgb(229 72 77 / 0.1); line-height: 1.4; }
"""


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
    """Form and result, side by side where there is room."""

    def __init__(self, store: ValuationStore, models: list[str]) -> None:
        super().__init__()
        self.store = store
        self._address = _address_field(city(store.valuer))
        self._fields = _fields(store, city(store.valuer), models)
        self._button = pmui.Button(
            label="Värdera",
            variant="contained",
            size="large",
            sizing_mode="stretch_width",
            margin=(10, 10, 10, 10),
        )
        self._button.on_click(self._value)
        self._problems = pn.pane.HTML(
            "",
            stylesheets=[PROBLEMS_CSS],
            visible=False,
            sizing_mode="stretch_width",
            margin=(5, 10),
        )
        self._suggestions = pmui.FlexBox(visible=False, margin=(0, 8, 10, 8), gap="4px")
        self._result = shell.content(city_html(city(store.valuer)))
        self._result_top = ResultTop(height=0, margin=0)
        store.param.watch(self._show_valuation, "valuation")
        store.param.watch(self._show_problems, "problems")
        store.param.watch(self._show_suggestions, "suggestions")

    def __panel__(self) -> pn.viewable.Viewable:
        """Lay the page out."""
        return pmui.Grid(
            pmui.Grid(self._form(), size={"xs": 12, "md": 4.4, "lg": 4}),
            pmui.Grid(
                self._result_top, self._result, size={"xs": 12, "md": 7.6, "lg": 8}
            ),
            container=True,
            spacing=3,
            sizing_mode="stretch_width",
        )

    def _form(self) -> pn.viewable.Viewable:
        fields = self._fields
        rows = [
            ("living_area_m2", "rooms"),
            ("floor", "construction_year"),
            ("fee_sek_per_month",),
            ("operating_cost_sek_per_month",),
            ("agency",),
            ("date",),
            ("model",),
        ]
        return pmui.Paper(
            self._address,
            self._suggestions,
            *(
                pmui.Row(*(fields[name] for name in row), sizing_mode="stretch_width")
                for row in rows
            ),
            self._problems,
            self._button,
            elevation=0,
            sizing_mode="stretch_width",
            sx={"border": "1px solid", "borderColor": "divider", "padding": "14px"},
            margin=0,
        )

    async def _value(self, *_: object) -> None:
        # what is typed is in value_input; value lags until a suggestion is picked
        self.store.form.address = self._address.value_input
        outcome = asyncio.ensure_future(asyncio.to_thread(self.store.outcome))
        await asyncio.wait({outcome}, timeout=LOADING_AFTER_S)
        if not outcome.done():
            await self._load_until(outcome)
        self.store.param.update(**outcome.result())

    async def _load_until(self, outcome: asyncio.Future[dict[str, Any]]) -> None:
        self._button.loading = True
        try:
            await asyncio.wait({outcome})
            await asyncio.sleep(LOADING_AT_LEAST_S)
        finally:
            self._button.loading = False

    def _show_valuation(self, *_: object) -> None:
        store = self.store
        if store.valuation is not None:
            self._result.object = result_html(store.valuation, store.valuer)
            self._result_top.results += 1

    def _show_problems(self, *_: object) -> None:
        problems = self.store.problems
        items = "".join(f"<li>{escape(text)}</li>" for text in problems.values())
        self._problems.param.update(
            object=f'<ul role="alert">{items}</ul>', visible=bool(problems)
        )
        self._address.error_state = bool({"address", "street_number"} & set(problems))
        for name, field in self._fields.items():
            field.error_state = name in problems

    def _show_suggestions(self, *_: object) -> None:
        names = self.store.suggestions
        self._suggestions.param.update(
            objects=list(self._suggestion_buttons(names)), visible=bool(names)
        )

    def _suggestion_buttons(self, names: Iterable[str]) -> Iterable[pmui.Button]:
        for name in names:
            button = pmui.Button(label=name, size="small", variant="outlined", margin=3)
            button.on_click(lambda _, name=name: self._take(name))
            yield button

    def _take(self, address: str) -> None:
        self._address.value = address
        self.store.param.update(suggestions=[], problems={})


WIDE: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width"}


def _address_field(facts: City) -> pmui.AutocompleteInput:
    """Make the one field that is not bound: an unlisted address has no value."""
    return pmui.AutocompleteInput(
        label="Adress",
        placeholder="Sveavägen 98",
        options=facts.addresses,
        restrict=False,
        lazy_search=True,
        case_sensitive=False,
        min_characters=3,
        **WIDE,
    )


def _fields(
    store: ValuationStore, facts: City, models: list[str]
) -> dict[str, pmui.TextInput | pmui.Select | pmui.DatePicker]:
    """Make a field for each other parameter of the form, bound to it."""
    form = store.form
    return {
        name: pmui.TextInput.from_param(form.param[name], label=label, **WIDE)
        for name, label in LABELS.items()
    } | {
        "agency": pmui.Select.from_param(
            form.param.agency,
            label="Mäklare",
            options={"Vet inte": ""} | {name: name for name in facts.agencies},
            **WIDE,
        ),
        "date": pmui.DatePicker.from_param(
            form.param.date,
            label="Värderingsdatum",
            width=None,  # the widget's own would hold it at 300
            sx={"& .MuiIconButton-root": {"color": "text.secondary"}},
            **WIDE,
        ),
        "model": pmui.Select.from_param(
            form.param.model,
            label="Modell",
            options={MODEL_NAMES[name]: name for name in models},
            **WIDE,
        ),
    }


def valuation_page() -> pmui.Page:
    """Make the page, or say what to run when there is nothing to show yet."""
    settings = Settings()
    try:
        store = ValuationStore(warm_valuer(settings))
        main: pn.viewable.Viewable = ValuationPage(
            store, registered_models(settings)
        ).__panel__()
    except SlutprisError as error:
        main = shell.nothing_yet(str(error))
    return shell.page("valuation", main)


if pn.state.served:
    valuation_page().servable()
