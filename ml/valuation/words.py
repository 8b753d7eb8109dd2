"""A text in the languages of the pages.

What belongs here: the pair of texts and the choice between them. What does not: any
particular text, and how numbers are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["sv", "en"]


@dataclass(frozen=True)
class Words:
    """A text in Swedish and in English."""

    sv: str
    en: str

    def to(self, language: Language) -> str:
        """Give the text in a language."""
        return self.sv if language == "sv" else self.en
