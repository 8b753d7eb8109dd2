"""The pages on paper: A4, light, without what only a screen can use.

What belongs here: what is hidden, where a page may be broken, and the line below each.
What does not: any page's subject. Every part of a page lives in a shadow root of its
own, which no style sheet of the document reaches: when the browser prints, the sheet
is given to each of them. What is printed keeps its width and is scaled to the paper,
for charts are drawn to the width they have.
"""

from __future__ import annotations

import panel as pn
import param

from ml.valuation.words import Language, Words

NOT_PRINTED = "not-printed"
"""A CSS class for what is left out on paper, such as a form."""
PRINT_WIDTH = "print-width"
"""A CSS class for the column that is printed, beside others that are not."""
PRINTED = Words("Utskrivet", "Printed")

PRINT_CSS = """
@media print {
  :root, :host {
    color-scheme: light !important;
    --panel-on-surface-color: #17212b !important;
    --panel-surface-color: #ffffff !important;
    --panel-primary-color: #0d5c56 !important;
    --panel-background-color: #ffffff !important;
    print-color-adjust: exact;
    -webkit-print-color-adjust: exact;
  }
  html, body, .main, .main-content, .MuiBox-root {
    height: auto !important; min-height: 0 !important; max-height: none !important;
    overflow: visible !important; background: #ffffff !important;
  }
  .main-content { padding: 0 !important; margin: 0 !important;
    max-width: none !important; zoom: var(--print-zoom, 1);
    width: var(--print-width, auto) !important; }
  .not-printed, header, .header, nav, button, input, select, summary, .download,
  .MuiTabs-root, .MuiAppBar-root, .MuiToolbar-root, .MuiButtonBase-root,
  .MuiFormControl-root, .MuiFormControlLabel-root, .MuiSlider-root, .MuiBackdrop-root,
  .MuiAutocomplete-root, .MuiTooltip-popper, .bk-Toolbar { display: none !important; }
  .main > .MuiBox-root { align-items: flex-start !important; }
  .MuiGrid-container:has(.print-width) { display: block !important; }
  .MuiGrid-root:has(.print-width) { width: var(--print-width) !important; }
  .bk-Figure { filter: var(--print-filter, none); overflow: hidden !important; }
  .MuiPaper-root, .card { background: #ffffff !important; color: #17212b !important;
    box-shadow: none !important; border-color: #d5d9dc !important; }
  .MuiGrid-root { max-width: none !important; }
  .MuiPaper-root, .card, tr, li, .figures thead, .bk-Figure, .notice {
    break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll { overflow: visible !important; }
  a { color: inherit !important; text-decoration: none !important; }
}
"""


class PrintSheet(pn.custom.JSComponent):
    """Dresses a page for paper when it is printed, and signs each sheet."""

    css = param.String(default=PRINT_CSS)
    printed = param.String(default="")

    _esm = """
    export function render({model, el}) {
      const sheet = new CSSStyleSheet()
      sheet.replaceSync(model.css)
      const foot = new CSSStyleSheet()
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, foot]
      const paper_px = 718  // A4 less margins of 10 mm, at 96 px an inch

      const within = (root, found) => {
        for (const node of root.querySelectorAll("*"))
          if (node.shadowRoot) {
            found.push(node.shadowRoot)
            within(node.shadowRoot, found)
          }
        return found
      }
      const dress = () => {
        const roots = [document, ...within(document, [])]
        const first = selector => roots
          .flatMap(root => [...root.querySelectorAll(selector)])
          .find(node => node.getBoundingClientRect().width > 0)
        const column = first(".print-width") ?? first(".main-content > *")
        // measured undressed: the sheet gives columns the width that is found here
        const width = Math.ceil(column?.getBoundingClientRect().width ?? paper_px)
        for (const root of roots)
          if (!root.adoptedStyleSheets.includes(sheet))
            root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet]
        const style = document.documentElement.style
        style.setProperty("--print-width", `${width}px`)
        style.setProperty("--print-zoom", `${Math.min(1, paper_px / width)}`)
        // charts are drawn already: on dark, turned to light
        const is_dark = roots.some(root => root.querySelector(".page.mui-dark"))
        const turned = "invert(1) hue-rotate(180deg) brightness(1.14)"
        style.setProperty("--print-filter", is_dark ? turned : "none")
        const day = new Date().toISOString().slice(0, 10)
        const said = `Slutpris · ${model.printed} ${day} · ${location.href}`
        foot.replaceSync(`@page { size: A4; margin: 10mm 10mm 16mm;
          @bottom-left { content: ${JSON.stringify(said)}; width: 92%;
            font: 7.5pt sans-serif; color: #5a6570; overflow-wrap: anywhere }
          @bottom-right { content: counter(page) "/" counter(pages);
            font: 7.5pt sans-serif; color: #5a6570 } }`)
      }
      window.addEventListener("beforeprint", dress)
      const media = window.matchMedia("print")
      media.addEventListener("change", dress)
      return () => {
        window.removeEventListener("beforeprint", dress)
        media.removeEventListener("change", dress)
      }
    }
    """


def print_sheet(language: Language) -> PrintSheet:
    """Make what dresses the page for paper; it goes last on the page."""
    return PrintSheet(printed=PRINTED.to(language), margin=0, height=0)
