"""What a valuation is asked for: its fields, their ranges and how a refusal reads.

What belongs here: the request and everything that can be wrong with it before any data
is read. What does not: finding the address, and valuing.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ml.valuation.features import Mode  # noqa: TC001 - pydantic reads it
from warehouse.errors import SlutprisError

ModelName = Literal["xgboost", "autogluon", "blend"]

YEARS_AHEAD = 3
"""How far ahead a building year or a valuation date may lie."""

RANGES: dict[str, tuple[float, float]] = {
    "living_area_m2": (10, 800),
    "rooms": (1, 20),
    "floor": (-3, 35),
    "fee_sek_per_month": (0, 60_000),
    "operating_cost_sek_per_month": (0, 20_000),
    "list_price_sek": (150_000, 150_000_000),
    "street_number": (0, 500),
}
"""The predecessor's bounds, inclusive, but for street numbers, of which real sales have
higher ones; those that move with the year are in
:func:`allowed_range`."""

STREET_NUMBER = re.compile(r"^(?P<street>[^0-9]+?)[ ,.-]*(?P<number>[0-9]+)")
"""As dbt splits an address: the street before the first run of digits."""


@dataclass(frozen=True)
class FieldProblem:
    """One field that was refused: what was given, and what may be given."""

    field: str
    given: Any
    message: str
    lowest: float | dt.date | None = None
    highest: float | dt.date | None = None


class InvalidRequestError(SlutprisError):
    """A request outside the allowed ranges; ``problems`` says where, one per field."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.message for problem in problems))


def allowed_range(field: str) -> tuple[float, float] | tuple[dt.date, dt.date]:
    """Give the least and greatest value a field may have, today.

    Areas in m², money in SEK a month.
    """
    last_year = dt.date.today().year + YEARS_AHEAD
    if field == "construction_year":
        return 1850, last_year
    if field == "date":
        return dt.date(2010, 1, 1), dt.date(last_year, 12, 31)
    return RANGES[field]


def street_and_number(address: str) -> tuple[str, int | None]:
    """Split an address into street and number: ``Sveavägen 98B`` is (Sveavägen, 98)."""
    match = STREET_NUMBER.match(address.strip())
    if match is None:
        return address.strip(), None
    return match["street"], int(match["number"])


ASKED_BEFORE_LISTING = (
    "list_price_sek was given, but the mode is before_listing: leave the price out, or "
    "ask with mode listed"
)
LISTED_UNASKED = "mode listed needs the asking price, list_price_sek"


class ValuationRequest(BaseModel):
    """A home to value, and as of which day.

    Facts that are not known are left out; the features then take what is usual for
    the street and the district.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    address: str = Field(min_length=2, max_length=200)
    living_area_m2: float
    rooms: float | None = None
    floor: float | None = None
    fee_sek_per_month: float | None = None
    operating_cost_sek_per_month: float | None = None
    construction_year: int | None = None
    agency: str | None = None
    date: dt.date = Field(default_factory=dt.date.today)
    model: ModelName = "xgboost"
    mode: Mode = "before_listing"
    """Which of two models is asked: one that has never seen an asking price, or one
    that leans on it. Never guessed from the other fields."""
    list_price_sek: float | None = None

    @classmethod
    def of(cls, **fields: Any) -> Self:  # noqa: ANN401 - that is what is checked
        """Make a request of unchecked values.

        Raises
        ------
        InvalidRequestError
            When a field is missing, unknown, not of its type or out of range; it names
            the field, what was given and what is allowed.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            problems = [_problem(dict(each)) for each in error.errors()]
            raise InvalidRequestError(problems) from error

    @field_validator(
        "living_area_m2",
        "rooms",
        "floor",
        "fee_sek_per_month",
        "operating_cost_sek_per_month",
        "construction_year",
        "date",
        "list_price_sek",
    )
    @classmethod
    def _within_range(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
        if value is not None:
            _check_range(str(info.field_name), value)
        return value

    @model_validator(mode="after")
    def _asking_price_goes_with_listed(self) -> Self:
        is_asked = self.list_price_sek is not None
        if is_asked != (self.mode == "listed"):
            raise PydanticCustomError(
                "asking_price",
                "{advice}",
                {"advice": ASKED_BEFORE_LISTING if is_asked else LISTED_UNASKED},
            )
        return self

    @field_validator("address")
    @classmethod
    def _street_number_within_range(cls, value: str) -> str:
        number = street_and_number(value)[1]
        if number is not None:
            _check_range("street_number", number)
        return value


def _check_range(field: str, value: Any) -> None:  # noqa: ANN401
    lowest, highest = allowed_range(field)
    if not lowest <= value <= highest:
        raise PydanticCustomError(
            "out_of_range",
            "out of range",
            {"field": field, "given": value, "lowest": lowest, "highest": highest},
        )


def _problem(error: dict[str, Any]) -> FieldProblem:
    """Say in one clause what pydantic refused."""
    context = error.get("ctx", {})
    if error["type"] == "out_of_range":
        field, given = context["field"], context["given"]
        lowest, highest = context["lowest"], context["highest"]
        shown = f"{given:g}" if isinstance(given, float) else given
        message = f"{field} must be {lowest} to {highest}, it was {shown}"
        return FieldProblem(field, given, message, lowest, highest)
    if error["type"] == "asking_price":
        return FieldProblem("list_price_sek", None, error["msg"])
    field = str(error["loc"][0]) if error["loc"] else "request"
    if error["type"] == "missing":
        return FieldProblem(field, None, f"{field} is missing")
    if error["type"] == "extra_forbidden":
        known = ", ".join(ValuationRequest.model_fields)
        message = f"there is no field {field!r}; fields are {known}"
        return FieldProblem(field, error["input"], message)
    reason = str(error["msg"])
    message = f"{field} was {error['input']!r}: {reason[0].lower()}{reason[1:]}"
    return FieldProblem(field, error["input"], message)
