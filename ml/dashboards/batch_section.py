"""Valuing a file of homes on the page: choose it, watch it, read it, take it home.

What belongs here: the section's parts and words. What does not: reading files and
valuing rows (``ml.valuation.batch``).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from ml.dashboards import shell, theme
from ml.dashboards.file_chooser import FileChooser
from ml.dashboards.file_download import FileDownload
from ml.dashboards.valuers import valuers
from ml.valuation.batch import (
    checked,
    given_fields,
    valued_in_chunks,
    with_asking_price,
    with_results,
)
from ml.valuation.batch_files import (
    MOST_BYTES,
    MOST_ROWS,
    BatchFileError,
    read_table,
    too_large,
)
from ml.valuation.batch_output import as_csv, as_excel
from ml.valuation.batch_words import (
    FIELD_HEADINGS,
    field_names,
    refusal_words,
    row_problem,
    shortened,
)
from ml.valuation.confidence import CLASS_NAMES
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from panel.viewable import Viewable

    from ml.valuation.batch import Outcome
    from ml.valuation.batch_files import Table
    from warehouse.settings import Settings

SHOWN_ROWS = 20
SHOWN_PROBLEMS = 50

TITLE = Words("Värdera en fil med bostäder", "Value a file of homes")
LEDE = Words(
    "CSV eller Excel med en bostad per rad. Adress och boarea måste finnas, resten "
    "antas där det saknas. Kolumner vi inte känner igen följer med i svaret.",
    "CSV or Excel with a home in each row. Address and living area are needed, the "
    "rest is assumed where it is missing. Columns we do not recognise are carried "
    "over.",
)
CHOOSE = Words("Välj fil", "Choose a file")
HINT = Words(
    "eller dra den hit. Högst {megabytes} MB och {rows} rader.",
    "or drop it here. At most {megabytes} MB and {rows} rows.",
)
ASKING_PRICE = Words(
    "Räkna med utgångspriset på de rader som har det",
    "Use the asking price in rows that have one",
)
TEMPLATE = Words("Mall att fylla i", "Template to fill in")
TEMPLATE_NAME = Words("slutpris-mall", "slutpris-template")
HEADINGS = Words(
    "Rubriker som känns igen: {names}. Datum är värderingsdagen; saknas det används "
    "dagens datum.",
    "Recognised headings: {names}. Date is the day the home is valued as of, today if "
    "missing.",
)
READING = Words("Läser {name} …", "Reading {name} …")
VALUING = Words(
    "Värderar: {done} av {count} rader klara.", "Valuing: {done} of {count} rows done."
)
DONE = Words("Klart: {name}, {count} rader.", "Done: {name}, {count} rows.")
VALUED, VALUED_ONE = Words("värderade", "valued"), Words("värderad", "valued")
REFUSED = Words("för lite underlag", "too little to go on")
BAD = Words("rader med fel", "rows with errors")
FIRST_ROWS = Words("De första {count} raderna", "The first {count} rows")
ALL_ROWS = Words("Alla rader", "All rows")
PROBLEMS = Words(
    "Rader att rätta (rubrikraden är rad 1)", "Rows to mend (the headings are row 1)"
)
MORE_PROBLEMS = Words(
    "Och {count} till; de står i kolumnen ”Fel i raden” i filen.",
    "And {count} more; they stand in the file's column “Error in the row”.",
)
UNUSED = Words(
    "Kolumner som inte lästes men följer med: {names}.",
    "Columns that were not read but are carried along: {names}.",
)
TAKE_CSV = Words("Ladda ner som CSV", "Download as CSV")
TAKE_EXCEL = Words("Ladda ner som Excel", "Download as Excel")
VALUED_NAME = Words("värderade", "valued")
ROW, ADDRESS, AREA = Words("Rad", "Row"), Words("Adress", "Address"), Words("m²", "m²")
VALUE, RANGE = Words("Värde", "Value"), Words("90 % av priserna", "90% of prices")
CLASS, FIELD = Words("Säkerhet", "Certainty"), Words("Fält", "Field")
WHAT = Words("Vad som är fel och vad du gör", "What is wrong and what to do")
HAS_ERROR = Words("Fel, se nedan", "Error, see below")

EXAMPLES = (
    ("Sveavägen 98", 52.5, 2, 3, 2950, 480, 1929, None, "", None, "xgboost"),
    ("Hornsgatan 70", 71, 3, 0, 3870, 610, 1906, None, "", None, "xgboost"),
)

PROBLEM_CSS = """
.counts { display: flex; flex-wrap: wrap; gap: 8px 40px; margin: 4px 0 18px; }
.counts b { display: block; font-size: 26px; font-weight: 650; }
h3 { font-size: 15px; font-weight: 600; margin: 22px 0 8px; }
td:last-child { min-width: 11em; }
.problems td { overflow-wrap: anywhere; }
.problems td:nth-child(2) { white-space: nowrap; }
"""


@dataclass(frozen=True)
class Valued:
    """A file that has been valued."""

    name: str
    table: Table
    outcomes: list[Outcome]


class BatchSection(pn.viewable.Viewer):
    """A file in, values out."""

    def __init__(self, settings: Settings, language: Language) -> None:
        super().__init__()
        self._valuers = valuers(settings)
        self._language: Language = language
        self._valued: Valued | None = None
        self._chooser = FileChooser(
            label=CHOOSE.to(language),
            hint=HINT.to(language).format(
                megabytes=MOST_BYTES // 1_000_000, rows=theme.number(MOST_ROWS)
            ),
            most_bytes=MOST_BYTES,
            sizing_mode="stretch_width",
            margin=(6, 0, 12, 0),
        )
        self._chooser.on_msg(self._take)
        self._asking_price = pmui.Checkbox(
            label=ASKING_PRICE.to(language), value=False, margin=(0, 0, 6, 0)
        )
        self._bar = pmui.LinearProgress(
            value=0,
            max=100,
            visible=False,
            sizing_mode="stretch_width",
            margin=(10, 0),
        )
        self._status = shell.content("")
        self._result = pmui.Column(sizing_mode="stretch_width", margin=0)

    def __panel__(self) -> Viewable:
        """Lay the section out."""
        language = self._language
        return shell.card(
            TITLE.to(language),
            self._chooser,
            self._asking_price,
            shell.content(_template_html(language)),
            self._bar,
            self._status,
            self._result,
            lede=LEDE.to(language),
        )

    def _take(self, event: Any) -> None:  # noqa: ANN401 - Panel's
        if self._chooser.is_busy:
            return
        told = getattr(event, "data", event)
        self._chooser.is_busy = True
        content = told.get("data")
        pn.state.execute(
            partial(
                self._value,
                str(told.get("name", "")),
                None if content is None else bytes(content),
                int(told.get("size", 0)),
            )
        )

    async def _value(self, name: str, content: bytes | None, size: int) -> None:
        self._result.objects = []
        self._say(READING, name=shortened(name))
        self._bar.param.update(visible=True, value=0)
        try:
            if content is None:
                raise too_large(size)
            table = await asyncio.to_thread(read_table, name, content)
            await self._value_rows(name, table)
        except BatchFileError as error:
            self._refuse(error.words.to(self._language))
        except SlutprisError as error:
            self._refuse(str(error))
        finally:
            self._bar.visible = False
            self._chooser.is_busy = False

    async def _value_rows(self, name: str, table: Table) -> None:
        records = with_asking_price(
            given_fields(table.frame), is_used=bool(self._asking_price.value)
        )
        count = len(records)
        outcomes: list[Outcome] = []
        with self._valuers.borrow() as borrowed:
            known = checked(records, table)
            parts = valued_in_chunks(borrowed.valuer, records, known)
            while len(outcomes) < count:
                self._say(VALUING, done=len(outcomes), count=count)
                outcomes += await asyncio.to_thread(_next_part, parts)
                self._bar.value = round(100 * len(outcomes) / count)
        self._say(DONE, name=shortened(name), count=count)
        self._valued = Valued(name, table, outcomes)
        self._result.objects = list(self._result_parts(self._valued))

    def _result_parts(self, valued: Valued) -> Iterator[Viewable]:
        html = result_html(valued, self._language)
        pane = shell.content(html)
        pane.stylesheets = [*pane.stylesheets, PROBLEM_CSS]
        yield pane
        yield pmui.FlexBox(
            self._download("xlsx", TAKE_EXCEL),
            self._download("csv", TAKE_CSV),
            gap="8px",
        )

    def _download(self, ending: str, label: Words) -> FileDownload:
        stem = (self._valued.name if self._valued else "").rpartition(".")[0]
        name = f"{shortened(stem)}-{VALUED_NAME.to(self._language)}.{ending}"
        return FileDownload(
            lambda: self._written(ending),
            file_name=name,
            label=label.to(self._language),
            margin=(14, 0, 0, 0),
        )

    def _written(self, ending: str) -> bytes:
        if self._valued is None:
            return b""
        frame = with_results(
            self._valued.table.frame, self._valued.outcomes, self._language
        )
        is_excel = ending == "xlsx"
        return as_excel(frame) if is_excel else as_csv(frame, self._language)

    def _say(self, words: Words, **given: object) -> None:
        shown = {
            name: theme.number(value) if isinstance(value, int) else value
            for name, value in given.items()
        }
        text = escape(words.to(self._language).format(**shown))
        self._status.object = (
            f'<p class="muted" role="status" style="margin-top: 14px">{text}</p>'
        )

    def _refuse(self, text: str) -> None:
        self._status.object = f'<p class="notice" role="alert">{escape(text)}</p>'


def batch_section(settings: Settings, language: Language) -> Viewable:
    """Make the section that values files."""
    return BatchSection(settings, language).__panel__()


def result_html(valued: Valued, language: Language) -> str:
    """Write the counts, the first rows and what to mend."""
    count = len(valued.outcomes)
    title = FIRST_ROWS if count > SHOWN_ROWS else ALL_ROWS
    unused = [shortened(name) for name in valued.table.unused_headings]
    said = UNUSED.to(language).format(names=", ".join(unused)) if unused else ""
    return (
        _counts_html(valued.outcomes, language)
        + f"<h3>{title.to(language).format(count=SHOWN_ROWS)}</h3>"
        + shell.table_html(
            _first_rows(valued, language),
            right=[VALUE.to(language), RANGE.to(language), AREA.to(language)],
        )
        + _problems_html(valued, language)
        + (f'<p class="source">{escape(said)}</p>' if said else "")
    )


def _next_part(parts: Iterator[list[Outcome]]) -> list[Outcome]:
    return next(parts, [])


def _counts_html(outcomes: Sequence[Outcome], language: Language) -> str:
    bad = sum(each.error is not None for each in outcomes)
    refused = sum(each.is_refused for each in outcomes)
    valued = len(outcomes) - bad - refused
    counts = [
        (valued, VALUED_ONE if valued == 1 else VALUED),
        (refused, REFUSED),
        (bad, BAD),
    ]
    shown = "".join(
        f"<div><b>{theme.number(count)}</b>{words.to(language)}</div>"
        for count, words in counts
    )
    return f'<div class="counts">{shown}</div>'


def _first_rows(valued: Valued, language: Language) -> pd.DataFrame:
    rows = [
        _shown_row(number, outcome, fields, language)
        for number, outcome, fields in zip(
            valued.table.numbers[:SHOWN_ROWS],
            valued.outcomes,
            given_fields(valued.table.frame.head(SHOWN_ROWS)),
            strict=False,
        )
    ]
    columns = (ROW, ADDRESS, AREA, VALUE, RANGE, CLASS)
    return pd.DataFrame(rows, columns=[words.to(language) for words in columns])


def _shown_row(
    number: int, outcome: Outcome, fields: dict[str, Any], language: Language
) -> list[str | int | None]:
    value = outcome.value
    area = fields.get("living_area_m2", "")
    address = shortened(fields.get("address", ""))
    known = [number, address, shortened(str(area).replace(".", _point(language)))]
    if value is None:
        return [*known, None, None, HAS_ERROR.to(language)]
    if outcome.is_refused:
        return [*known, None, None, refusal_words(value.refusal_reason, language)]
    lowest, highest = value.low_sek, value.high_sek
    is_ranged = lowest is not None and highest is not None
    span = f"{theme.number(lowest)}–{theme.number(highest)}" if is_ranged else None
    named = CLASS_NAMES.get(value.confidence_class or -1)
    certainty = named.to(language) if named else None
    return [*known, theme.sek(value.value_sek), span, certainty]


def _point(language: Language) -> str:
    return "," if language == "sv" else "."


def _problems_html(valued: Valued, language: Language) -> str:
    numbered = zip(valued.table.numbers, valued.outcomes, strict=True)
    bad = [
        (number, outcome.error)
        for number, outcome in numbered
        if outcome.error is not None
    ]
    if not bad:
        return ""
    frame = pd.DataFrame(
        [
            (number, field_names(error, language), row_problem(error, language))
            for number, error in bad[:SHOWN_PROBLEMS]
        ],
        columns=[words.to(language) for words in (ROW, FIELD, WHAT)],
    )
    more = len(bad) - SHOWN_PROBLEMS
    said = MORE_PROBLEMS.to(language).format(count=theme.number(more))
    below = f'<p class="source">{said}</p>' if more > 0 else ""
    table = f'<div class="problems">{shell.table_html(frame)}</div>'
    return f"<h3>{PROBLEMS.to(language)}</h3>{table}{below}"


def template(language: Language) -> pd.DataFrame:
    """Give a file with two homes to write over."""
    columns = [words.to(language) for words in FIELD_HEADINGS.values()]
    return pd.DataFrame(EXAMPLES, columns=columns)


def _template_html(language: Language) -> str:
    frame = template(language)
    names = ", ".join(words.to(language) for words in FIELD_HEADINGS.values())
    links = " · ".join(
        shell.file_link(
            write(frame),
            f"{TEMPLATE_NAME.to(language)}.{ending}",
            f"{TEMPLATE.to(language)} ({title})",
        )
        for ending, title, write in _template_kinds(language)
    )
    said = HEADINGS.to(language).format(names=names)
    return f'<p>{links}</p><p class="source">{escape(said)}</p>'


def _template_kinds(
    language: Language,
) -> list[tuple[str, str, Callable[[pd.DataFrame], bytes]]]:
    return [
        ("xlsx", "Excel", as_excel),
        ("csv", "CSV", lambda frame: as_csv(frame, language)),
    ]
