"""The info points of a listing page: each a sentence with its value in ``**...**``.

Points are found by key, never by their Swedish words or their place. What does not
belong here: which of the home's fields a point fills in for (``listing``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from scrapy_project.pages.known import INFO_POINTS, UNREAD_INFO_POINTS
from scrapy_project.pages.quantities import label, read_date, read_number, wording

if TYPE_CHECKING:
    from datetime import date

    from scrapy_project.pages.next_data import Node

# One value and no other digit in the sentence: "mellan **3** och **4**" is no value.
_SENTENCE = re.compile(r"[^*0-9]*\*\*([^*]+)\*\*([^*0-9]*)")
_ENERGY_CLASS = re.compile(r"energiklass ([A-G])")


@attrs.frozen
class InfoPoints:
    """The sentences of a page by key; the first of a key counts."""

    root: Node
    markdown: dict[str, str]

    @classmethod
    def of(cls, root: Node) -> InfoPoints:
        """Find the points under a home; unknown keys are counted."""
        markdown: dict[str, str] = {}
        for section in root.nodes("infoSections", "InfoSection"):
            content = section.node("content", "InfoSectionContent")
            for point in content.nodes("infoPoints", "InfoPoint"):
                key = label(point.get("key"))
                if key in INFO_POINTS:
                    shown = point.node("displayText", "DisplayText").text("markdown")
                    markdown.setdefault(key, shown or "")
                elif key not in UNREAD_INFO_POINTS:
                    root.odd(f"unknown_infopoint/{key}")
        return cls(root, markdown)

    def shown(self, key: str) -> str | None:
        """Give what stands in ``**...**``."""
        sentence = self._sentence(key)
        return None if sentence is None else sentence[0]

    def number(self, key: str, column: str) -> float | None:
        """Read the value and the unit behind it as a number of the column."""
        sentence = self._sentence(key)
        if sentence is None:
            return None
        value, tail = sentence
        if key == "daysActive" and not self._is_about_the_ad(key):
            return None
        return self.root.tried(read_number, {"value": value, "unit": tail}, column)

    def _is_about_the_ad(self, key: str) -> bool:
        # "snart till salu" counts the days before the ad, a different quantity.
        text = self.markdown[key]
        if "till salu" not in text:
            self.root.odd(f"unknown_infotext/{key}/{wording(text)}")
        return "till salu" in text and "snart" not in text

    def day(self, key: str) -> date | None:
        """Read the value as a date."""
        return self.root.tried(read_date, self.shown(key), key)

    def energy_class(self) -> str | None:
        """Read the letter of the energy class."""
        shown = self.shown("energyScore")
        match = _ENERGY_CLASS.fullmatch(shown) if shown else None
        if shown and match is None:
            self.root.odd(f"unknown_infotext/energyScore/{wording(shown)}")
        return match[1] if match else None

    def _sentence(self, key: str) -> tuple[str, str] | None:
        """Split a sentence into its value and the first word after it."""
        text = self.markdown.get(key)
        if not text:
            return None
        match = _SENTENCE.fullmatch(text)
        if match is None:
            self.root.odd(f"unknown_infotext/{key}/{wording(text)}")
            return None
        tail = match[2].split()
        return match[1].strip(), tail[0] if tail else ""
