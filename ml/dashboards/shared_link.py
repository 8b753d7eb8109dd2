"""A valuation as a link: the form in the page's address.

What belongs here: reading and writing such links, and copying one. What does not: what
the fields may hold (``store``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

import panel as pn
import param

from ml.dashboards.store import LINK_FIELDS
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COPY_LINK = Words("Kopiera länk", "Copy link")
COPIED = Words("Länken är kopierad", "The link is copied")


def read_link(arguments: Mapping[str, Sequence[bytes]]) -> dict[str, str]:
    """Read a form's fields from the arguments of a page's address; others are left."""
    return {
        name: arguments[name][0].decode("utf-8", errors="replace").strip()
        for name in LINK_FIELDS
        if arguments.get(name)
    }


def write_link(fields: Mapping[str, str], language: Language) -> str:
    """Write the query of a link to a filled-in form."""
    return f"?{urlencode({**fields, 'lang': language})}"


class CopyLink(pn.custom.JSComponent):
    """A button that copies the page's address, and says that it did."""

    label = param.String(default="")
    done = param.String(default="")

    _esm = """
    export function render({model, el}) {
      const button = document.createElement("button")
      const status = document.createElement("span")
      status.setAttribute("role", "status")
      button.textContent = model.label
      // without https there is no clipboard but that of a selected text
      const copy = async text => {
        if (navigator.clipboard) return navigator.clipboard.writeText(text)
        const field = document.createElement("textarea")
        field.value = text
        document.body.append(field)
        field.select()
        document.execCommand("copy")
        field.remove()
      }
      button.addEventListener("click", async () => {
        await copy(window.location.href)
        status.textContent = model.done
        setTimeout(() => { status.textContent = "" }, 3000)
      })
      el.append(button, status)
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
        :host { display: flex; align-items: center; gap: 12px; font-size: 14px; }
        button { font: inherit; cursor: pointer; padding: 7px 14px; border-radius: 8px;
          color: var(--panel-primary-color); background: transparent;
          border: 1px solid color-mix(in srgb, currentColor 45%, transparent); }
        button:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
        button:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
        span { color: var(--panel-on-surface-color); }
        """
    ]


def copy_link(language: Language) -> CopyLink:
    """Make the button."""
    return CopyLink(
        label=COPY_LINK.to(language), done=COPIED.to(language), margin=(0, 0, 20, 0)
    )
