"""Tables whose cells may hold links of our own; everything else in them is escaped.

What belongs here: markup of a table and of a sale's link. What does not: plain tables
of text, see ``shell.table_html``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.dashboards.shell import LONGEST_CELL, SOURCE, with_whole_dates
from ml.valuation.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ml.valuation.words import Language, Words

SALE_SITES = ("https://www.booli.se/", "https://www.hemnet.se/")
"""Where a sale's page may be linked to."""


def marked_table(
    columns: Sequence[Words],
    rows: Sequence[Sequence[object]],
    language: Language,
    *,
    right: Collection[int] = (),
) -> Markup:
    """Make a table that scrolls aside where the page is narrow.

    Parameters
    ----------
    columns
        The headings.
    rows
        The cells; those that are markup already stay as they are.
    language
        Of the headings.
    right
        Positions of the columns that hold numbers.
    """
    # Only the first column breaks its lines: the others are short.
    looks = ["right number" if at in right else "number" for at in range(len(columns))]
    aligned = [None, *looks[1:]]
    heads = [
        element("th", words.to(language), scope="col", class_=look)
        for words, look in zip(columns, aligned, strict=True)
    ]
    body = [
        element(
            "tr",
            *(
                element("td", cell, class_=look)
                for cell, look in zip(row, aligned, strict=True)
            ),
        )
        for row in rows
    ]
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        class_="figures",
    )
    return element("div", table, class_="scroll", tabindex="0")


def facts(texts: Mapping[Words, str], language: Language) -> Markup:
    """Show a few figures large, each with what it is below."""
    return element(
        "div",
        *(
            element(
                "div",
                element("b", text, class_="number"),
                element("span", words.to(language), class_="muted small"),
            )
            for words, text in texts.items()
        ),
        class_="facts",
    )


def source_line(source: str, language: Language) -> Markup:
    """Say where figures come from."""
    said = joined(f"{SOURCE.to(language)}: ", with_whole_dates(source))
    return element("p", said, class_="source")


def sale_link(url: object, text: str) -> Markup | str:
    """Link to a sale's page on a site that sells homes; else give the text alone."""
    text = text[:LONGEST_CELL]
    if not isinstance(url, str) or not url.startswith(SALE_SITES):
        return text
    return element("a", text, href=url, rel="noopener", target="_blank")
