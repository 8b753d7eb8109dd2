"""The envelope of every page: ``__NEXT_DATA__`` and the normalised Apollo cache in it.

What belongs here: the payload, references, fields whose names carry arguments, and one
layer that reads them without trusting any type. What does not: what a value means
(``quantities``) and which field holds it (``search``, ``listing``).
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from scrapy_project.pages.known import ROOT_KEYS
from scrapy_project.pages.quantities import (
    OddValueError,
    label,
    read_date,
    read_home_path,
    read_identifier,
    read_number,
    read_text,
    whole,
)
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

Entity = dict[str, Any]
Json = Any
Value = TypeVar("Value")

_MARKERS = (b'id="__NEXT_DATA__"', b"id='__NEXT_DATA__'")
_OTHER_SHAPES = {
    b"self.__next_f": "data in the manner of Next's App Router",
    b"window.__APOLLO_STATE__": "window.__APOLLO_STATE__, as in 2021",
}


class UnknownShapeError(SlutprisError):
    """The page is not built as any release of the site that we know."""

    exit_code = 5


class MissingPayloadError(UnknownShapeError):
    """The page carries no data: a challenge, a soft block, or a page cut off."""


def payload_of(body: bytes) -> bytes:
    """Cut out the JSON text of the page's ``__NEXT_DATA__`` script, as served.

    A body that is JSON itself, as ``/_next/data`` answers, is its own payload.

    Raises
    ------
    MissingPayloadError
        When the page has no such script, or it is cut off.
    UnknownShapeError
        When the page carries its data in another way.
    """
    if body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return body.strip()
    marker = max(map(body.find, _MARKERS))
    start = body.find(b">", marker) + 1
    end = body.find(b"</script>", start)
    if marker >= 0 and start and end >= 0:
        return body[start:end].strip()
    for sign, name in _OTHER_SHAPES.items():
        if marker < 0 and sign in body:
            raise UnknownShapeError(
                f"the page has {name} and no __NEXT_DATA__; the site has changed shape"
            )
    raise MissingPayloadError(
        "the page has no complete __NEXT_DATA__ script; expected a page as a "
        "browser gets it from booli.se"
    )


class NextData:
    """One page's payload, read through ``ROOT_QUERY`` only.

    Attributes
    ----------
    envelope
        The whole payload.
    root
        ``ROOT_QUERY``.
    oddities
        What was met while reading and not understood, counted by name; the crawl adds
        it to its statistics.

    Raises
    ------
    UnknownShapeError
        When the payload is not JSON, or holds no Apollo cache with a ``ROOT_QUERY``.
    MissingPayloadError
        When the site answers without data, or with an error of its search.
    """

    def __init__(self, payload: bytes) -> None:
        self.oddities: Counter[str] = Counter()
        self.envelope = _parsed(payload)
        self.cache = _cache_of(self.envelope)
        root = self.cache.get("ROOT_QUERY")
        if not isinstance(root, dict):
            raise UnknownShapeError(
                "__NEXT_DATA__ holds no Apollo cache with a ROOT_QUERY; the site may "
                "have changed shape"
            )
        self.root: Entity = root
        for name in {key.partition("(")[0] for key in root} - ROOT_KEYS:
            self.oddities[f"unknown_root_key/{label(name)}"] += 1

    @property
    def query(self) -> dict[str, Json]:
        """The parameters of the page's address, as the envelope repeats them."""
        query = self.envelope.get("query")
        return dict(query) if isinstance(query, dict) else {}

    def root_queries(self, name: str) -> list[tuple[str, Any]]:
        """List the queries of that name in ``ROOT_QUERY``: (JSON arguments, value)."""
        start = f"{name}("
        return [
            (key[len(start) : -1], value)
            for key, value in self.root.items()
            if key.startswith(start)
        ]

    def root_outline(self) -> str:
        """Say in one line what ``ROOT_QUERY`` holds, unknown names first."""
        shown = {
            (name in ROOT_KEYS, f"{name}: {self._outline(value)}")
            for key, value in self.root.items()
            if (name := key.partition("(")[0]) != "__typename"
        }
        return "; ".join(text for _, text in sorted(shown))[:400] or "nothing"

    def _outline(self, value: Json) -> str:
        known = self.follow(value)
        if isinstance(known, list):
            return f"list of {self._typename(known[0])}" if known else "empty list"
        if not isinstance(known, dict):
            return type(known).__name__
        lists = [
            f".{key.partition('(')[0]} of {len(held)} {self._typename(held[0])}"
            for key, held in known.items()
            if isinstance(held, list) and held
        ]
        return f"{known.get('__typename')}{', '.join(lists)}"

    def _typename(self, value: Json) -> str:
        known = self.follow(value)
        if isinstance(known, dict):
            return str(known.get("__typename"))
        return "dead references" if known is None else type(known).__name__

    def follow(self, value: Json) -> Json:
        """Follow a reference; a dead one is None, anything else stays itself."""
        if not isinstance(value, dict) or "__ref" not in value:
            return value
        key = value["__ref"]
        entity = self.cache.get(key) if isinstance(key, str) else None
        return entity if isinstance(entity, dict) and "__ref" not in entity else None

    def resolve(self, value: Json) -> Json:
        """Follow a reference, and count it when it leads nowhere."""
        known = self.follow(value)
        if known is None and value is not None:
            typename = str(value["__ref"]).partition(":")[0]
            self.oddities[f"dead_reference/{label(typename)}"] += 1
        return known

    def merged(self, name: str, variants: list[Json]) -> Json:
        """Merge the variants of one field that came with different arguments.

        Objects are merged member by member, lists one after the other; of anything
        else the first counts, and a different second one is counted as odd.
        """
        known = [self.resolve(variant) for variant in variants if variant is not None]
        known = [variant for variant in known if variant is not None]
        if len(known) > 1 and all(isinstance(variant, dict) for variant in known):
            members = dict.fromkeys(key for variant in known for key in variant)
            return {
                key: self._one_of(name, [variant.get(key) for variant in known])
                for key in members
            }
        return self._one_of(name, known)

    def _one_of(self, name: str, variants: list[Json]) -> Json:
        known = [variant for variant in variants if variant is not None]
        if len(known) < 2:
            return known[0] if known else None
        if all(isinstance(variant, list) for variant in known):
            return _joined(known)
        if not all(_are_equal(variant, known[0]) for variant in known):
            self.oddities[f"conflicting_variants/{name}"] += 1
        return known[0]

    def node(self, value: Json, where: str, *typenames: str) -> Node:
        """Take a value, or what it refers to, as an object of one of these types.

        Null gives an empty object; so does anything else, which is counted.
        """
        known = self.resolve(value)
        if known is None:
            return Node(self, {})
        if not isinstance(known, dict):
            self.oddities[f"wrong_type/{where}"] += 1
            return Node(self, {})
        typename = known.get("__typename")
        if typename is None or typename in typenames:
            return Node(self, known)
        self.oddities[f"unknown_typename/{label(typename)}"] += 1
        return Node(self, {})


def _parsed(payload: bytes) -> Entity:
    try:
        envelope = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise UnknownShapeError(
            f"the page's data is not JSON ({type(error).__name__}); expected a page as "
            "a browser gets it from booli.se"
        ) from error
    if not isinstance(envelope, dict):
        raise UnknownShapeError(
            f"the page's data is a {type(envelope).__name__}; expected an object"
        )
    return envelope


def _cache_of(envelope: Entity) -> Entity:
    outer = envelope.get("props", envelope)
    page_props = outer.get("pageProps") if isinstance(outer, dict) else None
    if not isinstance(page_props, dict):
        raise UnknownShapeError(
            f"__NEXT_DATA__ holds no pageProps, but {', '.join(sorted(envelope))[:200]}"
        )
    if page_props.get("initialSearchError"):
        raise MissingPayloadError(
            "the site answered its search with an error: "
            f"{label(page_props['initialSearchError'])}; try again later"
        )
    cache = page_props.get("__APOLLO_STATE__")
    if not cache and cache in (None, {}):
        raise MissingPayloadError(
            "the page has no __APOLLO_STATE__, so no data: the site holds it back, or "
            "has changed; try again later"
        )
    if not isinstance(cache, dict):
        raise UnknownShapeError(
            f"__APOLLO_STATE__ is a {type(cache).__name__}; expected an object"
        )
    return cache


def _joined(lists: list[list[Json]]) -> list[Json]:
    joined = list(lists[0])
    for more in lists[1:]:
        known = list(joined)
        joined += [item for item in more if not any(_are_equal(item, k) for k in known)]
    return joined


def _are_equal(one: Json, other: Json) -> bool:
    try:
        return bool(one == other)
    except RecursionError:  # nested beyond anything a browser is sent
        return False


class Node:
    """One object of the page, read without trusting any type in it.

    What is absent or null is None. What is there and not understood is None, too, and
    counted in the page's oddities.
    """

    __slots__ = ("_argued", "data", "page")

    def __init__(self, page: NextData, data: Entity) -> None:
        self.page, self.data = page, data
        self._argued = [key for key in data if "(" in key]

    def get(self, name: str) -> Json:
        """Read a field, whatever arguments its name carries, and follow it."""
        value = self.data.get(name)
        if self._argued:
            start = f"{name}("
            keys = [key for key in self._argued if key.startswith(start)]
            if keys:
                argued = [self.data[key] for key in sorted(keys)]
                return self.page.merged(name, [value, *argued])
        return self.page.resolve(value) if type(value) is dict else value

    def has(self, name: str) -> bool:
        """Say whether the object has the field at all, be it null."""
        start = f"{name}("
        return name in self.data or any(key.startswith(start) for key in self._argued)

    def node(self, name: str, *typenames: str) -> Node:
        """Read an object of one of these types; empty when there is none."""
        return self.page.node(self.get(name), name, *typenames)

    def nodes(self, name: str, *typenames: str) -> list[Node]:
        """Read a list of objects; others, and dead references, are left out."""
        nodes = (self.page.node(item, name, *typenames) for item in self.items(name))
        return [node for node in nodes if node.data]

    def items(self, name: str) -> list[Json]:
        """Read a list as it is."""
        value = self.get(name)
        if isinstance(value, list):
            return value
        if value is not None:
            self.odd(f"wrong_type/{name}")
        return []

    def number(self, name: str, column: str) -> float | None:
        """Read a number, its text, or a ``FormattedValue``, as the column's."""
        return self.tried(read_number, self.get(name), column)

    def integer(self, name: str, column: str) -> int | None:
        """Read a number as whole kronor, days or years."""
        return whole(self.number(name, column))

    def identifier(self, name: str, column: str) -> int | None:
        """Read an id of the site."""
        return self.tried(read_identifier, self.get(name), column)

    def text(self, name: str) -> str | None:
        """Read a text as shown."""
        return self.tried(read_text, self.get(name), name)

    def day(self, name: str, column: str) -> date | None:
        """Read an ISO date."""
        return self.tried(read_date, self.get(name), column)

    def home_path(self, name: str) -> str | None:
        """Read the path of a listing page."""
        return self.tried(lambda value, _: read_home_path(value), self.get(name), name)

    def flag(self, name: str) -> bool | None:
        """Read true or false."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.odd(f"wrong_type/{name}")
        return None

    def amenities(self) -> list[str]:
        """List the keys of the home's amenities, sorted: their order means nothing."""
        keys = map(self._amenity, self.items("amenities"))
        return sorted({key for key in keys if key})

    def _amenity(self, reference: Json) -> str | None:
        # The key stands in the reference, as JSON: Amenity:{"key":"balcony"}.
        key = reference.get("__ref") if isinstance(reference, dict) else None
        if isinstance(key, str) and key not in self.page.cache:
            try:
                named = json.loads(key.partition(":")[2])
            except (ValueError, RecursionError):
                named = None
            if isinstance(named, dict):
                return Node(self.page, named).text("key")
        return self.page.node(reference, "amenities", "Amenity").text("key")

    def tried(
        self, read: Callable[[Json, str], Value | None], value: Json, column: str
    ) -> Value | None:
        """Read a value; what is odd about it is counted, and gives None."""
        if value is None:
            return None
        try:
            return read(value, column)
        except OddValueError as odd:
            self.odd(odd.oddity)
            return None

    def odd(self, name: str) -> None:
        """Count something that was not understood."""
        self.page.oddities[name] += 1
