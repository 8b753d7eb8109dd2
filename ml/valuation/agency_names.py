"""Which spellings are one agency, and which offices are of one brand.

What belongs here: names. What does not: what agencies' sales fetched (``agencies``).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ml.valuation.forward_log import text_key

if TYPE_CHECKING:
    from collections.abc import Iterable

LEGAL_FORMS = {"ab", "hb", "kb", "aktiebolag", "handelsbolag"}

CHAINS = (
    "Alexander White",
    "Bjurfors",
    "BOSTHLM",
    "ERA",
    "Erik Olsson Fastighetsförmedling",
    "Fantastic Frank",
    "Fastighetsbyrån",
    "HusmanHagberg",
    "Länsförsäkringar Fastighetsförmedling",
    "Mäklarhuset",
    "MäklarMäster",
    "Mäklarringen",
    "Notar",
    "RE/MAX",
    "SkandiaMäklarna",
    "Svensk Fastighetsförmedling",
    "Svenska Mäklarhuset",
)
"""Brands with several offices around Stockholm: what follows the name is the office.
Listed, not guessed: firms share first words without being one."""


def agency_key(name: str) -> str:
    """Give a name without spacing, case, accents and legal form: its spellings' own."""
    return "".join(word for word in _words(name) if word not in LEGAL_FORMS)


def brand_of(name: str) -> str:
    """Give the chain that an office belongs to, else the name itself."""
    words = _words(name)
    for chain in CHAINS:
        own = _words(chain)
        if words[: len(own)] == own:
            return chain
    return name


def one_name_each(names: Iterable[str]) -> dict[str, str]:
    """Give each spelling the commonest spelling of the same agency."""
    counts = Counter(names)
    shown: dict[str, str] = {}
    # Of equally common ones the first by the alphabet, so that it is always the same.
    for name, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        shown.setdefault(agency_key(name), name)
    return {name: shown[agency_key(name)] for name in counts}


def _words(name: str) -> list[str]:
    keys = (text_key(word) for word in re.split(r"[^\w]+", name.lower()))
    return [key for key in keys if key]
