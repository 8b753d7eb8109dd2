"""What the page's frame says to who hears it instead of seeing it.

What belongs here: names and roles of what the library draws around our parts. What
does not: our own parts, which say what they are themselves.
"""

from __future__ import annotations

import panel as pn
import param

from ml.valuation.words import Language, Words

WORKING = Words("Sidan arbetar", "The page is working")
LIGHT_OR_DARK = Words("Byt mellan ljust och mörkt", "Switch between light and dark")


class SpokenFrame(pn.custom.JSComponent):
    """Names the frame's parts in the page's language, and leaves out empty headings.

    The library gives its bar of progress no name, its button of the theme an English
    one, and makes headings of the site's name and of an empty space.
    """

    working = param.String(default="")
    light_or_dark = param.String(default="")

    _esm = """
    export function render({model, el}) {
      const name = () => {
        // the frame lies in the shadow root around our own
        const frame = el.getRootNode().host?.getRootNode()
        const header = frame?.querySelector?.(".header")
        if (!header) return requestAnimationFrame(name)
        header.querySelector("[role=progressbar]")
          ?.setAttribute("aria-label", model.working)
        header.querySelector("[aria-label='Toggle theme']")
          ?.setAttribute("aria-label", model.light_or_dark)
        for (const heading of frame.querySelectorAll("h3.title, .main h5"))
          heading.setAttribute("role", "presentation")
      }
      name()
    }
    """


def spoken_frame(language: Language) -> SpokenFrame:
    """Make what names the frame; it shows nothing."""
    return SpokenFrame(
        working=WORKING.to(language),
        light_or_dark=LIGHT_OR_DARK.to(language),
        margin=0,
        height=0,
    )
