"""Sixty nights on a site whose market turns, and what must hold after each of them.

``python tests/sixty_nights.py`` (part of ``make bench``) serves the replica over a
small synthetic market, lets its days pass and runs the night's own assets after each:
crawl, dbt build, hedonics, training when due, gate, snapshot, publishing, scoring.
Homes are valued on the morning of their sale by what served then, so error and bias
are of a true forward test. Half-way the site wears a shape nobody knows for a night. It
exits with 1 where any night broke what must hold.

The wall clock is simulated where a C compiler is at hand (``simulated_clock``);
elsewhere everything but the dates of valuations and versions is the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import simulated_clock
from alert_inbox import inbox
from running_replica import ROOT, Site, running

from warehouse.errors import SlutprisError, exit_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nights import NightlyAssets, Valued

    from warehouse.settings import Settings

# As make sets it: waiting threads that spin make a busy machine ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

INTERRUPTED = 130
TURN_PCT = -15.0
TURN_DAYS = 45
"""Steeper than two months, so that calm nights after it are among the sixty."""
CALM_NIGHTS = 15
"""Nights after the turn, in which the bias has to come back."""
BIAS_BOUND_PCT = 3.0
"""Bias that may be left in the nights after the turn."""
ALL_TESTS_EVERY = 10
"""On so many nights one runs all of dbt's tests, the others those that reconcile."""
CHANGES = {"late_sales": 1, "corrected_prices": 1}
BIDS_FROM_NIGHT, BIDS_EVERY = 20, 5
"""Bids settle once there are some among the 45 days that a daily crawl reads again."""
COLUMNS = "night day        shown raw   sales rej. late corr. n  MAPE  bias  model  s"


@dataclass
class NightRecord:
    """One line of the table."""

    night: int
    day: date
    level: float
    counts: dict[str, Any] = field(default_factory=dict)
    late: int = 0
    corrected: int = 0
    settled: int = 0
    errors_pct: list[float] = field(default_factory=list)
    has_trained: bool = False
    serves: int = 0
    said: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def line(self) -> str:
        """Write the night as a line."""
        trained = "*" if self.has_trained else " "
        errors = self.errors_pct
        mape = f"{statistics.mean(map(abs, errors)):5.1f}" if errors else "    -"
        bias = f"{statistics.median(errors):+5.1f}" if errors else "    -"
        counts = defaultdict(int, self.counts)
        return (
            f"{self.night:5} {self.day} {counts['shown']:5} {counts['cards']:5} "
            f"{counts['sales']:5} {counts['rejected']:4} {self.late:4} "
            f"{self.corrected + self.settled:5} {len(errors):2} {mape} {bias} "
            f"{self.serves:4}{trained} {self.seconds:4.0f}"
        )


@dataclass(frozen=True)
class Plan:
    """How the nights are to be."""

    nights: int
    sales_per_night: int
    turn: dict[str, Any]
    redesign: int
    """The night on which the site wears a shape that nobody knows."""

    @classmethod
    def of(cls, options: argparse.Namespace, first_day: date) -> Plan:
        """Read the command line."""
        first = first_day + timedelta(days=options.turn_from - 1)
        turn = {"first": f"{first}", "days": options.turn_days, "pct": TURN_PCT}
        return cls(
            options.nights, options.sales_per_night, turn, max(2, options.nights // 2)
        )

    def level(self, day: date) -> float:
        """Give the turn's factor of a day."""
        from scrapy_project.replica.nights import Turn

        first = date.fromisoformat(self.turn["first"])
        return Turn(first=first, days=self.turn["days"], pct=TURN_PCT).factor(day)


@dataclass
class Nights:
    """The site, the data folder and the assets that the nights run over."""

    plan: Plan
    site: Site
    settings: Settings
    assets: NightlyAssets
    say: Callable[[str], None]

    def history(self) -> None:
        """Crawl and build the time before the first night, and train on it."""
        import nights

        started = time.monotonic()
        nights.make_it(nights.FIRST_DAY, 3)
        if not self.settings.warehouse_path.exists():
            outcome = self.assets.run(nights.HISTORY, all_tests=True)
            if not outcome.success:
                raise SlutprisError(f"the history is not built: {outcome.errors}")
        until = nights.FIRST_DAY - timedelta(days=1)
        account = nights.account(self.settings, self.site.truth(), until)
        if account.wrong:
            raise SlutprisError(f"the history does not add up: {account.wrong}")
        self.say(f"history: {account.counts}, {time.monotonic() - started:.0f} s")

    def records(self) -> Iterator[NightRecord]:
        """Live through the nights."""
        import nights

        for number in range(1, self.plan.nights + 1):
            day = nights.FIRST_DAY + timedelta(days=number - 1)
            started = time.monotonic()
            record = NightRecord(number, day, self.plan.level(day))
            self._day(record)
            self._night(record)
            record.seconds = time.monotonic() - started
            yield record

    def _day(self, record: NightRecord) -> None:
        """Let a day pass on the site; value its homes before any crawl sees them."""
        import nights

        nights.make_it(record.day, 8)
        told = self.site.control(
            "night",
            day=f"{record.day}",
            sales=self.plan.sales_per_night,
            late_sales=CHANGES["late_sales"],
            turn=self.plan.turn,
            seed=7,
        )
        changed = self.site.control(
            "change",
            seed=record.night,
            corrected_prices=CHANGES["corrected_prices"],
            settled_bids=int(
                record.night >= BIDS_FROM_NIGHT and record.night % BIDS_EVERY == 0
            ),
        )
        record.late = len(told["late_sales"])
        record.corrected = len(changed["corrected_prices"])
        record.settled = len(changed["settled_bids"])
        sold = nights.apartments(self.site, told["sales"])
        record.errors_pct = errors(nights.value_sales(self.settings, record.day, sold))

    def _night(self, record: NightRecord) -> None:
        import nights

        is_redesigned = record.night == self.plan.redesign
        nights.make_it(record.day + timedelta(days=1), 3)
        shape = "unknown" if is_redesigned else "2026-06"
        self.site.control("mode", shape=shape)
        reader = nights.HeldSnapshot(self.settings)
        before = nights.crawl_endings(self.settings)
        is_weekly = record.night % ALL_TESTS_EVERY == 0
        outcome = self.assets.run(nights.crawl_until(record.day), all_tests=is_weekly)
        record.has_trained = outcome.has_trained
        record.said = [*outcome.errors, *outcome.alerts]
        record.serves = nights.model_version(self.settings)
        record.wrong += reader.release(self.settings, is_renewed=not is_redesigned)
        if is_redesigned:
            self._must_have_noticed(record, outcome, before)
            return
        if not outcome.success:
            record.wrong.append(f"the night failed: {outcome.errors}")
        account = nights.account(self.settings, self.site.truth(), record.day)
        record.counts = account.counts
        record.wrong += account.wrong

    def _must_have_noticed(
        self, record: NightRecord, outcome: Any, before: Any
    ) -> None:
        import nights

        if not any(each.startswith("problem:") for each in outcome.alerts):
            record.wrong.append("no alert told of the redesign")
        ended = nights.crawl_endings(self.settings) - before
        if outcome.success or not any("exit code 5" in each for each in outcome.errors):
            record.wrong.append(f"the redesign was not noticed: {outcome}")
        if set(ended) != {"unknown_shape"}:
            record.wrong.append(f"the crawl's own record says {ended}")
        yesterday = record.day - timedelta(days=1)
        record.said.append(f"noticed: the crawl ended as {dict(ended)}")
        # What the site has since is not there: hold it against the day before.
        held = nights.held_counts(self.settings)
        record.counts = held
        if held["newest"] > yesterday:
            record.wrong.append(f"something of the redesign has landed: {held}")


def errors(valued: list[Valued]) -> list[float]:
    """Give the errors of valuations."""
    return [each.error_pct for each in valued]


def summaries(records: list[NightRecord]) -> list[dict[str, Any]]:
    """Error and bias by month."""
    months: dict[str, list[NightRecord]] = defaultdict(list)
    for record in records:
        months[f"{record.day:%Y-%m}"].append(record)
    return [figures(month, found) for month, found in months.items()]


def figures(title: str, records: list[NightRecord]) -> dict[str, Any]:
    """Sum up some nights."""
    found = [error for record in records for error in record.errors_pct]
    return {
        "period": title,
        "nights": len(records),
        "level": round(records[-1].level, 3),
        "valued": len(found),
        "mape_pct": round(statistics.mean(map(abs, found)), 2),
        "mdape_pct": round(statistics.median(map(abs, found)), 2),
        "bias_pct": round(statistics.median(found), 2),
        "late": sum(record.late for record in records),
        "corrected": sum(record.corrected + record.settled for record in records),
        "trained": sum(record.has_trained for record in records),
        "seconds_a_night": round(statistics.mean(r.seconds for r in records), 1),
    }


def verdict(records: list[NightRecord], plan: Plan) -> tuple[dict[str, Any], list[str]]:
    """Tell whether the model has followed the turn, once the turn is over."""
    after = [record for record in records if record.level <= 1 + TURN_PCT / 100 + 1e-9]
    if len(after) < CALM_NIGHTS:
        return {}, []
    found = figures("after the turn", after)
    if abs(found["bias_pct"]) > BIAS_BOUND_PCT:
        return found, [
            f"after the turn the bias is {found['bias_pct']} %, beyond "
            f"{BIAS_BOUND_PCT} %: the model does not follow"
        ]
    return found, []


def main() -> int:
    """Run the command line."""
    options = _parser().parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="slutpris-nights-"))
    folder.mkdir(parents=True, exist_ok=True)
    if not (simulated_clock.is_simulated() or options.real_clock):
        simulated_clock.become(folder)
    try:
        return _run(options, folder)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def _start_under_clock(folder: Path) -> None:
    """Become the same command in a process that lives by a simulated clock."""
    clock = simulated_clock.environment(folder)
    if clock:
        given = [
            *sys.argv,
            *([] if "--folder" in sys.argv else ["--folder", f"{folder}"]),
        ]
        os.execve(sys.executable, [sys.executable, *given], os.environ | clock)


def _run(options: argparse.Namespace, folder: Path) -> int:
    import nights

    say = _sayer()
    plan = Plan.of(options, nights.FIRST_DAY)
    clock = "simulated" if simulated_clock.is_simulated() else "real"
    say(
        f"{plan.nights} nights from {nights.FIRST_DAY}, {clock} clock, turn {plan.turn}"
    )
    history_until = nights.FIRST_DAY - timedelta(days=1)
    options_of_site = ("--sales-per-month", f"{nights.HISTORY_PER_MONTH}")
    with (
        running(*options_of_site, "--today", f"{history_until}") as site,
        inbox() as box,
        nights.output_to(folder / "nights.log"),
    ):
        settings = nights.prepare_environment(folder / "data", site.address)
        lived = Nights(plan, site, settings, nights.NightlyAssets(box), say)
        lived.history()
        return _report(lived, options, say)


def _report(
    lived: Nights, options: argparse.Namespace, say: Callable[[str], None]
) -> int:
    import nights

    say(COLUMNS)
    records: list[NightRecord] = []
    try:
        for record in lived.records():
            records.append(record)
            _say_night(record, say)
    except KeyboardInterrupt:
        say(f"stopped after {len(records)} nights; what they were:")
    if not records:
        return INTERRUPTED
    after, objections = verdict(records, lived.plan)
    by_month = summaries(records)
    for each in [*by_month, *([after] if after else [])]:
        say("  ".join(f"{key} {value}" for key, value in each.items()))
    broken = [text for record in records for text in record.wrong] + objections
    say("\n".join(f"BROKEN: {text}" for text in broken) or "every night held")
    if options.json:
        content = {"plan": asdict(lived.plan), "months": by_month, "after": after}
        nights.write_json(
            options.json, content | {"nights": [asdict(each) for each in records]}
        )
    if len(records) < lived.plan.nights:
        return INTERRUPTED
    return 1 if broken else 0


def _say_night(record: NightRecord, say: Callable[[str], None]) -> None:
    say(record.line())
    for text in record.said:
        say(f"      said: {text[:300]}")
    for text in record.wrong:
        say(f"      WRONG: {text}")


def _sayer() -> Callable[[str], None]:
    """Give a way to say things while what libraries print goes to the log."""
    terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")

    def say(text: str) -> None:
        terminal.write(f"{text}\n")
        terminal.flush()

    return say


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--nights", type=int, default=TURN_DAYS + CALM_NIGHTS, metavar="N")
    add("--sales-per-night", type=int, default=7, metavar="N")
    add("--turn-from", type=int, default=1, metavar="NIGHT", help="the turn's first")
    add("--turn-days", type=int, default=TURN_DAYS, metavar="DAYS")
    add("--folder", type=Path, help="where everything lies; a temporary one if unset")
    add("--real-clock", action="store_true", help="do not simulate the wall clock")
    add("--json", type=Path, metavar="OUT")
    return parser


if __name__ == "__main__":
    os.chdir(ROOT)
    exit_with(main)
