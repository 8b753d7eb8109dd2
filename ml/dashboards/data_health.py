"""The tab of data health: from the crawl to the published snapshot.

What belongs here: which cards stand on the tab, and the summary above them. What does
not: the cards (``flow_now``, ``flow_rows``, ``flow_drift``, ``flow_versions``) and
what they read (``flow_state``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import panel as pn

from ml.dashboards import shell
from ml.dashboards.flow_drift import drift_card, drift_sentence, is_notable
from ml.dashboards.flow_now import (
    LATE,
    WELL,
    crawl_card,
    crawl_sentence,
    dbt_sentence,
    dbt_tests_card,
    freshness,
    freshness_card,
    last_night,
    now_utc,
    records,
    runs_card,
)
from ml.dashboards.flow_rows import (
    market_cards,
    missing_values_card,
    placed_card,
    rejections_card,
    stages_card,
)
from ml.dashboards.flow_state import Flow, read_flow
from ml.dashboards.flow_versions import models_card, packages_card, snapshot_card
from ml.dashboards.run_words import check_sentences, run_sentence
from ml.valuation.markup import Markup, element
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from warehouse.settings import Settings

SUMMARY = Words("Läget i korthet", "At a glance")
CARDS_LOOK = (
    "display: grid; grid-template-columns: 1.4em minmax(0, 1fr); gap: 2px 8px; "
    "list-style: none; margin: 0; padding: 0"
)
FRESH = Words("Alla data är färska.", "All data are fresh.")
NOT_FRESH = Words("För gammalt: {names}.", "Too old: {names}.")
NO_CRAWL = Words(
    "Ingen crawl har gått; mappen är fylld från filer.",
    "No crawl has run; the folder was filled from files.",
)
GOOD, BAD, UNKNOWN = "✓", "!", "–"
MARK_WORDS = {
    GOOD: Words("bra", "good"),
    BAD: Words("se upp", "look out"),
    UNKNOWN: Words("okänt", "unknown"),
}
MARK_COLOURS = {GOOD: "var(--accent)", BAD: "var(--amber)", UNKNOWN: "var(--muted)"}


def data_health_section(settings: Settings, language: Language) -> pn.viewable.Viewable:
    """Make the tab for the snapshot that is current.

    Raises
    ------
    SlutprisError
        When nothing is published yet.
    """
    flow = read_flow(settings)
    return pn.Column(
        summary_card(flow, language),
        runs_card(flow, language),
        freshness_card(flow, language),
        crawl_card(flow, language),
        stages_card(flow, language),
        rejections_card(flow, language),
        missing_values_card(flow, language),
        placed_card(flow, language),
        drift_card(flow, language),
        dbt_tests_card(flow, language),
        *market_cards(flow, language),
        snapshot_card(flow, language),
        models_card(flow, language),
        packages_card(flow, language),
        sizing_mode="stretch_width",
        margin=0,
    )


def summary_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Say how everything stands, a sentence each, what needs a look marked in words."""
    lines = [
        line
        for mark, sentence in summary(flow, language)
        for line in _line(mark, sentence, language)
    ]
    html = element("div", *lines, style=CARDS_LOOK)
    return shell.card(SUMMARY.to(language), shell.content(html))


def summary(flow: Flow, language: Language) -> list[tuple[str, str]]:
    """Judge each part of the flow: a mark, and a sentence."""
    found = [_crawl_line(flow, language), _freshness_line(flow, language)]
    ended = [run for run in flow.runs or [] if run["finished_at"]]
    if ended:
        mark = GOOD if ended[0]["status"] == "SUCCESS" else BAD
        found.append((mark, run_sentence(ended[0], language)))
    for run in last_night(ended):
        found += [(BAD, each) for each in check_sentences(run, language)]
    if flow.dbt_tests is not None:
        results = flow.dbt_tests["results"]
        mark = GOOD if all(each["status"] in WELL for each in results) else BAD
        found.append((mark, dbt_sentence(flow.dbt_tests, language)))
    if flow.drift is not None:
        mark = GOOD if flow.drift["features"] else UNKNOWN
        mark = BAD if is_notable(flow.drift) else mark
        found.append((mark, drift_sentence(flow.drift, language)))
    return found


def _crawl_line(flow: Flow, language: Language) -> tuple[str, str]:
    crawls = flow.tables.get("crawl_runs")
    if crawls is None or crawls.empty:
        return UNKNOWN, NO_CRAWL.to(language)
    newest = records(crawls.head(1))[0]
    mark = GOOD if newest["is_finished"] else BAD
    return mark, crawl_sentence(newest, language)


def _freshness_line(flow: Flow, language: Language) -> tuple[str, str]:
    now = now_utc()
    late = [each for each in freshness(flow) if each.state(now) is LATE]
    if not late:
        return GOOD, FRESH.to(language)
    names = ", ".join(each.what.to(language).lower() for each in late)
    return BAD, NOT_FRESH.to(language).format(names=names)


def _line(mark: str, sentence: str, language: Language) -> tuple[Markup, Markup]:
    look = f"color: {MARK_COLOURS[mark]}; font-weight: 700"
    said = MARK_WORDS[mark].to(language)
    shown = element("span", mark, style=look, role="img", aria_label=said, title=said)
    return shown, element("span", shell.with_whole_dates(sentence))
