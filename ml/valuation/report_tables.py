"""Tables of a report: their cells, with Swedish numbers.

What belongs here: laying out rows that are ready. What does not: which figures stand in
them, see ``report_sections``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.valuation.assessment import IAAO_BANDS
from ml.valuation.markup import Markup, element
from ml.valuation.swedish import NBSP, swedish_number
from ml.valuation.tables import written

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE = "–"


def table(
    headings: Sequence[str], rows: Sequence[Markup], *, text: tuple[int, ...] = ()
) -> Markup:
    """Make a table that scrolls aside where the page is narrow.

    ``text`` are the positions of the columns, other than the first, that hold text.
    """
    head = [
        element("th", heading, scope="col", class_="text" if at in text else None)
        for at, heading in enumerate(headings)
    ]
    made = element(
        "table", element("thead", element("tr", *head)), element("tbody", *rows)
    )
    return element("div", made, class_="scroll")


def cell(figure: float | None, decimals: int) -> Markup:
    """Make a cell of a figure, or of a dash where there is none."""
    return element("td", written(figure, decimals))


def bar_cell(figure: float | None, largest: float) -> Markup:
    """Make a cell of a figure with a bar after it."""
    width_rem = round(6 * (figure or 0) / largest, 2)
    bar = element("i", style=f"width:{width_rem}rem")
    return element("td", element("b", written(figure, 2)), bar, class_="barred")


def banded_cell(name: str, figure: float | None, decimals: int) -> Markup:
    """Make a cell of a figure that says whether it lies in its IAAO band."""
    if figure is None or name not in IAAO_BANDS:
        return cell(figure, decimals)
    is_in = IAAO_BANDS[name].holds(figure)
    mark, title = ("✓", "inom bandet") if is_in else ("✗", "utanför bandet")
    text = f"{written(figure, decimals)}{NBSP}{mark}"
    badge = element("span", text, class_="in" if is_in else "out", title=title)
    return element("td", badge)


def band_heading(name: str, heading: str) -> str:
    """Name a figure with the ends of its IAAO band."""
    if name not in IAAO_BANDS:
        return heading
    band = IAAO_BANDS[name]
    low, high = (f"{end:g}".replace(".", ",") for end in (band.low, band.high))
    return f"{heading} ({low} till {high})".replace("-", "\u2212")


def interval(low: float | None, high: float | None) -> str:
    """Write both ends of an interval."""
    if low is None or high is None:
        return NONE
    return f"{swedish_number(low, 2)} till {swedish_number(high, 2)}"


def paragraph(text: str) -> Markup:
    """Make a note that explains what follows."""
    return element("p", text, class_="note")
