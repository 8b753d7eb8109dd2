"""What the library forgets for who hears the page, or has only keys.

What belongs here: names, roles and keys of what the library draws. What does not: our
own parts, which say what they are themselves.
"""

from __future__ import annotations

import panel as pn
import param

from ml.valuation.words import Language, Words

WORKING = Words("Sidan arbetar", "The page is working")
LIGHT_OR_DARK = Words("Byt mellan ljust och mörkt", "Switch between light and dark")


class SpokenFrame(pn.custom.JSComponent):
    """Names the frame's parts in the page's language, and opens choices by keys.

    The library gives its bar of progress no name, its button of the theme an English
    one, and makes headings of the site's name and of an empty space. Its field of
    choices opens by the mouse alone, and what it lists are items of no menu.
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
        const theme = header.querySelector("[aria-label='Toggle theme']")
        theme?.setAttribute("aria-label", model.light_or_dark)
        theme?.setAttribute("title", model.light_or_dark)
        for (const heading of frame.querySelectorAll("h3.title, .main h5"))
          heading.setAttribute("role", "presentation")
      }
      name()

      const closed = "[role=combobox].MuiSelect-select[aria-expanded=false]"
      const open = event => {
        const field = event.composedPath()[0]
        if (!["Enter", " ", "ArrowDown", "ArrowUp"].includes(event.key)) return
        if (!field.matches?.(closed)) return
        event.preventDefault()
        // a space that is let go would choose what has the focus then
        if ((event.key === " ") === (event.type === "keyup")) field.click()
      }
      const name_choices = event => {
        const field = event.composedPath()[0]
        if (!field.closest?.(".MuiSelect-root")) return
        // the list comes some frames later, in the same shadow root
        let frames = 0
        const look = () => {
          const items = field.getRootNode()
            .querySelectorAll("[role=listbox] [role=menuitem]")
          for (const item of items) item.setAttribute("role", "option")
          if (!items.length && frames++ < 60) requestAnimationFrame(look)
        }
        look()
      }
      document.addEventListener("keydown", open, true)
      document.addEventListener("keyup", open, true)
      document.addEventListener("click", name_choices, true)
      return () => {
        document.removeEventListener("keydown", open, true)
        document.removeEventListener("keyup", open, true)
        document.removeEventListener("click", name_choices, true)
      }
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
