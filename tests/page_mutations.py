"""Ways to spoil a page, from a field gone missing to HTML where JSON was.

Each page is spoilt by a ``random.Random`` of its own, so that its number alone brings a
failure back. What does not belong here: what a spoilt page may be read as.
"""

from __future__ import annotations

import copy
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Path = tuple[Any, ...]

OTHER_TYPES: tuple[Any, ...] = (
    None, [], {}, "", 0, 1, -1, True, False, [None], [[]], {"a": 1}, {"raw": None},
    {"raw": []}, {"raw": {"raw": 7}}, {"__typename": "FormattedValueV3", "raw": 7},
    {"__ref": None}, {"__ref": []}, {"__ref": "Gone:1"}, {"__ref": "ROOT_QUERY"}, "nej",
)  # fmt: skip
ABSURD: tuple[Any, ...] = (
    0, -1, -0.0, 1e308, -1e308, 1e-12, math.nan, math.inf, -math.inf, 10**30, 10**400,
    -(10**18), 2**63, 99999999999, 0.1, "9" * 40, "9" * 5000, "-1", "1e5", "0x10", "٣",
    "1,2,3", "1.234.567", "5 000 eller 6 000", "ca 3 rum", "3-4 rum", "12 kr/år",
)  # fmt: skip
TEXTS = (
    "<div>fel</div>", "</b>", "\ud83d", "\x00", "\u00ad", "½½", "1½½", "±5 kr", "BV",
    "-", "\u2212", "**", "vån", "m²", "74 + m²", "1\u00a000 m²", "2026-13-01",
    "0000-00-00", "2026-05-28T25:00", "/bostad/1?x=1", "/bostad/", "../etc", "x" * 9000,
    "Listing", "Residence", "ListableProperty", "SoldPropertyV2", "snart till salu",
)  # fmt: skip


def paths_of(value: Any, at: Path = ()) -> list[Path]:
    """List the way to everything below a JSON value."""
    if isinstance(value, dict):
        below = list(value.items())
    else:
        below = list(enumerate(value)) if isinstance(value, list) else []
    found = [(*at, key) for key, _ in below]
    return found + [path for key, held in below for path in paths_of(held, (*at, key))]


def mutated(rng: random.Random, payload: Any, paths: list[Path]) -> None:
    """Spoil a payload in place, in one to four spots."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        spoil = rng.choice(_SPOILERS)
        path = rng.choice(paths)
        holder = _held(payload, path[:-1])
        if _has(holder, path[-1]):
            spoil(rng, payload, holder, path[-1])


def page_text(rng: random.Random, payload: Any) -> tuple[str, bool]:
    """Write a payload as JSON, now and then spoilt as text; say whether it was."""
    text = json.dumps(payload)
    if rng.random() > 0.1:
        return text, False
    return rng.choice(_TEXT_SPOILERS)(rng, text), True


def _held(payload: Any, path: Path) -> Any:
    for key in path:
        if not _has(payload, key):
            return None
        payload = payload[key]
    return payload


def _has(holder: Any, key: Any) -> bool:
    if isinstance(holder, dict):
        return key in holder
    return isinstance(holder, list) and isinstance(key, int) and key < len(holder)


def _remove(_: random.Random, __: Any, holder: Any, key: Any) -> None:
    del holder[key]


def _null(_: random.Random, __: Any, holder: Any, key: Any) -> None:
    holder[key] = None


def _retype(rng: random.Random, _: Any, holder: Any, key: Any) -> None:
    holder[key] = copy.deepcopy(rng.choice(OTHER_TYPES))


def _absurd(rng: random.Random, _: Any, holder: Any, key: Any) -> None:
    holder[key] = rng.choice(ABSURD)


def _text(rng: random.Random, _: Any, holder: Any, key: Any) -> None:
    holder[key] = rng.choice(TEXTS)


def _scribble(rng: random.Random, _: Any, holder: Any, key: Any) -> None:
    value = holder[key]
    if isinstance(value, str) and value:
        at = rng.randrange(len(value))
        put = rng.choice(("", "0", "7", " ", ",", ".", "-", "e", "½", "\u00a0", "m²"))
        holder[key] = value[:at] + put + value[at + rng.choice((0, 1)) :]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = rng.choice(
            (value * 10, value / 10, -value, value + 1, str(value))
        )


def _swap(rng: random.Random, payload: Any, holder: Any, key: Any) -> None:
    other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


def _rename(rng: random.Random, _: Any, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        new = rng.choice((f"{key}V2", f'{key}({{"a":1}})', f"{key}(", "x", ""))
        holder[new] = holder.pop(key)


def _variant(rng: random.Random, payload: Any, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        twin = f'{key}({{"b":2}})'
        holder[twin] = copy.deepcopy(holder[key])
        rng.choice((_null, _retype, _absurd, _scribble))(rng, payload, holder, twin)


def _loop(rng: random.Random, payload: Any, holder: Any, key: Any) -> None:
    cache = _held(payload, ("props", "pageProps", "__APOLLO_STATE__"))
    if isinstance(cache, dict):
        ends = {"Loop:1": {"__ref": "Loop:2"}, "Loop:2": {"__ref": "Loop:1"}}
        around = {"Loop:1": {"__typename": "Location", "region": {"__ref": "Loop:1"}}}
        cache.update(rng.choice((ends, around)))
        holder[key] = {"__ref": "Loop:1"}


_SPOILERS: tuple[Callable[[random.Random, Any, Any, Any], None], ...] = (
    _remove, _null, _retype, _absurd, _text, _scribble, _scribble, _swap, _rename,
    _variant, _loop,
)  # fmt: skip


def _cut(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text))]


def _html_inside(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return f"{text[:at]}<html><body>Vänta…</body></html>{text[at:]}"


def _html_instead(_: random.Random, __: str) -> str:
    return "<html><title>Just a moment...</title></html>"


def _flip(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice('{}[]",:0 \\') + text[at + 1 :]


def _duplicate_key(rng: random.Random, text: str) -> str:
    key = rng.choice(("soldPrice", "booliId", "raw", "rooms", "result", "ROOT_QUERY"))
    twin = rng.choice(("null", "7", '"8"', "[]", "{}"))
    return text.replace(f'"{key}":', f'"{key}": {twin}, "{key}":')


def _deep(rng: random.Random, text: str) -> str:
    depth = rng.choice((50, 900, 5000))
    return text.replace("null", "[" * depth + "]" * depth, 1)


_TEXT_SPOILERS = (_cut, _html_inside, _html_instead, _flip, _duplicate_key, _deep)
