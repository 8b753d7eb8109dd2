"""Numbers as Swedes write them.

What belongs here: spelling for readers that needs nothing else; a valuation is served
without what draws plots. What does not: any text of its own.
"""

from __future__ import annotations

NBSP = "\u00a0"


def swedish_number(number: float, decimals: int = 0) -> str:
    """Write a number as Swedes do: ``3 250 000``, ``7,5``, with U+00A0 between."""
    text = f"{number:,.{decimals}f}"
    return text.translate(str.maketrans({",": NBSP, ".": ",", "-": "\u2212"}))
