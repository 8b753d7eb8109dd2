"""How the data flow stands: the last crawl, the last runs, freshness, dbt's tests.

What belongs here: what somebody who comes in the morning looks at first. What does not:
what the rows hold (``flow_rows``), and versions (``flow_versions``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml.dashboards import shell, theme
from ml.dashboards.flow_charts import NumberedBar, numbered_bars
from ml.dashboards.flow_words import ending
from ml.dashboards.run_words import (
    STATUSES,
    check_sentences,
    duration,
    failures,
    local_time,
    run_name,
    run_sentence,
)
from ml.valuation.markup import Markup, element, joined
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import panel as pn

    from ml.dashboards.flow_state import Flow

SHOWN_CRAWLS = 14
SHOWN_RUNS = 10
SHOWN_TESTS = 20
PARAGRAPH = "max-width: 78ch; margin: 4px 0 10px"
NIGHT_HOURS = 24
"""Runs that began so long before the newest ended are last night's."""

BUILT_NEXT = Words(
    "Den publicerade ögonblicksbilden är äldre än den här delen. Tabellen "
    "{table} byggs och publiceras vid nästa körning.",
    "The published snapshot is older than this part. The table {table} is built and "
    "published by the next run.",
)
SWEDISH_TIME = Words("Alla tider är svensk tid.", "All times are Swedish time.")

FRESHNESS = Words("Hur färska är data?", "How fresh are the data?")
FRESHNESS_LEDE = Words(
    "Crawl, bygge och publicering körs varje natt klockan 03:00. {time}",
    "Crawl, build and publishing run every night at 03:00. {time}",
)
NEWEST_SALE = Words("Senaste försäljningen", "The newest sale")
NEWEST_OBSERVATION = Words("Senaste observationen", "The newest observation")
SNAPSHOT_MADE = Words("Ögonblicksbilden publicerad", "The snapshot published")
HEADS = {
    # On a phone only the first columns are seen: the state is what one comes for.
    "what": Words("Vad", "What"),
    "state": Words("Status", "State"),
    "age": Words("Ålder", "Age"),
    "when": Words("När", "When"),
    "limit": Words("För gammalt efter", "Too old after"),
    "why": Words("Varför den gränsen", "Why that limit"),
}
ON_TIME = Words("✓\u00a0I\u00a0tid", "✓\u00a0On\u00a0time")
LATE = Words("!\u00a0Sent", "!\u00a0Late")
NOT_KNOWN = Words("–\u00a0Okänt", "–\u00a0Unknown")
ONE_DAY = Words("1\u00a0dygn", "1\u00a0day")
DAYS = Words("{n}\u00a0dygn", "{n}\u00a0days")
HOURS = Words("{n}\u00a0tim", "{n}\u00a0h")
MINUTES = Words("{n}\u00a0min", "{n}\u00a0min")

CRAWL = Words("Senaste crawlen", "The last crawl")
CRAWL_SENTENCE = Words(
    "Senaste crawlen: {when}, {pages} sidor, {new} nya försäljningar, {how}.",
    "The last crawl: {when}, {pages} pages, {new} new sales, {how}.",
)
CRAWL_MORE = Words(
    "Den tog {time}, läste {cards} kort per söksida, såg något nytt om {changed} "
    "kända försäljningar och fick lägga undan {quarantined} som inte gick att läsa.",
    "It took {time}, read {cards} cards per search page, found changes in {changed} "
    "known sales and set aside {quarantined} that could not be read.",
)
CRAWL_NOTHING = Words(
    "Den tog {time} och läste {cards} kort per söksida; inga kända försäljningar hade "
    "ändrats, inget var oläsligt.",
    "It took {time} and read {cards} cards per search page; no known sales had "
    "changed, nothing was unreadable.",
)
NO_CRAWL = Words(
    "Ingen crawl har gått: den här mappen fylldes från filer. Kör "
    "”scrapy crawl booli” eller tillgången raw/sale_cards i Dagster för att crawla.",
    "No crawl has run: this folder was filled from files. Run “scrapy crawl booli” "
    "or the asset raw/sale_cards in Dagster to crawl.",
)
YIELD = Words(
    "Nya försäljningar per crawl, den senaste överst",
    "New sales by crawl, the latest on top",
)
CRAWL_SOURCE = Words(
    "marts.crawl_runs ur raw.crawl_runs, raw.pages och raw.sale_cards",
    "marts.crawl_runs of raw.crawl_runs, raw.pages and raw.sale_cards",
)
CRAWL_COLUMNS = {
    "started": Words("Började", "Started"),
    "took": Words("Tog", "Took"),
    "how": Words("Slutade", "Ended"),
    "pages": Words("Sidor", "Pages"),
    "cards_per_page": Words("Kort per sida", "Cards per page"),
    "new": Words("Nya försäljningar", "New sales"),
    "changed": Words("Ändrade", "Changed"),
    "quarantined": Words("Oläsliga", "Unreadable"),
}

RUNS = Words("Vad hände i de senaste körningarna?", "What did the latest runs do?")
RUNS_SUM = Words(
    "Dygnet fram till {until}: {n} körningar, {steps} steg, {how}; den längsta {time}.",
    "The day up to {until}: {n} runs, {steps} steps, {how}; the longest {time}.",
)
NONE_FAILED = Words("inget misslyckades", "none failed")
SOME_FAILED = Words("{n} misslyckades", "{n} failed")
NO_RUNS = Words(
    "Ingen historik över körningar är skriven ännu. Den skrivs av tillgången "
    "reports/runs, efter varje körning i Dagster, och av "
    "”python -m dagster_assets.run_history”.",
    "No history of runs is written yet. The asset reports/runs writes it, so does "
    "every run in Dagster, and “python -m dagster_assets.run_history”.",
)
ALL_WELL = Words("Inget steg misslyckades.", "No step failed.")
DO_THIS = Words("Gör så här:", "Do this:")
ERROR_SAID = Words("Felets första rad:", "The error's first line:")
EARLIER_RUNS = Words("De senaste körningarna", "The latest runs")
RUN_COLUMNS = {
    "when": Words("Började", "Started"),
    "run": Words("Körning", "Run"),
    "took": Words("Tog", "Took"),
    "how": Words("Slutade", "Ended"),
    "failed": Words("Steg som misslyckades", "Failed steps"),
}

TESTS = Words("dbt-tester", "dbt tests")
NO_TESTS = Words(
    "Inget resultat av dbt-testerna är skrivet ännu. Det skrivs när dbt-bygget går i "
    "Dagster (make demo, dg dev eller dg launch), även när bygget misslyckas.",
    "No result of the dbt tests is written yet. It is written when the dbt build runs "
    "in Dagster (make demo, dg dev or dg launch), even when the build fails.",
)
TESTS_WELL = Words(
    "Senaste bygget {when}: alla {n} tester av {models} tabeller godkändes.",
    "The last build, {when}: all {n} tests of {models} tables passed.",
)
TESTS_ILL = Words(
    "Senaste bygget {when}: av {n} tester godkändes {passed}, {warned} varnade, "
    "{failed} föll och {skipped} kördes inte.",
    "The last build, {when}: of {n} tests {passed} passed, {warned} warned, {failed} "
    "failed and {skipped} were skipped.",
)
TESTS_BY_TABLE = Words("Tester per tabell", "Tests by table")
TESTED, PASSED = Words("Tester", "Tests"), Words("Godkända", "Passed")
TEST_COLUMNS = {
    "name": Words("Test eller tabell", "Test or table"),
    "model": Words("Tabell", "Table"),
    "status": Words("Resultat", "Result"),
    "rows": Words("Rader", "Rows"),
    "message": Words("Meddelande", "Message"),
}
TEST_STATUSES = {
    "pass": Words("godkänt", "passed"),
    "success": Words("byggd", "built"),
    "warn": Words("varning", "warning"),
    "fail": Words("föll", "failed"),
    "error": Words("fel", "error"),
    "runtime error": Words("fel", "error"),
    "skipped": Words("kördes inte", "skipped"),
}
WELL = frozenset({"pass", "success"})


@dataclass(frozen=True)
class Fresh:
    """How old the newest of something is, against how old it may be."""

    what: Words
    at: dt.datetime | None
    late_after: dt.timedelta
    why: Words
    is_day: bool = False
    """Whether only the day is known."""

    def state(self, now: dt.datetime) -> Words:
        """Judge it."""
        if self.at is None:
            return NOT_KNOWN
        return LATE if now - self.at > self.late_after else ON_TIME


def freshness(flow: Flow) -> list[Fresh]:
    """List what can grow old, with the age at which it is late."""
    sold = flow.newest_sale
    return [
        Fresh(
            NEWEST_SALE,
            pd.Timestamp(sold).to_pydatetime() if sold else None,
            dt.timedelta(days=14),
            Words(
                "Lägenheter säljs varje dag; två veckor utan är ett stopp.",
                "Flats are sold every day; two weeks without is a stop.",
            ),
            is_day=True,
        ),
        Fresh(
            NEWEST_OBSERVATION,
            flow.newest_observation,
            dt.timedelta(days=3),
            Words(
                "Samma gräns som i dbt: en helg utan crawl är värd en titt.",
                "As in dbt: a weekend without a crawl is worth a look.",
            ),
        ),
        Fresh(
            SNAPSHOT_MADE,
            flow.manifest.created_at,
            dt.timedelta(days=2),
            Words(
                "En natt får falla bort, inte två.",
                "One night may be missed, not two.",
            ),
        ),
    ]


def now_utc() -> dt.datetime:
    """Give the present as the warehouse writes it: UTC, without a zone."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def freshness_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Show how fresh the data are, each limit stated."""
    now = now_utc()
    rows = [
        {
            "what": each.what.to(language),
            "state": each.state(now).to(language),
            "age": _age(now - each.at, language, each.is_day) if each.at else "–",
            "when": _moment(each),
            "limit": _age(each.late_after, language),
            "why": each.why.to(language),
        }
        for each in freshness(flow)
    ]
    frame = pd.DataFrame(rows).rename(columns=_heads(HEADS, language))
    numbers = [HEADS[name].to(language) for name in ("when", "age", "limit")]
    lede = FRESHNESS_LEDE.to(language).format(time=SWEDISH_TIME.to(language))
    return shell.card(
        FRESHNESS.to(language),
        shell.content(shell.table_html(frame, right=numbers)),
        lede=lede,
    )


def crawl_sentence(crawl: Mapping[str, Any], language: Language) -> str:
    """Say in a sentence how a crawl went."""
    return CRAWL_SENTENCE.to(language).format(
        when=_local(crawl["started_at"]),
        pages=theme.number(crawl["page_count"], 0, language),
        new=theme.number(crawl["new_sale_count"], 0, language),
        how=ending(crawl["finish_reason"], language),
    )


def crawl_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Show the last crawl in words, and what each of the latest brought."""
    crawls = flow.tables.get("crawl_runs")
    if crawls is None:
        return missing_card(CRAWL, "marts.crawl_runs", language)
    if crawls.empty:
        return shell.card(CRAWL.to(language), said(NO_CRAWL.to(language)))
    newest = records(crawls.head(1))[0]
    is_more = newest["changed_sale_count"] or newest["quarantined_count"]
    more = (
        (CRAWL_MORE if is_more else CRAWL_NOTHING)
        .to(language)
        .format(
            time=_took(newest, language),
            cards=_number(newest["cards_per_page"], 1, language),
            changed=theme.number(newest["changed_sale_count"], 0, language),
            quarantined=theme.number(newest["quarantined_count"], 0, language),
        )
    )
    return shell.card(
        CRAWL.to(language),
        said(f"{crawl_sentence(newest, language)} {more}"),
        subtitle(YIELD, language),
        *shell.chart_parts(
            numbered_bars(
                [
                    _crawl_bar(row, language)
                    for row in records(crawls.head(SHOWN_CRAWLS))
                ],
                write=lambda value: theme.number(value, 0, language),
                title=YIELD.to(language),
            ),
            language=language,
            source=CRAWL_SOURCE.to(language),
            table=_crawl_table(crawls, language),
            file_name="crawls",
        ),
    )


def runs_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Say what failed in the last night's runs, and what to do about it."""
    if not flow.runs:
        return shell.card(RUNS.to(language), said(NO_RUNS.to(language)))
    parts = [_run_html(run, language) for run in last_night(flow.runs)]
    together = _of_the_day([run for run in flow.runs if run["finished_at"]])
    if len(together) > 1:
        summed = shell.with_whole_dates(runs_sentence(together, language))
        parts.insert(0, element("p", summed, style=PARAGRAPH))
    return shell.card(
        RUNS.to(language),
        shell.content(joined(*parts)),
        folded(EARLIER_RUNS, _run_table(flow.runs, language), language),
        lede=SWEDISH_TIME.to(language),
    )


def last_night(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Choose the runs of the last night: those of a day up to the newest, that failed.

    The newest that ended is among them, whichever way it went.
    """
    ended = [run for run in runs if run["finished_at"]]
    if not ended:
        return list(runs[:1])
    return ended[:1] + [
        run
        for run in _of_the_day(ended)[1:]
        if run["status"] == "FAILURE" or run["failed_checks"]
    ]


def runs_sentence(runs: Sequence[Mapping[str, Any]], language: Language) -> str:
    """Sum up ended runs in a sentence, the newest first."""
    failed = sum(
        len(run["failed_steps"]) or int(run["status"] == "FAILURE") for run in runs
    )
    longest = max(runs, key=_run_time)
    how = SOME_FAILED if failed else NONE_FAILED
    steps = sum(run["steps_succeeded"] + len(run["failed_steps"]) for run in runs)
    return RUNS_SUM.to(language).format(
        until=local_time(max(run["finished_at"] for run in runs)),
        n=theme.number(len(runs), 0, language),
        steps=theme.number(steps, 0, language),
        how=how.to(language).format(n=failed),
        time=duration(longest["started_at"], longest["finished_at"], language),
    )


def _of_the_day(ended: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Choose the runs that began within a day before the newest, which is first."""
    if not ended:
        return []
    newest = dt.datetime.fromisoformat(ended[0]["started_at"])
    night = newest - dt.timedelta(hours=NIGHT_HOURS)
    return [
        run for run in ended if dt.datetime.fromisoformat(run["started_at"]) > night
    ]


def _run_time(run: Mapping[str, Any]) -> dt.timedelta:
    began, ended = (
        dt.datetime.fromisoformat(run[end]) for end in ("started_at", "finished_at")
    )
    return ended - began


def dbt_tests_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Show what dbt's tests found in the last build."""
    found = flow.dbt_tests
    if found is None:
        return shell.card(TESTS.to(language), said(NO_TESTS.to(language)))
    ill = [each for each in found["results"] if each["status"] not in WELL]
    parts = [shell.content(shell.table_html(_test_table(ill, language)))] if ill else []
    every = _test_table(found["results"], language)
    link = shell.csv_link(every, "dbt_tests", shell.DOWNLOAD.to(language))
    return shell.card(
        TESTS.to(language),
        said(dbt_sentence(found, language)),
        *parts,
        folded(TESTS_BY_TABLE, _tests_by_table(found["results"], language), language),
        shell.content(link),
    )


def dbt_sentence(found: Mapping[str, Any], language: Language) -> str:
    """Say in a sentence what dbt's tests found."""
    tests = [each for each in found["results"] if each["kind"] == "test"]
    counted = Counter(each["status"] for each in tests)
    words = TESTS_WELL if counted["pass"] == len(tests) else TESTS_ILL
    return words.to(language).format(
        when=local_time(found["finished_at"]),
        n=len(tests),
        models=len({each["model"] for each in tests}),
        passed=counted["pass"],
        warned=counted["warn"],
        failed=counted["fail"] + counted["error"],
        skipped=counted["skipped"],
    )


def missing_card(title: Words, table: str, language: Language) -> pn.viewable.Viewable:
    """Say that a part comes with the next run."""
    text = BUILT_NEXT.to(language).format(table=table)
    return shell.card(title.to(language), said(text))


def said(text: str, *, is_small: bool = False) -> pn.pane.HTML:
    """Show a paragraph of text, or a remark on what is above it."""
    look = "small muted" if is_small else None
    shown = shell.with_whole_dates(text)
    return shell.content(element("p", shown, style=PARAGRAPH, class_=look))


def folded(words: Words, table: pd.DataFrame, language: Language) -> pn.pane.HTML:
    """Show a table once it is asked for."""
    shown = Markup(shell.table_html(table))
    heading = element("summary", words.to(language))
    return shell.content(element("details", heading, shown))


def subtitle(words: Words, language: Language) -> pn.pane.HTML:
    """Show the heading of a part of a card."""
    look = "font-size: 15px; font-weight: 600; margin: 18px 0 6px"
    return shell.content(element("h3", words.to(language), style=look))


def _run_html(run: Mapping[str, Any], language: Language) -> Markup:
    found = failures(run, language)
    sentence = shell.with_whole_dates(run_sentence(run, language))
    parts: list[Markup] = [element("p", element("b", sentence))]
    if not found and run["status"] == "SUCCESS":
        parts.append(element("p", ALL_WELL.to(language)))
    for failure in found:
        said = " ".join(part for part in (failure.what, failure.meaning) if part)
        quote = element("code", failure.quoted)
        parts.append(
            element(
                "div",
                element("p", said),
                element("p", element("b", DO_THIS.to(language)), f" {failure.advice}"),
                element("p", ERROR_SAID.to(language), " ", quote, class_="small muted"),
                class_="notice",
            )
        )
    checks = check_sentences(run, language)
    parts += [element("p", sentence, class_="notice") for sentence in checks]
    return element("div", *parts, style="margin-bottom: 14px")


def _run_table(runs: Sequence[Mapping[str, Any]], language: Language) -> pd.DataFrame:
    rows = [
        {
            "when": local_time(run["started_at"]),
            "run": run_name(run, language),
            "took": duration(run["started_at"], run["finished_at"], language),
            "how": STATUSES[run["status"]].to(language)
            if run["status"] in STATUSES
            else run["status"],
            "failed": ", ".join(step["step"] for step in run["failed_steps"]) or "–",
        }
        for run in runs[:SHOWN_RUNS]
    ]
    return pd.DataFrame(rows).rename(columns=_heads(RUN_COLUMNS, language))


def _test_table(
    results: Sequence[Mapping[str, Any]], language: Language
) -> pd.DataFrame:
    rows = [
        {
            "name": each["name"],
            "model": each["model"],
            "status": TEST_STATUSES[each["status"]].to(language)
            if each["status"] in TEST_STATUSES
            else each["status"],
            "rows": each["failures"],
            "message": each["message"],
        }
        for each in results
    ]
    return pd.DataFrame(rows, columns=list(TEST_COLUMNS)).rename(
        columns=_heads(TEST_COLUMNS, language)
    )


def _tests_by_table(
    results: Sequence[Mapping[str, Any]], language: Language
) -> pd.DataFrame:
    tests = [each for each in results if each["kind"] == "test"]
    every = Counter(each["model"] for each in tests)
    passed = Counter(each["model"] for each in tests if each["status"] in WELL)
    return pd.DataFrame(
        [
            {
                TEST_COLUMNS["model"].to(language): model,
                TESTED.to(language): count,
                PASSED.to(language): passed[model],
            }
            for model, count in sorted(every.items())
        ]
    )


def _crawl_bar(crawl: Mapping[str, Any], language: Language) -> NumberedBar:
    new = theme.number(crawl["new_sale_count"], 0, language)
    return NumberedBar(
        name=_local(crawl["started_at"]),
        value=float(crawl["new_sale_count"]),
        number=new,
        label=crawl_sentence(crawl, language).split(": ", 1)[1],
        is_marked=not crawl["is_finished"],
    )


def _crawl_table(crawls: pd.DataFrame, language: Language) -> pd.DataFrame:
    rows = [
        {
            "started": _local(crawl["started_at"]),
            "took": _took(crawl, language),
            "how": ending(crawl["finish_reason"], language),
            "pages": crawl["page_count"],
            "cards_per_page": _number(crawl["cards_per_page"], 1, language),
            "new": crawl["new_sale_count"],
            "changed": crawl["changed_sale_count"],
            "quarantined": crawl["quarantined_count"],
        }
        for crawl in records(crawls)
    ]
    return pd.DataFrame(rows).rename(columns=_heads(CRAWL_COLUMNS, language))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a table, each by its columns' names."""
    return [
        {str(name): value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _heads(words: Mapping[str, Words], language: Language) -> dict[str, str]:
    return {name: each.to(language) for name, each in words.items()}


def _local(utc: dt.datetime) -> str:
    return local_time(pd.Timestamp(utc).tz_localize("UTC").isoformat())


def _took(crawl: Mapping[str, Any], language: Language) -> str:
    start, end = crawl["started_at"], crawl["finished_at"]
    if pd.isna(end):
        return "–"
    return duration(start.isoformat(), end.isoformat(), language)


def _number(value: float | None, decimals: int, language: Language) -> str:
    return "–" if pd.isna(value) else theme.number(value, decimals, language)


def _moment(fresh: Fresh) -> str:
    if fresh.at is None:
        return "–"
    return f"{fresh.at:%Y-%m-%d}" if fresh.is_day else _local(fresh.at)


def _age(age: dt.timedelta, language: Language, is_day: bool = False) -> str:
    if is_day and age.days == 1:
        return ONE_DAY.to(language)
    if age < dt.timedelta(hours=2) and not is_day:
        minutes = max(0, round(age / dt.timedelta(minutes=1)))
        return MINUTES.to(language).format(n=minutes)
    if age < dt.timedelta(days=2) and not is_day:
        hours = round(age / dt.timedelta(hours=1))
        return HOURS.to(language).format(n=hours)
    return DAYS.to(language).format(n=theme.number(age.days, 0, language))
