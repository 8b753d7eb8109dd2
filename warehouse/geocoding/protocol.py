"""What every geocoder is asked and what it answers.

What belongs here: the request, the result and the protocol. What does not: any way
of answering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class GeocodeRequest:
    """An address as a person or a page wrote it.

    `municipality` and `district` narrow the search where they are known; None leaves
    them open.
    """

    address: str
    municipality: str | None = None
    district: str | None = None


@dataclass(frozen=True)
class GeocodeResult:
    """Where an address lies (WGS84 degrees), or a miss: then every field is None.

    `precision` names the step that answered, from `exact` to `district`;
    `uncertainty_m` is the radius in metres that holds the true point for about 95 %
    of the results of that precision. `gazetteer_version` tells which data answered,
    `attribution` whom to credit wherever the point is shown, and `street` and
    `number` what was matched, spelt as the gazetteer spells it.
    """

    latitude: float | None = None
    longitude: float | None = None
    precision: str | None = None
    uncertainty_m: float | None = None
    gazetteer_version: str | None = None
    attribution: str | None = None
    street: str | None = None
    number: str | None = None


class Geocoder(Protocol):
    """Anything that turns addresses into places."""

    def geocode(self, requests: Sequence[GeocodeRequest]) -> list[GeocodeResult]:
        """Answer every request, in order; a miss is a result of None fields."""
        ...
