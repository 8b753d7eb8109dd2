"""The arguments of ``scrapy crawl booli -a name=value``, typed and checked.

What does not belong here: what the crawl does with them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path  # noqa: TC003 - pydantic evaluates the annotations
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from scrapy_project.saved_pages import has_saved_pages
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_DATE = date(2012, 1, 1)
UNSETTLED_DAYS = 45
"""Sales are reported late, and bids become final prices, for about so long."""


class CrawlArgumentError(SlutprisError):
    """An argument that is unknown, malformed or points nowhere."""

    exit_code = 2


def today() -> date:
    """Say what day it is, in UTC."""
    return datetime.now(UTC).date()


def _yesterday() -> date:
    return today() - timedelta(days=1)


def _iso_date(given: object) -> date:
    try:
        return date.fromisoformat(str(given))
    except ValueError as error:
        raise ValueError(f"{given} is no date YYYY-MM-DD") from error


# Pydantic alone takes 2016 for a number of seconds since 1970.
IsoDate = Annotated[date, BeforeValidator(_iso_date)]


class CrawlArguments(BaseModel):
    """What to crawl."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_date: Annotated[IsoDate, Field(alias="from")] = FIRST_DATE
    """The first sold date."""

    to_date: Annotated[IsoDate, Field(alias="to", default_factory=_yesterday)]
    """The last sold date, inclusive; yesterday by default, as today is not over."""

    mode: Literal["bulk", "daily"] = "bulk"
    """``bulk`` reads what has not landed; ``daily`` reads the last days again, for
    late sales, bids that became prices, and corrections."""

    days: Annotated[int, Field(ge=1, le=3660)] | None = None
    """How many days back ``daily`` reads again: 45 by default, 365 once a month."""

    again: bool = False
    """Whether ``bulk`` reads again what has landed, as ``daily`` always does."""

    details: Literal["none", "recent", "all"] = "recent"
    """Whose listing pages to read: nobody's, of the last 12 months' sales, all."""

    areas: Annotated[str, Field(pattern=r"^\d+(,\d+)*$")] = "1"
    """Booli's area ids, comma separated; 1 is Stockholm's municipality."""

    pages: Path | None = None
    """A folder of saved pages to read instead of the site."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self._check_mode()
        if self.from_date > self.to_date:
            raise ValueError(f"from={self.from_date} is after to={self.to_date}")
        if self.pages is not None and not has_saved_pages(self.pages):
            raise ValueError(
                f"pages={self.pages} is no folder with saved pages in it "
                "(.html, .har, .warc or .wacz; see docs/saved-pages.md)"
            )
        return self

    def _check_mode(self) -> None:
        given = self.model_fields_set
        if self.mode == "bulk" and self.days is not None:
            raise ValueError("days= belongs to mode=daily; bulk takes from= and to=")
        if self.mode == "daily" and given & {"from_date", "pages"}:
            raise ValueError(
                "mode=daily reads the last days= up to to=; "
                "from= and pages= belong to mode=bulk"
            )

    @property
    def sold_dates(self) -> tuple[date, date]:
        """First and last sold date to read, both inclusive."""
        if self.mode == "bulk":
            return self.from_date, self.to_date
        days = self.days or UNSETTLED_DAYS
        return self.to_date - timedelta(days=days - 1), self.to_date

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """Read the arguments as the command line gives them.

        Raises
        ------
        CrawlArgumentError
            One line that names the argument, what was given and what is known.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            problems = "; ".join(map(_explained, error.errors()))
            raise CrawlArgumentError(
                f"{problems}. Known: mode=bulk|daily from=YYYY-MM-DD to=YYYY-MM-DD "
                "days=N again=yes details=none|recent|all areas=1[,2...] pages=DIR"
            ) from error


def _explained(problem: Mapping) -> str:
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"unknown argument {name}={problem['input']}"
    if problem["type"] == "value_error":
        return (
            f"{name}: {problem['ctx']['error']}"
            if name
            else str(problem["ctx"]["error"])
        )
    return f"{name}={problem['input']}: {problem['msg']}"
