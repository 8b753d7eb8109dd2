"""HTML and SVG elements whose text is escaped, always.

What belongs here: making elements of text that may come from a scraped page. What does
not: what they show.
"""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is markup already; any other text is escaped when put in an element."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Make an element; underscores in attribute names stand for hyphens.

    ``class_`` is the attribute ``class``; an attribute of None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: object) -> Markup:
    """Put markup and escaped text one after the other."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(str(child))
            for child in children
        )
    )


def link(address: object, text: str) -> Markup:
    """Link to a web address; what is no such address is not linked to."""
    if not str(address).startswith(("https://", "http://")):
        return joined(text)
    return element("a", text, href=address, rel="noopener noreferrer")
