"""What files of homes are called and told in: headings, and what is wrong with a row.

What belongs here: words in both languages. What does not: reading files
(``batch_files``) and valuing rows (``batch``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ml.valuation.confidence import REFUSAL_WORDS
from ml.valuation.places import AddressNotFoundError
from ml.valuation.request import InvalidRequestError, ValuationRequest
from ml.valuation.swedish import swedish_number
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml.valuation.request import FieldProblem
    from warehouse.errors import SlutprisError

FIELD_HEADINGS: dict[str, Words] = {
    "address": Words("Adress", "Address"),
    "living_area_m2": Words("Boarea m²", "Living area m²"),
    "rooms": Words("Rum", "Rooms"),
    "floor": Words("Våning", "Floor"),
    "fee_sek_per_month": Words("Avgift kr/mån", "Fee SEK/month"),
    "operating_cost_sek_per_month": Words(
        "Driftskostnad kr/mån", "Operating cost SEK/month"
    ),
    "construction_year": Words("Byggår", "Construction year"),
    "list_price_sek": Words("Utgångspris kr", "Asking price SEK"),
    "agency": Words("Mäklare", "Agency"),
    "date": Words("Datum", "Date"),
    "model": Words("Modell", "Model"),
}
"""How a template heads the fields of a request."""

RESULT_HEADINGS: dict[str, Words] = {
    "row_number": Words("Rad", "Row"),
    "value_sek": Words("Värde kr", "Value SEK"),
    "low_sek": Words("Lägst kr", "Low SEK"),
    "high_sek": Words("Högst kr", "High SEK"),
    "confidence_class": Words("Säkerhetsklass (0–7)", "Confidence class (0–7)"),
    "refusal_reason": Words("Varför inget värde", "Why no value"),
    "is_extrapolation": Words("Framskrivning", "Extrapolation"),
    "place_level": Words("Placerad efter", "Placed by"),
    "valued_date": Words("Värderad per", "Valued as of"),
    "valued_by": Words("Värderad av", "Valued by"),
    "error": Words("Fel i raden", "Error in the row"),
}
"""What is added to each row: the column's name, and its heading on a page."""

YES_OR_NO = {True: Words("ja", "yes"), False: Words("nej", "no")}
PLACE_LEVELS = {
    "address": Words("adressen", "the address"),
    "street": Words("gatan", "the street"),
    "district": Words("området", "the area"),
}

OTHER_HEADINGS: dict[str, tuple[str, ...]] = {
    "address": ("gatuadress", "street address"),
    "living_area_m2": ("area", "yta", "bostadsyta", "kvm", "size"),
    "rooms": ("antal rum", "number of rooms"),
    "floor": ("våningsplan", "vån"),
    "fee_sek_per_month": ("månadsavgift", "monthly fee"),
    "operating_cost_sek_per_month": ("drift",),
    "construction_year": ("byggnadsår", "year", "year of construction", "year built"),
    "list_price_sek": ("utropspris", "list price"),
    "agency": ("mäklarbyrå", "agent"),
    "date": ("värderingsdatum", "valuation date"),
}
UNIT_WORDS = {"kr", "sek", "mån", "månad", "month", "per", "m2", "m²"}

EXPECTED: dict[str, Words] = {
    "address": Words(
        "Skriv gata och nummer, till exempel Sveavägen 98.",
        "Write street and number, such as Sveavägen 98.",
    ),
    "living_area_m2": Words(
        "Skriv kvadratmeter med siffror, till exempel 52,5.",
        "Write square metres in figures, such as 52.5.",
    ),
    "floor": Words(
        "Skriv våningen med siffror; bottenvåningen är 0.",
        "Write the floor in figures; the ground floor is 0.",
    ),
    "date": Words(
        "Skriv datumet som 2024-06-15.", "Write the date such as 2024-06-15."
    ),
    "model": Words(
        "Skriv xgboost, autogluon eller blend.", "Write xgboost, autogluon or blend."
    ),
    "mode": Words(
        "Skriv before_listing eller listed.", "Write before_listing or listed."
    ),
    "list_price_sek": Words(
        "Slå på ”räkna med utgångspriset” eller lämna cellen tom.",
        "Switch on “use the asking price” or leave the cell empty.",
    ),
}
"""What to do about a field; others are numbers in figures or left out."""
ANY_NUMBER = Words(
    "Skriv ett tal med siffror, eller lämna cellen tom.",
    "Write a number in figures, or leave the cell empty.",
)
IS_MISSING = Words("{name} saknas.", "{name} is missing.")
OUT_OF_RANGE = Words(
    "{name} ska vara {lowest} till {highest}, det står {given}.",
    "{name} must be {lowest} to {highest}, it says {given}.",
)
NOT_READ = Words(
    "{name} går inte att läsa: ”{given}”.", "Cannot read {name}: “{given}”."
)
ASKING_PRICE = Words(
    "{name} går inte ihop med radens läge.", "{name} does not go with the row's mode."
)
TOO_WIDE = Words(
    "Raden har {given} celler men filen {most} rubriker. Står ett decimalkomma i en "
    "fil där komma skiljer cellerna åt? Sätt citattecken om talet, eller använd "
    "semikolon.",
    "The row has {given} cells but the file {most} headings. Is there a decimal comma "
    "in a file of commas? Put the number in quotes, or use semicolons.",
)
NOT_FOUND = Words(
    "Adressen ”{address}” finns inte bland de kända.",
    "The address “{address}” is not among those known.",
)
NEAREST = Words("Närmaste är {names}.", "The nearest are {names}.")
MODEL_FAILED = Words(
    "Modellen kan inte användas: {reason}.", "The model cannot be used: {reason}."
)
OTHER_NAMES = {
    "street_number": Words("Gatunumret", "The street number"),
    "row": Words("Hela raden", "The whole row"),
}
SHOWN_CHARACTERS = 60
"""Of what a cell holds, where it is told."""


def heading_key(heading: str) -> str:
    """Give a heading without case, spacing and units: ``Avgift (kr/mån)`` is avgift."""
    words = re.findall(r"[^\W_]+", heading.casefold())
    return "".join(word for word in words if word not in UNIT_WORDS)


def _known_headings() -> dict[str, str]:
    known: dict[str, str] = {}
    for field in ValuationRequest.model_fields:
        titles = FIELD_HEADINGS.get(field)
        own = (field, *((titles.sv, titles.en) if titles else ()))
        for heading in (*own, *OTHER_HEADINGS.get(field, ())):
            known[heading_key(heading)] = field
    return known


FIELD_OF = _known_headings()
"""The field of each heading that is understood, by :func:`heading_key`."""


def row_problem(error: SlutprisError, language: Language) -> str:
    """Say what is wrong with a row and what to do about it."""
    if isinstance(error, InvalidRequestError):
        return " ".join(_field_problem(each, language) for each in error.problems)
    if isinstance(error, AddressNotFoundError):
        found = NOT_FOUND.to(language).format(address=shortened(error.address))
        return f"{found} {_nearest(error.suggestions, language)}"
    reason = str(error).rstrip(".")
    return MODEL_FAILED.to(language).format(reason=reason)


def refusal_words(reason: str | None, language: Language) -> str | None:
    """Say why a home was given no value; None where it was given one."""
    return next(
        (words.to(language) for key, words in REFUSAL_WORDS.items() if key == reason),
        reason,
    )


def field_names(error: SlutprisError, language: Language) -> str:
    """Name the fields that a row was refused for, by their headings."""
    if isinstance(error, InvalidRequestError):
        return ", ".join(_heading(each.field, language) for each in error.problems)
    field = "address" if isinstance(error, AddressNotFoundError) else "model"
    return _heading(field, language)


def shortened(text: object) -> str:
    """Cut what is too long to be told."""
    shown = str(text)
    if len(shown) <= SHOWN_CHARACTERS:
        return shown
    return f"{shown[: SHOWN_CHARACTERS - 1]}…"


def _field_problem(problem: FieldProblem, language: Language) -> str:
    if problem.field == "row":
        most = problem.highest
        return TOO_WIDE.to(language).format(given=problem.given, most=most)
    words = _what_is_wrong(problem)
    said = words.to(language).format(
        name=_heading(problem.field, language),
        given=_written(problem.given, problem.field, language),
        lowest=_written(problem.lowest, problem.field, language),
        highest=_written(problem.highest, problem.field, language),
    )
    if words is OUT_OF_RANGE:
        return said
    return f"{said} {EXPECTED.get(problem.field, ANY_NUMBER).to(language)}"


def _what_is_wrong(problem: FieldProblem) -> Words:
    if problem.lowest is not None:
        return OUT_OF_RANGE
    if problem.given is None:
        is_price = problem.field == "list_price_sek"
        return ASKING_PRICE if is_price else IS_MISSING
    return NOT_READ


def _heading(field: str, language: Language) -> str:
    heading = OTHER_NAMES.get(field) or FIELD_HEADINGS.get(field)
    return heading.to(language) if heading else field


def _written(value: object, field: str, language: Language) -> str:
    if not isinstance(value, int | float) or field == "construction_year":
        return shortened(value)
    decimals = 0 if float(value).is_integer() else 2
    written = swedish_number(value, decimals)
    return written if language == "sv" else written.replace(",", ".")


def _nearest(names: Iterable[str], language: Language) -> str:
    shown = [shortened(name) for name in names]
    if not shown:
        return EXPECTED["address"].to(language)
    return NEAREST.to(language).format(names=", ".join(shown))
