"""The envelope of every page: ``__NEXT_DATA__`` and the normalised Apollo cache in it.

What belongs here: references, fields whose names carry arguments, formatted numbers,
data points and info points. What does not: which field means what (``search``,
``listing``).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from typing import Any

from warehouse.errors import SlutprisError

Entity = dict[str, Any]
Json = Any

_MARKER = b'id="__NEXT_DATA__"'
_GROUPED_DIGITS = re.compile(r"(?<=\d)\s(?=\d{3}(?!\d))")
_SPACES = re.compile(r"\s+")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_EMPHASIS = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

_N = r"([+-]?\d+(?:[.,]\d+)?)"
_DATA_POINTS = {
    "living_area_m2": re.compile(rf"{_N}(?: ?\+ ?{_N})? m²"),
    "rooms": re.compile(rf"{_N} rum"),
    "floor": re.compile(rf"(?:vån {_N}|{_N} tr|BV)(?: av .+)?"),
    "price_per_m2_sek": re.compile(rf"{_N} kr/m²"),
    "fee_sek_per_month": re.compile(rf"{_N} kr/mån"),
    # Known and left alone: the plot, which must never be taken for the living area.
    "plot": re.compile(rf"{_N} m² tomt|{_N} ha(?: .+)?"),
}


class UnknownShapeError(SlutprisError):
    """The page is not built as any release of the site that we know."""

    exit_code = 5


class MissingPayloadError(UnknownShapeError):
    """The page carries no ``__NEXT_DATA__``: a challenge, or another kind of page."""


def payload_of(body: bytes) -> bytes:
    """Cut out the JSON text of the page's ``__NEXT_DATA__`` script, as served.

    Raises
    ------
    MissingPayloadError
        When the page has no such script, or it is cut off.
    """
    marker = body.find(_MARKER)
    start = body.find(b">", marker) + 1
    end = body.find(b"</script>", start)
    if marker < 0 or start == 0 or end < 0:
        raise MissingPayloadError(
            "the page has no complete __NEXT_DATA__ script; expected a page as a "
            "browser gets it from booli.se"
        )
    return body[start:end].strip()


class NextData:
    """One page's payload, read through ``ROOT_QUERY`` only.

    Attributes
    ----------
    oddities
        Unknown texts, keys and units met while reading, counted by name; the crawl adds
        them to its statistics.

    Raises
    ------
    UnknownShapeError
        When the payload is not JSON, or holds no Apollo cache with a ``ROOT_QUERY``.
    """

    def __init__(self, payload: bytes) -> None:
        try:
            self.envelope: Entity = json.loads(payload)
            self.cache: Entity = self.envelope["props"]["pageProps"]["__APOLLO_STATE__"]
            self.root: Entity = self.cache["ROOT_QUERY"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnknownShapeError(
                f"__NEXT_DATA__ holds no Apollo cache with a ROOT_QUERY ({error!r}); "
                "the site may have changed shape"
            ) from error
        self.oddities: Counter[str] = Counter()

    def root_queries(self, name: str) -> list[tuple[str, Any]]:
        """List the queries of that name in ``ROOT_QUERY``: (JSON arguments, value)."""
        start = f"{name}("
        return [
            (key[len(start) : -1], value)
            for key, value in self.root.items()
            if key.startswith(start)
        ]

    def resolve(self, value: Json) -> Json:
        """Follow a reference; an inline object, a null or a dead reference stays so."""
        if isinstance(value, dict) and "__ref" in value:
            return self.cache.get(value["__ref"])
        return value

    def field(self, entity: Entity, name: str) -> Json:
        """Read a field, whatever arguments its name carries; variants are merged."""
        start = f"{name}("
        variants = [
            self.resolve(entity[key])
            for key in sorted(entity)
            if key == name or key.startswith(start)
        ]
        known = [variant for variant in variants if variant is not None]
        if len(known) > 1 and all(isinstance(variant, dict) for variant in known):
            return {k: v for variant in known for k, v in variant.items()}
        return known[0] if known else None

    def amenities(self, entity: Entity) -> list[str]:
        """List the keys of the home's amenities, sorted: their order means nothing."""
        references = self.field(entity, "amenities") or []
        return sorted(filter(None, map(self._amenity, references)))

    def _amenity(self, reference: Json) -> str | None:
        known = self.resolve(reference)
        if isinstance(known, dict) and known.get("key"):
            return known["key"]
        if isinstance(reference, dict) and ":" in reference.get("__ref", ""):
            return json.loads(reference["__ref"].split(":", 1)[1]).get("key")
        return None

    def data_points(self, entity: Entity) -> dict[str, float]:
        """Read the short texts under a card, by column name.

        Unknown texts are counted in ``oddities``.
        """
        attributes = self.field(entity, "displayAttributes") or {}
        read: dict[str, float] = {}
        for point in attributes.get("dataPoints") or []:
            text = (point.get("value") or {}).get("plainText") or ""
            values = read_data_point(text)
            if values is None:
                self.oddities[f"unknown_datapoint/{_SPACES.sub(' ', text)[:40]}"] += 1
            read |= values or {}
        return read

    def info_points(self, entity: Entity) -> dict[str, str]:
        """Read the markdown of every info point, by key; the first of a key wins."""
        points: dict[str, str] = {}
        for section in self.field(entity, "infoSections") or []:
            for point in (section.get("content") or {}).get("infoPoints") or []:
                text = (point.get("displayText") or {}).get("markdown")
                if text:
                    points.setdefault(point["key"], text)
        return points


def read_data_point(text: str) -> dict[str, float] | None:
    """Read one short text (``74 + 6 m²``, ``vån 0,5``, ``BV``); None when unknown."""
    plain = tidied(text)
    for column, pattern in _DATA_POINTS.items():
        match = pattern.fullmatch(plain)
        if match is None:
            continue
        if column == "plot":
            return {}
        numbers = [_float(group) for group in match.groups() if group]
        values = {column: numbers[0] if numbers else 0.0}
        if column == "living_area_m2" and len(numbers) > 1:
            values["additional_area_m2"] = numbers[1]
        return values
    return None


def tidied(text: str) -> str:
    """Write plain spaces, no soft hyphens, ungrouped digits and ``,5`` for ``½``."""
    plain = _SPACES.sub(" ", text.replace("\u00ad", "").replace("\u2212", "-")).strip()
    plain = _GROUPED_DIGITS.sub("", plain)
    return re.sub(r"(\d*)½", lambda half: f"{half[1] or 0},5", plain)


def number_in(text: str | None) -> float | None:
    """Find the first number of a Swedish text; knows ``±0``, ``+/-0``, ``-12 %``."""
    if not text:
        return None
    plain = tidied(text).replace("+/-", "").replace("±", "")
    match = _NUMBER.search(plain.replace("- ", "-"))
    return _float(match[0]) if match else None


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def number_of(value: Json) -> float | None:
    """Read a ``FormattedValue``: ``raw``, else ``value``, else ``formatted``.

    A plain number or text, which older releases served, is read too.
    """
    if isinstance(value, dict):
        for member in ("raw", "value", "formatted"):
            if value.get(member) is not None:
                return number_of(value[member])
        return None
    if isinstance(value, bool) or value is None:
        return None
    return float(value) if isinstance(value, int | float) else number_in(str(value))


def whole(number: float | None) -> int | None:
    """Round to whole kronor, days or years; None stays None."""
    return None if number is None else round(number)


def emphasised(markdown: str | None) -> str | None:
    """Find what stands in ``**...**``, the value of an info point."""
    match = _EMPHASIS.search(markdown or "")
    return match[1].strip() if match else None


def date_in(text: str | None) -> date | None:
    """Find the first ISO date of the text."""
    match = _DATE.search(text or "")
    return date.fromisoformat(match[0]) if match else None


def identifier(value: Json) -> int | None:
    """Read an id of the site (text or number, may be negative) as a number."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number else None


def text_of(value: Json) -> str | None:
    """Read a text as shown, without outer spaces; empty and null are None."""
    return value.strip() or None if isinstance(value, str) else None
