"""What a visitor has typed, as state: the form, and what is wrong with it. No Panel.

What belongs here: the form and its text forms (fields, links), and the words of every
refusal. What does not: widgets, layout and colour; nor valuing.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import param

from ml.dashboards import theme
from ml.dashboards.written import FIELD_NAMES, MODEL_NAMES, UNITS, YEARS
from ml.valuation.request import (
    RANGES,
    FieldProblem,
    InvalidRequestError,
    ModelName,
    ValuationRequest,
)
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER_FIELDS = (
    "living_area_m2",
    "rooms",
    "floor",
    "fee_sek_per_month",
    "operating_cost_sek_per_month",
    "construction_year",
    "list_price_sek",
)
LINK_FIELDS = ("address", *NUMBER_FIELDS, "agency", "date", "model")
LONGEST_TEXT = 200
"""Characters of a field that are read from a link or shown in a message."""
LONGEST_AMOUNT = 24
"""Characters of a number in a message."""

MISSING = Words("{name} saknas.", "{name} is missing.")
NO_NUMBER = Words(
    "{name} ska vara ett tal, du skrev ”{given}”.",
    "{name} must be a number, you wrote “{given}”.",
)
NO_DATE = Words(
    "{name} ska vara ett datum, du skrev ”{given}”.",
    "{name} must be a date, you wrote “{given}”.",
)
NO_ADDRESS = Words(
    "{name} ska vara en gata och ett nummer, till exempel Sveavägen 98.",
    "{name} must be a street and a number, for example Sveavägen 98.",
)
NO_MODEL = Words(
    "Modellen ”{given}” finns inte. Välj en av {models}.",
    "There is no model “{given}”. Choose one of {models}.",
)
OUT_OF_RANGE = Words(
    "{name} ska vara {lowest}–{highest}, du skrev {given}.",
    "{name} must be {lowest}–{highest}, you wrote {given}.",
)
NOT_FOUND = Words(
    "Adressen ”{given}” finns inte bland de kända. Välj ett av förslagen, eller skriv "
    "bara gatan.",
    "The address “{given}” is not among those known. Choose one of the suggestions, or "
    "write the street alone.",
)


class Asked(NamedTuple):
    """What a form asks: the home before listing, and as listed if a price is given."""

    request: ValuationRequest
    listed: ValuationRequest | None


class HomeForm(param.Parameterized):
    """The home as typed: text in every field, empty where nothing is known.

    ``unread`` keeps what a link said that no field can show, so that it is refused in
    words like anything that is typed.
    """

    address = param.String(default="")
    living_area_m2 = param.String(default="")
    rooms = param.String(default="")
    floor = param.String(default="")
    fee_sek_per_month = param.String(default="")
    operating_cost_sek_per_month = param.String(default="")
    construction_year = param.String(default="")
    list_price_sek = param.String(default="")
    agency = param.String(default="", allow_None=True)
    date = param.CalendarDate(default=None, allow_None=True)
    model = param.Selector(default="xgboost", objects=list(get_args(ModelName)))
    unread = param.Dict(default={})

    def asked(self) -> Asked:
        """Make requests of what is typed.

        Raises
        ------
        InvalidRequestError
            When a field cannot be so, with one problem for each.
        """
        fields: dict[str, Any] = {
            "address": self.address,
            "agency": self.agency,
            "date": self.date,
            "model": self.model,
        }
        fields |= {name: as_number(getattr(self, name)) for name in NUMBER_FIELDS}
        fields |= self.unread
        given = {
            name: value for name, value in fields.items() if value not in ("", None)
        }
        if "list_price_sek" not in given:
            return Asked(ValuationRequest.of(**given), None)
        listed = ValuationRequest.of(**given, mode="listed")
        before = {"mode": "before_listing", "list_price_sek": None}
        return Asked(listed.model_copy(update=before), listed)

    def number_in(self, name: str) -> float | None:
        """Read a field's number; None where it holds none that may stand there."""
        lowest, highest = RANGES[name]
        try:
            number = float(as_number(getattr(self, name)))
        except ValueError:
            return None
        return number if lowest <= number <= highest else None

    def link_fields(self) -> dict[str, str]:
        """Give what is filled in, as a link holds it."""
        fields = {name: str(getattr(self, name) or "") for name in LINK_FIELDS}
        fields |= {name: as_number(fields[name]) for name in NUMBER_FIELDS}
        return {name: text for name, text in fields.items() if text}

    def fill_from_link(self, fields: Mapping[str, str]) -> None:
        """Take over what a link holds; what fits no field is kept to be refused."""
        texts = {
            name: fields[name][:LONGEST_TEXT] for name in LINK_FIELDS if name in fields
        }
        unread = {}
        if "date" in texts and (date := _date(texts["date"])) is None:
            unread["date"] = texts["date"]
        elif "date" in texts:
            self.date = date
        if (model := texts.get("model")) in get_args(ModelName):
            self.model = model
        elif model is not None:
            unread["model"] = model
        typed = {n: t for n, t in texts.items() if n not in ("date", "model")}
        self.param.update(**typed, unread=unread)


def problem_texts(error: InvalidRequestError, language: Language) -> dict[str, str]:
    """Say what is wrong with each field, by field."""
    return {each.field: problem_text(each, language) for each in error.problems}


def problem_text(problem: FieldProblem, language: Language = "sv") -> str:
    """Say what is wrong with a field, and what it may be."""
    field = problem.field
    name = FIELD_NAMES[field].to(language) if field in FIELD_NAMES else field
    if problem.given is None:
        return MISSING.to(language).format(name=name)
    if problem.lowest is None or problem.highest is None:
        models = ", ".join(words.to(language) for words in MODEL_NAMES.values())
        words = {"date": NO_DATE, "address": NO_ADDRESS, "model": NO_MODEL}
        return (
            words.get(field, NO_NUMBER)
            .to(language)
            .format(name=name, given=shortened(problem.given), models=models)
        )
    lowest, highest, given = (
        _written(field, value, language)
        for value in (problem.lowest, problem.highest, problem.given)
    )
    unit = f"{theme.NBSP}{UNITS[field].to(language)}" if field in UNITS else ""
    return OUT_OF_RANGE.to(language).format(
        name=name,
        lowest=lowest,
        highest=f"{highest}{unit}",
        given=shortened(given, LONGEST_AMOUNT),
    )


def as_number(text: str) -> str:
    """Turn what a Swede types into what a computer reads.

    ``3 200,50 kr`` is 3200.50 and ``BV``, the ground floor, is 0; what is no number
    stays as it is.
    """
    bare = re.sub(r"\s", "", text)
    bare = re.sub(r"(kr(/(mån|month))?|m²|m2|tr|rum)$", "", bare, flags=re.IGNORECASE)
    bare = bare.replace(",", ".").replace("\u2212", "-")
    return "0" if bare.upper() == "BV" else bare


def shortened(given: object, longest: int = LONGEST_TEXT) -> str:
    """Write what was given, but no more of it than a reader can take in."""
    text = str(given)
    return text if len(text) <= longest else f"{text[:longest]}…"


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _written(field: str, value: Any, language: Language) -> str:  # noqa: ANN401
    if field in YEARS or not isinstance(value, int | float):
        return str(value)
    return theme.plain(value, language)
