"""How people and pages misspell addresses, for measuring the geocoder.

What belongs here: one function per habit. What does not: measuring.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_SHORT_FORMS = (
    (r"vägen\b", "v."),
    (r"gatan\b", "g."),
    (r"\bsankt\b", "s:t"),
    (r"\bväg\b", "v."),
    (r"gränd\b", "gr."),
    (r"\bnorra\b", "n."),
    (r"\bsödra\b", "s."),
    (r"\böstra\b", "ö."),
    (r"\bvästra\b", "v."),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzåäö"


def upper_case(address: str, _random: Random) -> str:
    """SVEAVÄGEN 98."""
    return address.upper()


def without_diacritics(address: str, _random: Random) -> str:
    """Sveavagen 98."""
    decomposed = unicodedata.normalize("NFD", address)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def abbreviated(address: str, _random: Random) -> str:
    """Sveav. 98."""
    for long, short in _SHORT_FORMS:
        address = re.sub(long, short, address, flags=re.IGNORECASE)
    return address


def one_typo(address: str, random: Random) -> str:
    """Svaevägen 98: a letter of the street changed, lost, added or swapped."""
    digit = re.search(r"\d", address)
    end = len(address[: digit.start() if digit else None].rstrip())
    place = random.randrange(max(end - 1, 1))
    head, tail, letter = address[:place], address[place:], random.choice(_LETTERS)
    return head + random.choice(
        [letter + tail[1:], tail[1:], letter + tail, tail[1:2] + tail[:1] + tail[2:]]
    )


def floor_appended(address: str, random: Random) -> str:
    """Sveavägen 98, 3 tr."""
    floor = random.randrange(1, 8)
    return address + random.choice([f", {floor} tr", f", vån {floor}", f", {floor}tr"])


def wrong_district(address: str, _random: Random) -> str:
    """Sveavägen 98, with a district (see the hold-out) that is another."""
    return address


def spaced_letters(address: str, _random: Random) -> str:
    """S v e a v ä g e n 9 8."""
    return " ".join(address.replace(" ", ""))


def invisible_characters(address: str, _random: Random) -> str:
    """Svea(soft hyphen)vägen(NBSP)98, decomposed."""
    half = len(address) // 2
    marked = f"{address[:half]}\u00ad{address[half:]}\u200b".replace(" ", "\u00a0")
    return unicodedata.normalize("NFD", marked)


def as_range(address: str, _random: Random) -> str:
    """Sveavägen 98-102: the entrance asked for is the first of several."""
    return re.sub(
        r" (\d+)\w*$", lambda match: f"{match[0]}-{int(match[1]) + 4}", address
    )


NOISE: dict[str, Callable[[str, Random], str]] = {
    "as it is": wrong_district,
    "upper case": upper_case,
    "no å ä ö": without_diacritics,
    "abbreviated": abbreviated,
    "one typo": one_typo,
    "floor appended": floor_appended,
    "wrong district": wrong_district,
    "spaced letters": spaced_letters,
    "invisible characters": invisible_characters,
}
"""The habits measured, by the name they are reported under."""
