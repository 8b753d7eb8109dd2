"""The frame every page shares: title, theme, language, cards, and the empty page.

What belongs here: nothing of any page's subject. Everything a card is given as text is
escaped; what is scraped or typed is never shown as HTML.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param
from panel.io.location import Location
from panel.util import edit_readonly

from ml.dashboards import access, theme
from ml.dashboards.printing import print_sheet
from ml.dashboards.spoken import spoken_frame
from ml.valuation.batch_output import without_formulas
from ml.valuation.markup import Markup, element
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.dashboards.charts import Chart

NAVIGATION = {
    "valuation": Words("Värdering", "Valuation"),
    "monitoring": Words("Drift", "Operations"),
}
NAVIGATION_LABEL = Words("Sidor", "Pages")
OTHER_LANGUAGE = Words("English", "Svenska")
SHOW_TABLE = Words("Visa som tabell", "Show as a table")
DOWNLOAD = Words("Ladda ner som CSV", "Download as CSV")
SOURCE = Words("Källa", "Source")
TECHNICAL_REASON = Words("Skälet, på engelska: {reason}", "The reason: {reason}")
SHOWN_ROWS = 60
"""Rows of a chart's table on the page; the file has them all."""
SENTENCE = 40
"""A longer text in a table needs room, on a phone too: the table scrolls aside."""
DATE = re.compile(r"\b\d{4}-\d{2}(-\d{2})?( \d{2}:\d{2})?\b")
"""A month or a day, and the time of day where it is told."""
LONGEST_CELL = 200
"""Characters of a text in a table; nobody reads a longer one there."""

NAVIGATION_CSS = """
/* heard, not seen: the marked link says the same */
h1 { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
     clip-path: inset(50%); white-space: nowrap; }
nav { display: flex; gap: 4px; font-size: 15px; margin-left: 16px;
      color: var(--panel-on-primary-color); }
nav a { color: inherit; text-decoration: none; padding: 6px 12px; border-radius: 8px; }
nav a:hover { background: rgb(128 128 128 / 0.18); }
nav a[aria-current] { background: rgb(128 128 128 / 0.22); }
nav a:focus-visible { outline: 2px solid currentColor; }
@media (max-width: 480px) { nav { margin-left: 4px; } nav a { padding: 6px 8px; } }
@media (max-width: 400px) {
  nav { margin-left: 4px; gap: 0; font-size: 14px; } nav a { padding: 6px; }
}
"""
NOTHING_YET = Words("Här finns inget att visa ännu", "There is nothing to show yet")
WHAT_TO_RUN = Words(
    "Sidan läser publicerade data och tränade modeller. Kör <code>make demo</code> i "
    "projektets mapp, eller bygg och publicera i Dagster, och ladda sedan om sidan.",
    "The page reads published data and trained models. Run <code>make demo</code> in "
    "the project's folder, or build and publish in Dagster, then reload the page.",
)


class LanguageSwitch(pn.custom.JSComponent):
    """A button to the same page in the other language; all else in its link stays."""

    language = param.String(default="sv")
    label = param.String(default="")

    _esm = """
    export function render({model, el}) {
      document.documentElement.lang = model.language
      const button = document.createElement("button")
      button.textContent = model.label
      button.lang = model.language === "sv" ? "en" : "sv"
      button.addEventListener("click", () => {
        const query = new URLSearchParams(window.location.search)
        query.set("lang", button.lang)
        window.location.search = query
      })
      el.appendChild(button)
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
        button { font: inherit; font-size: 14px; color: #ffffff; cursor: pointer;
          background: transparent; border: 1px solid rgb(255 255 255 / 0.45);
          border-radius: 8px; padding: 6px 10px; white-space: nowrap; }
        button:hover { background: rgb(255 255 255 / 0.12); }
        @media (max-width: 400px) { button { font-size: 13px; padding: 6px; } }
        button:focus-visible { outline: 2px solid #ffffff; outline-offset: 2px; }
        """
    ]


def asked_for(name: str) -> str | None:
    """Give a parameter of the page's link; None when it is not there."""
    values: list[bytes] = (pn.state.session_args or {}).get(name, [])
    return values[0].decode("utf-8", errors="replace") if values else None


def shown_language() -> Language:
    """Give the language the link asks for: Swedish unless it says ``lang=en``."""
    return "en" if asked_for("lang") == "en" else "sv"


def page(
    name: str, *main: pn.viewable.Viewable, language: Language = "sv"
) -> pmui.Page:
    """Make a page of the given parts, titled and linked to the others.

    Parameters
    ----------
    name
        One of ``NAVIGATION``: the page's address.
    main
        Its parts, from the top down.
    language
        Of its title and links.
    """
    title = NAVIGATION[name].to(language)
    shown = list(main) if access.is_allowed() else [_not_here(language)]
    made = pmui.Page(
        title="Slutpris",
        meta=pmui.template.base.Meta(title=f"{title} · Slutpris"),
        main=[*shown, print_sheet(language), spoken_frame(language)],
        header=[_navigation(name, language), _language_switch(language)],
        main_width=1240,
        theme_config=theme.THEME_CONFIG,
        sx=theme.PAGE_SX,
        site_url=f"./valuation?lang={language}",
        busy_indicator=None,
    )
    _leave_busyness(made)
    return made


class TextLocation(Location):
    """A page's address, whose query is text, as it was written.

    Panel's own reads what looks like a number as one, and leaves a page dead whose link
    holds ``²`` or a number of thousands of digits.
    """

    @property
    def query_params(self) -> dict[str, Any]:
        """The query's texts by name."""
        return dict(parse_qsl(self.search[1:]))


def serve(made: pmui.Page) -> None:
    """Show a page to the visitor who asks for it."""
    context = getattr(pn.state.curdoc, "session_context", None)
    request = getattr(context, "request", None)
    made.servable(location=TextLocation.from_request(request))


def _leave_busyness(made: pmui.Page) -> None:
    """Let go of Panel's indicator of work, which tells of all visitors' at once.

    Each step of anybody's work would be told to every open page, and each telling walks
    the whole page: twenty visitors kept the server busy with little else. What a
    visitor waits for says so in its own place.
    """
    with edit_readonly(made):
        made.busy = False


def _not_here(language: Language) -> pn.viewable.Viewable:
    return card(access.NOT_HERE.to(language), lede=access.HOW_TO_SERVE.to(language))


def _navigation(current: str, language: Language) -> pn.pane.HTML:
    links = "".join(
        f'<a href="./{name}?lang={language}"'
        f"{' aria-current=page' if name == current else ''}>{words.to(language)}</a>"
        for name, words in NAVIGATION.items()
    )
    label = NAVIGATION_LABEL.to(language)
    return pn.pane.HTML(
        f"<h1>{NAVIGATION[current].to(language)}</h1>"
        f'<nav aria-label="{label}">{links}</nav>',
        stylesheets=[NAVIGATION_CSS],
        margin=0,
        sizing_mode="stretch_width",
    )


def _language_switch(language: Language) -> LanguageSwitch:
    return LanguageSwitch(
        language=language, label=OTHER_LANGUAGE.to(language), margin=(0, 8)
    )


def content(html: str, **options: Any) -> pn.pane.HTML:  # noqa: ANN401 - Panel's
    """Make a pane of our own markup, in the page's colours."""
    return pn.pane.HTML(
        html,
        stylesheets=[theme.CONTENT_CSS],
        sizing_mode="stretch_width",
        margin=0,
        **options,
    )


def card(
    title: str, *parts: pn.viewable.Viewable, lede: str = ""
) -> pn.viewable.Viewable:
    """Put parts on a card with a heading and, below it, a sentence or two."""
    below = f'<p class="lede">{with_whole_dates(lede)}</p>' if lede else ""
    heading = content(f'<div class="head"><h2>{escape(title)}</h2>{below}</div>')
    return pmui.Paper(
        heading,
        *parts,
        elevation=0,
        sizing_mode="stretch_width",
        sx=theme.CARD_SX,
        margin=(0, 0, 20, 0),
    )


def chart_card(
    title: str,
    chart: Chart,
    *,
    language: Language,
    source: str,
    lede: str = "",
    table: pd.DataFrame | None = None,
    file_name: str = "",
) -> pn.viewable.Viewable:
    """Put a chart on a card: what its colours mean, its source, its figures as a table.

    Parameters
    ----------
    title, lede
        The card's heading and what to see in the chart.
    chart
        The chart.
    language
        Of our own words.
    source
        Where the figures come from.
    table
        The chart's figures, for who cannot see it or wants them in a file.
    file_name
        Of the table's file, without its ending.
    """
    return card(
        title,
        *chart_parts(
            chart, language=language, source=source, table=table, file_name=file_name
        ),
        lede=lede,
    )


def chart_parts(
    chart: Chart,
    *,
    language: Language,
    source: str,
    table: pd.DataFrame | None = None,
    file_name: str = "",
) -> list[pn.viewable.Viewable]:
    """Give a chart with its legend, source and table, to put on a card of one's own."""
    below = f'<p class="source">{SOURCE.to(language)}: {with_whole_dates(source)}</p>'
    if table is not None:
        below += _table_details(table, language, file_name or "slutpris")
    legend = [content(_legend_html(chart))] if len(chart.legend) else []
    return [*legend, chart.pane(), content(below)]


def with_whole_dates(text: str) -> Markup:
    """Escape a text and keep each date in it on one line: browsers break at hyphens."""
    return Markup(DATE.sub(r'<span class="number">\g<0></span>', escape(text)))


def table_html(
    frame: pd.DataFrame,
    *,
    right: Sequence[str] = (),
    caption: str = "",
    language: Language = "sv",
) -> str:
    """Write a table, every cell escaped; columns named in ``right`` are numbers.

    Decimals are written as the language does; whole numbers, such as years, as they
    stand.
    """
    aligned = [_look(frame[name], is_number=name in right) for name in frame]
    heads = "".join(
        f'<th scope="col"{look}>{escape(str(name))}</th>'
        for name, look in zip(frame, aligned, strict=True)
    )
    rows = "".join(
        f"<tr>{_cells(row, aligned, language)}</tr>"
        for row in frame.itertuples(index=False)
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0"><table class="figures">{title}<thead>'
        f"<tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def csv_link(frame: pd.DataFrame, file_name: str, label: str) -> str:
    """Write a link that saves a table as a file, which spreadsheets read as UTF-8."""
    content = without_formulas(frame).to_csv(index=False).encode("utf-8-sig")
    return file_link(content, f"{file_name}.csv", label)


def file_link(content: bytes, file_name: str, label: str) -> str:
    """Write a link that saves a small file that is already there."""
    encoded = base64.b64encode(content).decode()
    kind = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
    return (
        f'<a class="download" download="{escape(file_name)}" '
        f'href="data:{kind};base64,{encoded}">{escape(label)}</a>'
    )


def notice(text: str) -> pn.pane.HTML:
    """Say something a reader must not miss."""
    return content(f'<p class="notice" role="status">{escape(text)}</p>')


def nothing_yet(reason: str, language: Language = "sv") -> pn.pane.HTML:
    """Say what to run when there is no snapshot or model."""
    said = TECHNICAL_REASON.to(language).format(reason=reason)
    return content(
        f'<section class="card"><h2>{NOTHING_YET.to(language)}</h2>'
        f'<p class="lede">{WHAT_TO_RUN.to(language)}</p>'
        f'<p class="muted small" style="margin-top: 16px">{escape(said)}</p>'
        "</section>"
    )


def only_this(title: str, *said: Markup) -> pn.pane.HTML:
    """Say on a card what to run, and nothing of how it is done elsewhere."""
    return content(element("section", element("h2", title), *said, class_="card"))


def to_run(command: str) -> Markup:
    """Write a command on a line of its own, as it is to be copied."""
    look = "display: block; width: fit-content; margin: 10px 0"
    return element("code", command, style=look)


def _look(column: pd.Series, *, is_number: bool) -> str:
    """Give the class of a column's cells: of sentences, none is a word wide."""
    if is_number:
        return ' class="right number"'
    texts = column.astype(str)
    if texts.str.fullmatch(DATE).any():
        return ' class="number"'
    longest = texts.str.len().max()
    return ' class="sentence"' if longest > SENTENCE else ""


def _cells(row: Sequence[object], aligned: Sequence[str], language: Language) -> str:
    return "".join(
        f"<td{look}>{escape(_shortened(value, language))}</td>"
        for value, look in zip(row, aligned, strict=True)
    )


def _shortened(value: object, language: Language) -> str:
    if value is None or value is pd.NA or value != value:
        return "–"
    text = theme.plain(value, language) if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def _table_details(table: pd.DataFrame, language: Language, file_name: str) -> str:
    return (
        f"<details><summary>{SHOW_TABLE.to(language)}</summary>"
        f"{table_html(table.head(SHOWN_ROWS), language=language)}</details>"
        f"{csv_link(table, file_name, DOWNLOAD.to(language))}"
    )


def _legend_html(chart: Chart) -> str:
    entries = "".join(
        f'<li><i class="{entry.look}" style="--colour: {entry.colour}"></i>'
        f"{escape(entry.name)}</li>"
        for entry in chart.legend
    )
    return f'<ul class="legend">{entries}</ul>'
