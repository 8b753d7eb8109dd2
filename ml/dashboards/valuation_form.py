"""The form of the valuation page: a home's facts, what is known and what is assumed.

What belongs here: the fields, filling them in, and what stands around them. What does
not: the answer, and what the fields may hold (``store``).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
import param

from ml.dashboards import shell, theme
from ml.dashboards.address_field import AddressField
from ml.dashboards.past_sales import building_html, past_sales, sale_row
from ml.dashboards.store import NUMBER_FIELDS, HomeForm
from ml.dashboards.value_button import ValueButton
from ml.dashboards.written import FIELD_NAMES, MODEL_NAMES, fact_text, titled
from ml.valuation.assumptions import SOURCE_WORDS, Assumption, assumptions
from ml.valuation.known_home import KnownBuilding, known_home
from ml.valuation.places import locate
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ml.dashboards.valuers import Valuers
    from ml.valuation.request import ModelName, ValuationRequest
    from ml.valuation.suggestions import Suggestion

LABELS = {
    "living_area_m2": Words("Boarea m²", "Living area m²"),
    "rooms": Words("Rum", "Rooms"),
    "floor": Words("Våning", "Floor"),
    "construction_year": Words("Byggår", "Year built"),
    "fee_sek_per_month": Words("Avgift kr/mån", "Monthly fee kr"),
    "operating_cost_sek_per_month": Words("Drift kr/mån", "Running cost kr"),
    "list_price_sek": Words("Utgångspris kr, om du vet", "Asking price kr, if known"),
}
ROWS = (
    ("living_area_m2", "rooms"),
    ("floor", "construction_year"),
    ("fee_sek_per_month", "operating_cost_sek_per_month"),
    ("list_price_sek",),
    ("agency", "date"),
    ("model",),
)
SUGGESTIONS = Words("Förslag", "Suggestions")
HITS = Words(
    "{} förslag, välj med piltangenterna", "{} suggestions, use the arrow keys"
)
VALUE_IT = Words("Värdera", "Value it")
DO_NOT_KNOW = Words("Vet inte", "Do not know")
SALES_THERE = Words("{count} sålda", "{count} sold")
SOLD_NONE = Words("numret är inte känt", "number not known")
DISTRICT = Words("område", "area")
MISSING_NOTHING = Words("Allt är ifyllt, inget antas.", "All is filled in.")
ASSUMED_HEAD = Words(
    "Det här är inte angivet, så vi antar:", "Not given, so we assume:"
)
ASSUMED = Words("{name}: antas {value}, {source}", "{name}: {value}, {source}")
NOT_ASSUMED = Words("{name}: okänd, {source}", "{name}: unknown, {source}")
STILL_NEEDED = Words(
    "Adress och boarea behövs. Allt annat som saknas antas, och listas här.",
    "Address and living area are needed. Anything else missing is assumed, and listed "
    "here.",
)

PROBLEMS_CSS = """
ul { margin: 0; padding: 10px 14px; list-style: none; border-radius: 8px;
     color: color-mix(in srgb, #e5484d 62%, var(--panel-on-surface-color, #000));
     background: rgb(229 72 77 / 0.1); line-height: 1.4; overflow-wrap: anywhere; }
"""
LONGEST_NUMBER = 12
"""Digits of a number in a link that is written in groups; no fact has more."""
WIDE: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width"}

Choice = pmui.Select | pmui.DatePicker


class ValuationForm(pn.viewable.Viewer):
    """The form; ``asked`` is triggered when the home is to be valued."""

    asked = param.Event()

    def __init__(
        self,
        valuers: Valuers,
        agencies: Sequence[str],
        models: Sequence[ModelName],
        language: Language,
    ) -> None:
        super().__init__()
        self.language: Language = language
        self.form = HomeForm(date=dt.date.today())
        self._valuers = valuers
        self._filled: dict[str, str] = {}
        self._sales: list[dict[str, float]] = []
        self._building: dict[str, float] = {}
        self._fee_sek_per_m2: float | None = None
        self._usual_fee = ""
        self._address = AddressField(
            self._suggest,
            label=FIELD_NAMES["address"].to(language),
            list_label=SUGGESTIONS.to(language),
            placeholder="Sveavägen 98",
            hits=HITS.to(language),
            sizing_mode="stretch_width",
            margin=(10, 10, 12, 10),
        )
        self._texts = _text_fields(self.form, language)
        self._fields = self._texts | _choices(self.form, agencies, models, language)
        self._known = shell.content("", visible=False)
        self._past = past_sales(language)
        self._past.visible = False
        self._assumed = shell.content(_small(STILL_NEEDED.to(language)))
        self._suggestions = pmui.FlexBox(visible=False, margin=(0, 8, 10, 8), gap="4px")
        self._problems = pn.pane.HTML(
            "",
            stylesheets=[PROBLEMS_CSS],
            visible=False,
            sizing_mode="stretch_width",
            margin=(5, 10),
        )
        self.button = ValueButton(
            label=VALUE_IT.to(language), sizing_mode="stretch_width", margin=10
        )
        self._watch()

    def __panel__(self) -> pn.viewable.Viewable:
        """Lay the form out."""
        inset = {"margin": (0, 10, 8, 10), "sizing_mode": "stretch_width"}
        return pmui.Paper(
            self._address,
            self._suggestions,
            pmui.Column(self._known, **inset),
            self._past,
            *(
                pmui.Row(*(self._fields[n] for n in row), sizing_mode="stretch_width")
                for row in ROWS
            ),
            self._problems,
            self.button,
            pmui.Column(self._assumed, **inset),
            elevation=0,
            sizing_mode="stretch_width",
            sx={"border": "1px solid", "borderColor": "divider", "padding": "14px"},
            margin=(0, 0, 20, 0),
        )

    def read(self) -> HomeForm:
        """Take over what stands in the fields, left or not, and give the form."""
        typed = {name: self._texts[name].value_input or "" for name in NUMBER_FIELDS}
        self.form.param.update(**typed, address=self._address.value)
        return self.form

    def fill_from_link(self, fields: Mapping[str, str]) -> None:
        """Fill in what a link holds."""
        self.form.fill_from_link(
            {
                name: _typed(name, text, self.language)
                if name in NUMBER_FIELDS
                else text
                for name, text in fields.items()
            }
        )
        self._address.value = self.form.address

    async def describe(self) -> None:
        """Tell what is known and assumed of a home that a link filled in."""
        await self._describe_building()
        self._fill_usual_fee()

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Say what is wrong with the fields, and mark them."""
        items = "".join(f"<li>{escape(text)}</li>" for text in problems.values())
        self._problems.param.update(
            object=f'<div role="alert"><ul>{items}</ul></div>' if items else "",
            visible=bool(problems),
        )
        self._address.is_wrong = bool({"address", "street_number"} & set(problems))
        for name, field in self._fields.items():
            field.error_state = name in problems

    def show_suggestions(self, names: Sequence[str]) -> None:
        """Offer spellings of an address that was not found."""
        self._suggestions.param.update(
            objects=list(self._suggestion_buttons(names)), visible=bool(names)
        )

    def _watch(self) -> None:
        self.button.param.watch(self._ask, "presses")
        self._address.param.watch(self._ask, "entered")
        self._address.param.watch(self._choose_address, "chosen")
        self._past.param.watch(self._choose_sale, "choices")
        for name in NUMBER_FIELDS:
            self._texts[name].param.watch(self._ask, "enter_pressed")
        self.form.param.watch(
            lambda *_: pn.state.execute(self._describe_assumed),
            [name for name in NUMBER_FIELDS if name != "list_price_sek"] + ["date"],
        )
        self.form.param.watch(self._fill_usual_fee, "living_area_m2")

    def _ask(self, *_: object) -> None:
        self.param.trigger("asked")

    def _suggest(self, typed: str) -> list[dict[str, str]]:
        try:
            with self._valuers.borrow() as borrowed:
                found = borrowed.suggestions.of(typed)
        except SlutprisError:
            return []
        return [_option(each, self.language) for each in found]

    def _suggestion_buttons(self, names: Iterable[str]) -> Iterable[pmui.Button]:
        for name in names:
            button = pmui.Button(
                label=titled(name), size="small", variant="outlined", margin=3
            )
            button.on_click(lambda _, name=name: self._take(titled(name)))
            yield button

    def _take(self, address: str) -> None:
        self._address.value = address
        self.show_suggestions([])
        self.show_problems({})
        self._choose_address()

    def _choose_address(self, *_: object) -> None:
        self.form.address = self._address.value
        self.show_suggestions([])
        pn.state.execute(partial(self._describe_building, fills=True))

    async def _describe_building(self, *, fills: bool = False) -> None:
        address = self.form.address
        known = await asyncio.to_thread(self._known_at, address)
        if address != self.form.address:
            return
        sales = known.sales if known else []
        self._sales = [sale.facts() for sale in sales]
        year = known.construction_year if known else None
        self._building = {"construction_year": year} if year else {}
        self._fee_sek_per_m2 = known.fee_sek_per_m2_month if known else None
        self._past.param.update(
            rows=[sale_row(sale, self.language) for sale in sales],
            choice=-1,
            visible=bool(sales),
        )
        self._known.param.update(
            object=building_html(known, self.language), visible=bool(address)
        )
        if fills:
            self._fill(self._building)
            self._fill_usual_fee()
        await self._describe_assumed()

    def _known_at(self, address: str) -> KnownBuilding | None:
        try:
            with self._valuers.borrow() as borrowed:
                connection = borrowed.valuer.connection()
                place = locate(connection, [address])[0] if address else None
                if place is None or place.address is None or place.level != "address":
                    return None
                return known_home(connection, place.address, place.street_number)
        except SlutprisError:
            return None

    def _choose_sale(self, *_: object) -> None:
        if 0 <= self._past.choice < len(self._sales):
            self._fill(self._building | self._sales[self._past.choice])

    def _fill(self, facts: Mapping[str, float]) -> None:
        """Fill in facts, and empty what was filled in of another home before."""
        stale = {
            name: ""
            for name, text in self._filled.items()
            if getattr(self.form, name) == text
        }
        self._filled = {
            name: theme.plain(fact, self.language)
            if name != "construction_year"
            else f"{fact:.0f}"
            for name, fact in facts.items()
        }
        self.form.param.update(**{**stale, **self._filled})

    def _fill_usual_fee(self, *_: object) -> None:
        """Fill in what the house's flats of this size pay, unless a fee is given."""
        if self._fee_sek_per_m2 is None or not self._is_fee_free():
            return
        area_m2 = self.form.number_in("living_area_m2")
        fee_sek = round(self._fee_sek_per_m2 * (area_m2 or 0), -1)
        self._usual_fee = theme.plain(fee_sek, self.language) if fee_sek else ""
        self._filled["fee_sek_per_month"] = self._usual_fee
        self.form.fee_sek_per_month = self._usual_fee

    def _is_fee_free(self) -> bool:
        return self.form.fee_sek_per_month in ("", self._usual_fee)

    def _usual(self) -> list[Assumption]:
        """Tell of the fee if it is the house's usual one, not one that was given."""
        if not self._usual_fee or self.form.fee_sek_per_month != self._usual_fee:
            return []
        fee_sek = self.form.number_in("fee_sek_per_month")
        return [Assumption("fee_sek_per_month", fee_sek, "house")]

    async def _describe_assumed(self) -> None:
        try:
            request = self.form.asked().request
        except SlutprisError:
            self._assumed.object = _small(STILL_NEEDED.to(self.language))
            return
        assumed = await asyncio.to_thread(self._assumed_of, request)
        if assumed is not None:
            assumed = [*self._usual(), *assumed]
            self._assumed.object = _assumed_html(assumed, self.language)

    def _assumed_of(self, request: ValuationRequest) -> list[Assumption] | None:
        try:
            with self._valuers.borrow() as borrowed:
                return assumptions(borrowed.valuer, request)
        except SlutprisError:
            return None


def _text_fields(form: HomeForm, language: Language) -> dict[str, pmui.TextInput]:
    """Make a field for each number, bound to the form."""
    return {
        name: pmui.TextInput.from_param(
            form.param[name], label=label.to(language), **WIDE
        )
        for name, label in LABELS.items()
    }


def _choices(
    form: HomeForm,
    agencies: Sequence[str],
    models: Sequence[ModelName],
    language: Language,
) -> dict[str, Choice]:
    """Make the fields that something is chosen in, bound to the form."""
    return {
        "agency": pmui.Select.from_param(
            form.param.agency,
            label=FIELD_NAMES["agency"].to(language),
            options={DO_NOT_KNOW.to(language): ""} | {name: name for name in agencies},
            **WIDE,
        ),
        "date": pmui.DatePicker.from_param(
            form.param.date,
            label=FIELD_NAMES["date"].to(language),
            width=None,  # the widget's own would hold it at 300
            sx={"& .MuiIconButton-root": {"color": "text.secondary"}},
            **WIDE,
        ),
        "model": pmui.Select.from_param(
            form.param.model,
            label=FIELD_NAMES["model"].to(language),
            options={MODEL_NAMES[name].to(language): name for name in models},
            **WIDE,
        ),
    }


def _option(suggestion: Suggestion, language: Language) -> dict[str, str]:
    """Write a suggestion as the field lists it."""
    if suggestion.level == "district":
        place = DISTRICT.to(language)
    else:
        place = titled(suggestion.district, language)
    count = SALES_THERE.to(language).format(count=theme.number(suggestion.sale_count))
    if not suggestion.sale_count:
        count = SOLD_NONE.to(language)
    return {"text": titled(suggestion.text), "detail": theme.in_a_row([place, count])}


def _assumed_html(assumed: Sequence[Assumption], language: Language) -> str:
    if not assumed:
        return _small(MISSING_NOTHING.to(language))
    items = "".join(
        f"<li>{escape(_assumption_text(each, language))}</li>" for each in assumed
    )
    return (
        f'<div role="status" class="small muted">{ASSUMED_HEAD.to(language)}'
        f'<ul style="margin: 4px 0 0; padding-left: 18px">{items}</ul></div>'
    )


def _assumption_text(assumption: Assumption, language: Language) -> str:
    name = FIELD_NAMES[assumption.field].to(language)
    source = SOURCE_WORDS[assumption.source].to(language)
    if assumption.value is None:
        return NOT_ASSUMED.to(language).format(name=name, source=source)
    value = fact_text(assumption.field, assumption.value, language)
    return ASSUMED.to(language).format(name=name, value=value, source=source)


def _typed(name: str, number: str, language: Language) -> str:
    """Write a number of a link as the form writes its own."""
    is_whole = number.isdecimal() and len(number) <= LONGEST_NUMBER
    if is_whole and name != "construction_year":
        return theme.number(int(number))
    return number.replace(".", ",") if language == "sv" else number


def _small(text: str) -> str:
    return f'<p class="small muted">{escape(text)}</p>'
