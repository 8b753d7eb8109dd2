"""The card of the public log: valuations made before their sale, scored since.

What belongs here: how the scored log is shown, forward and in hindsight kept apart.
What does not: logging and scoring (``ml.valuation.forward_log``, ``forward_score``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ml.dashboards import shell, theme
from ml.dashboards.health_words import (
    CLASS,
    class_name,
    day,
    model_name,
    rounded,
    signed_percent,
)
from ml.dashboards.tables import facts, source_line
from ml.valuation.kept_reports import NoReportError, ReportError, read_scored
from ml.valuation.markup import element
from ml.valuation.words import Words

if TYPE_CHECKING:
    import panel as pn

    from ml.valuation.kept_reports import Scored
    from ml.valuation.markup import Markup
    from ml.valuation.words import Language
    from warehouse.settings import Settings

TITLE = Words("Den öppna loggen över värderingar", "The public log of valuations")
LEDE = Words(
    "Varje värdering som görs sparas, och får sitt betyg när bostaden säljs. Bara de "
    "som gjordes innan försäljningen var känd är ett ärligt prov.",
    "Every valuation that is made is kept, and judged when the home is sold. Only "
    "those made before the sale was known are an honest test.",
)
EMPTY = Words(
    "Ingen värdering finns i loggen ännu. Värdera en bostad på värderingssidan; säljs "
    "den inom {days} dagar poängsätts värderingen natten efter att försäljningen har "
    "kommit in.",
    "No valuation is in the log yet. Value a home on the valuation page; if it is sold "
    "within {days} days the valuation is scored the night after the sale has come in.",
)
LOG_OFF = Words(
    "Loggen är avstängd (SLUTPRIS_FORWARD_LOG=false): nya värderingar sparas inte.",
    "The log is off (SLUTPRIS_FORWARD_LOG=false): new valuations are not kept.",
)
COUNTS = {
    "valuations": Words("i loggen", "in the log"),
    "waiting": Words("väntar på en försäljning", "waiting for a sale"),
    "matched": Words("sålda sedan dess", "sold since"),
    "expired": Words("såldes inte i tid", "not sold in time"),
    "without_number": Words("utan gatunummer", "without a street number"),
}
DAMAGED = Words(
    "{count} rader i loggen går inte att läsa; de ligger kvar som de är.",
    "{count} lines of the log cannot be read; they are left as they are.",
)
PROTOCOLS = {
    "forward": (
        Words("Gjorda före försäljningen", "Made before the sale"),
        Words(
            "Ingen värdering som gjorts före sin försäljning har mött den ännu.",
            "No valuation made before its sale has met it yet.",
        ),
    ),
    "retrospective": (
        Words("Gjorda i efterhand", "Made in hindsight"),
        Words("Inga.", "None."),
    ),
}
HINDSIGHT_NOTE = Words(
    "Försäljningen var känd, eller dagen förbi, när värderingen gjordes: inget prov på "
    "modellen.",
    "The sale was known, or the day was past, when the valuation was made: no test of "
    "the model.",
)
RESULT_COLUMNS = {
    "n": (Words("n", "n"), 0),
    "mdape_pct": (Words("Medianfel %", "Median error %"), 1),
    "mape_pct": (Words("Medelfel %", "Mean error %"), 1),
    "bias_pct": (Words("Snedhet %", "Bias %"), 1),
    "coverage_90_pct": (Words("I intervallet %", "In range %"), 0),
    "median_days_between": (Words("Dagar till försäljning", "Days to the sale"), 0),
}
MODEL = Words("Modell", "Model")
MODES = {
    "before_listing": Words("före annons", "before listing"),
    "listed": Words("med utgångspris", "with asking price"),
}
SOLD_SINCE = Words("Senast sålda av de värderade", "Latest sold of those valued")
SOLD_COLUMNS = (
    Words("Adress", "Address"),
    Words("Värderad", "Valued"),
    Words("Såld", "Sold"),
    Words("Värde", "Value"),
    Words("Slutpris", "Price"),
    Words("Fel", "Error"),
)
SHOWN = 10
SOURCE = Words(
    "loggen i valuations/, poängsatt mot försäljningar till och med {until}",
    "the log in valuations/, scored against sales until {until}",
)


def public_log_card(settings: Settings, language: Language) -> pn.viewable.Viewable:
    """Show the scored log of a data folder; where it is empty, how to fill it."""
    title = TITLE.to(language)
    off = [] if settings.forward_log else [shell.notice(LOG_OFF.to(language))]
    try:
        scored = read_scored(settings.reports_dir)
    except NoReportError as error:
        return shell.card(title, *off, lede=error.words.to(language))
    except ReportError as error:
        return shell.card(title, *off, shell.notice(error.words.to(language)))
    if not scored.summary["counts"].get("valuations"):
        empty = EMPTY.to(language).format(days=settings.forward_log_match_days)
        return shell.card(title, *off, lede="" if off else empty)
    html = _counts_html(scored, language)
    for protocol in PROTOCOLS:
        html += _protocol_html(scored, protocol, language)
    html += _sold_html(scored, language) + _source_html(scored, language)
    return shell.card(title, *off, shell.content(html), lede=LEDE.to(language))


def _counts_html(scored: Scored, language: Language) -> str:
    counts = scored.summary["counts"]
    html = facts(
        {words: theme.number(counts.get(key) or 0) for key, words in COUNTS.items()},
        language,
    )
    if counts.get("damaged_lines"):
        said = DAMAGED.to(language).format(count=counts["damaged_lines"])
        return html + element("p", said, class_="notice", role="status")
    return html


def _protocol_html(scored: Scored, protocol: str, language: Language) -> str:
    title, nothing = PROTOCOLS[protocol]
    results = [
        each
        for each in scored.summary.get("results", [])
        if each["protocol"] == protocol and each["segment"] == "all"
    ]
    heading = element("h3", title.to(language), style="margin: 22px 0 4px")
    if not results:
        return heading + element("p", nothing.to(language), class_="muted small")
    note = HINDSIGHT_NOTE.to(language) if protocol == "retrospective" else ""
    table = _results_table(results, language)
    right = [words.to(language) for words, _ in RESULT_COLUMNS.values()]
    return (
        heading
        + element("p", note, class_="muted small")
        + shell.table_html(table, right=right)
    )


def _results_table(results: list[dict[str, Any]], language: Language) -> pd.DataFrame:
    rows = []
    for each in results:
        mode = MODES.get(each["mode"])
        name = model_name(each["model"], language)
        said = f"{name}, {mode.to(language)}" if mode else name
        row: dict[str, object] = {MODEL.to(language): said}
        for key, (words, decimals) in RESULT_COLUMNS.items():
            value = rounded(each.get(key), decimals)
            written = None if value is None else theme.number(value, decimals, language)
            row[words.to(language)] = written
        rows.append(row)
    return pd.DataFrame(rows)


def _sold_html(scored: Scored, language: Language) -> str:
    rows = scored.valuations
    sold = rows[rows["is_counted"].fillna(False) & rows["is_forward"].fillna(False)]
    if sold.empty:
        return ""
    sold = sold.sort_values("sold_date", ascending=False, kind="stable").head(SHOWN)
    heads = [words.to(language) for words in SOLD_COLUMNS]
    table = pd.DataFrame(
        [_sold_row(row, language) for row in sold.to_dict("records")],
        columns=[*heads, CLASS.to(language)],
    )
    return element("h3", SOLD_SINCE.to(language), style="margin: 22px 0 4px") + (
        shell.table_html(table, right=heads[3:6])
        + shell.csv_link(sold, "public-log", shell.DOWNLOAD.to(language))
    )


def _sold_row(row: dict[Any, Any], language: Language) -> list[str]:
    confidence = row["confidence_class"]
    return [
        str(row["address"]),
        day(row["made_at"]),
        day(row["sold_date"]),
        theme.sek(row["value_sek"], 1000),
        theme.sek(row["sold_price_sek"]),
        signed_percent(row["error_pct"], language),
        "" if pd.isna(confidence) else class_name(f"{confidence:.0f}", language),
    ]


def _source_html(scored: Scored, language: Language) -> Markup:
    until = scored.summary.get("market_known_until") or "–"
    source = SOURCE.to(language).format(until=until)
    return source_line(source, language)
