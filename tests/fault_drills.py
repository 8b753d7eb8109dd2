"""Faults on purpose, one after another, each on a copy of one small data folder.

``python tests/fault_drills.py`` says for each drill what was done, what the system
said, whether anything was lost or doubled, whether the last good state still answered,
and whether the next night repaired it. It exits with 1 where one of these is not so.
``--only NAME`` runs one, ``--list`` names them; docs/faults.md tells of all.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import duckdb
import nights
import simulated_clock
from alert_inbox import Inbox
from dagster import DagsterError
from running_replica import ROOT, Site, running
from sqlalchemy.exc import SQLAlchemyError

from ml.champions import Champions
from warehouse.errors import SlutprisError, WarehouseBusyError, exit_with
from warehouse.serving import open_snapshot
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = nights.FIRST_DAY
KILLS = 20
LETS_GO_WITHIN_S = 20
FREE_BYTES = 48 << 10
"""Room that a full disk still has: a page or two, so that opening files succeeds."""
DISK_BYTES = 600 << 20

# What two runs over the same site must have alike, whenever each was run.
ALIKE = {
    "raw.sale_cards": "select booli_id, content_sha256 from raw.sale_cards",
    "raw.homes": "select url, content_sha256 from raw.homes",
    "marts.sales": "select sale_id, sold_date, sold_price_sek, living_area_m2,"
    " district, floor, construction_year from marts.sales",
    "marts.rejected_sales": "select sale_id, rule from marts.rejected_sales",
    "marts.sale_features": "select sale_id, price_index_sek_per_m2"
    " from marts.sale_features",
}


@dataclass
class Drill:
    """How a drill went."""

    name: str
    done: str
    said: list[str] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def check(self, what: str, wrong: list[str]) -> None:
        """Note what was looked at, and what was wrong with it."""
        self.wrong.setdefault(what, []).extend(wrong)

    @property
    def held(self) -> bool:
        """Tell whether nothing was wrong."""
        return not any(self.wrong.values())

    def lines(self) -> Iterator[str]:
        """Write it down."""
        verdicts = [
            f"{what} {'NO' if wrong else 'yes'}" for what, wrong in self.wrong.items()
        ]
        yield f"{self.name}: {self.done}; {', '.join(verdicts)} ({self.seconds:.0f} s)"
        for text in self.said:
            yield f"    said: {text[:400]}"
        for what, wrong in self.wrong.items():
            for text in wrong:
                yield f"    WRONG ({what}): {text}"


LOST, ANSWERED, REPAIRED = "nothing lost or doubled", "last good answered", "repaired"
SAID = "said so"


@dataclass
class Lab:
    """A site, a data folder that had its history built, and copies of it."""

    base: Path
    folder: Path
    seed: int
    kills: int = KILLS
    kill_stage: str = "all"

    @contextmanager
    def site(self) -> Iterator[Site]:
        """Serve the market as it is when a day has passed since the history."""
        today = DAY - timedelta(days=1)
        options = ("--sales-per-month", f"{nights.HISTORY_PER_MONTH}")
        with running(*options, "--today", f"{today}") as site:
            site.control("night", day=f"{DAY}", sales=7, late_sales=2, seed=7)
            site.control("change", seed=1, corrected_prices=3)
            yield site

    @property
    def data(self) -> Path:
        """Where every drill has its folder: what dbt has parsed holds for one path."""
        return self.folder / "data"

    def copy(self) -> Path:
        """Give a drill a data folder of its own."""
        for each in self.data.iterdir() if self.data.exists() else ():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        shutil.copytree(self.base, self.data, symlinks=True, dirs_exist_ok=True)
        return self.data


@dataclass
class Worker:
    """Nights over a data folder: in this process, or in one that can be killed."""

    data: Path
    site: Site
    day: date = DAY
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.data, threads=1)

    @property
    def result(self) -> Path:
        return self.data.with_suffix(".result.json")

    @property
    def log(self) -> Path:
        return self.data.with_suffix(".log")

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Let this process and its children live in the data folder."""
        nights.prepare_environment(self.data, self.site.address)
        os.environ |= self.environment
        try:
            yield
        finally:
            for name in self.environment:
                del os.environ[name]

    def run(self, stage: str = "data", *, crawl: dict | None = None) -> nights.Outcome:
        """Run a night to its end, or a stage of it: without models if none is named.

        What is printed goes to the log.
        """
        crawl = crawl or nights.crawl_until(self.day)
        with self.surroundings(), nights.output_to(self.log):
            return _assets().run(crawl, stage)

    def start(self, stage: str) -> subprocess.Popen[str]:
        """Start a night as a process of its own."""
        self.result.unlink(missing_ok=True)
        command = [sys.executable, "tests/nights.py", "--to-date", f"{self.day}"]
        with self.surroundings(), self.log.open("a", encoding="utf-8") as output:
            return subprocess.Popen(
                [*command, "--stage", stage, "--result", f"{self.result}"],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                text=True,
            )

    def wait_until_started(self) -> None:
        """Wait until the process has read the definitions and begins the night."""
        while not self.result.exists():
            time.sleep(0.1)

    def wrong(self) -> list[str]:
        """Hold the warehouse and the snapshot against the site."""
        return nights.account(self.settings, self.site.truth(), self.day).wrong


@cache
def _assets() -> nights.NightlyAssets:
    box = Inbox()
    Thread(target=box.serve_forever, daemon=True).start()
    return nights.NightlyAssets(box)


def answers(settings: Settings, site: Site) -> list[str]:
    """Say what is wrong with valuations by what is published now."""
    sold = [sale for sale in site.truth() if sale["sold_date"] == f"{DAY}"][:3]
    try:
        valued = nights.value_sales(settings, DAY, sold)
    except SlutprisError as error:
        return [f"no valuation: {error}"]
    return [] if valued else ["none of the homes could be valued"]


def repaired(outcome: nights.Outcome) -> list[str]:
    """Say what is wrong with a night that should have repaired everything."""
    return [] if outcome.success else outcome.errors or ["it failed without a word"]


def told(outcome: nights.Outcome, *words: str) -> list[str]:
    """Say which words are missing in what a night that had to fail said."""
    text = outcome.said.lower()
    wrong = [
        f"nothing was said of {word!r}" for word in words if word.lower() not in text
    ]
    if outcome.success:
        wrong.append("the run called itself a success")
    if not any(each.startswith("problem:") for each in outcome.alerts):
        wrong.append("no alert was sent")
    return wrong


# Killed at any moment


def killed(lab: Lab) -> Iterator[Drill]:
    """Kill the run's process at seeded moments of its whole length."""
    with lab.site() as site:
        undisturbed = Worker(lab.copy(), site, environment=RETRAIN)
        seconds = _seconds_of(lab, undisturbed)
        wanted = contents(undisturbed.settings)
        for number in range(lab.kills):
            moment_s = random.Random(f"{lab.seed}/{number}").uniform(0, seconds)
            yield _killed_once(lab, site, number, moment_s, seconds, wanted)


RETRAIN = {"SLUTPRIS_RETRAIN_DAYS": "0"}
"""So that a night trains, whenever the last model was made."""


def _seconds_of(lab: Lab, worker: Worker) -> float:
    process = worker.start(lab.kill_stage)
    worker.wait_until_started()
    started = time.monotonic()
    if process.wait():
        raise SlutprisError(f"the undisturbed run failed; see {worker.log}")
    return time.monotonic() - started


def _killed_once(
    lab: Lab,
    site: Site,
    number: int,
    moment_s: float,
    whole_s: float,
    wanted: dict[str, list],
) -> Drill:
    worker = Worker(lab.copy(), site, environment=RETRAIN)
    process = worker.start(lab.kill_stage)
    worker.wait_until_started()
    time.sleep(moment_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    drill = Drill(
        f"killed-{number:02}", f"kill -9 after {moment_s:.0f} of {whole_s:.0f} s"
    )
    drill.check(ANSWERED, answers(worker.settings, site))
    drill.check("no orphan holds the warehouse", held(worker.settings))
    drill.check(REPAIRED, repaired(worker.run(lab.kill_stage)))
    drill.check(LOST, [*worker.wrong(), *unlike(contents(worker.settings), wanted)])
    return drill


def held(settings: Settings) -> list[str]:
    """Say who still holds the warehouse after some seconds."""
    deadline = time.monotonic() + LETS_GO_WITHIN_S
    while True:
        try:
            connect(settings.warehouse_path).close()
        except WarehouseBusyError as error:
            if time.monotonic() > deadline:
                return [str(error)]
            time.sleep(0.5)
        else:
            return []


def contents(settings: Settings) -> dict[str, list]:
    """Read what two runs must have alike."""
    with connect(settings.warehouse_path, read_only=True) as connection:
        return {
            name: sorted(connection.execute(query).fetchall(), key=repr)
            for name, query in ALIKE.items()
        }


def unlike(found: dict[str, list], wanted: dict[str, list]) -> list[str]:
    """Name what differs."""
    return [
        f"{name} has {len(found[name])} rows unlike the {len(wanted[name])} of a run "
        "that nobody disturbed"
        for name in wanted
        if found[name] != wanted[name]
    ]


# A full disk


def disk_full(name: str, lab: Lab) -> Iterator[Drill]:
    """Fill the disk before landing, before dbt or before publishing."""
    with lab.site() as site, small_disk(lab.data) as disk:
        # Dagster's own storage lies elsewhere, or it would end the run before that.
        home = nights.prepare_home(lab.folder)
        worker = Worker(lab.copy(), site, environment={"DAGSTER_HOME": f"{home}"})
        for stage in DISK_STAGES[name]:
            worker.run(stage)
        ballast = disk / "ballast"
        fill(disk, ballast)
        outcome = run_on_full_disk(worker, name)
        drill = Drill(f"disk-full-{name}", f"no room left when {name} began")
        drill.said = [*outcome.errors, *outcome.alerts]
        drill.check(SAID, told_of_full_disk(outcome))
        drill.check(ANSWERED, answers(worker.settings, site))
        ballast.unlink()
        drill.check(REPAIRED, repaired(worker.run()))
        drill.check(LOST, worker.wrong())
        yield drill


def run_on_full_disk(worker: Worker, stage: str) -> nights.Outcome:
    """Run a stage; what Dagster raises beside the step's own error is told too."""
    try:
        return worker.run(stage)
    except (OSError, SQLAlchemyError, duckdb.Error, DagsterError) as error:
        return nights.Outcome(success=False, errors=[f"the run was ended by: {error}"])


DISK_STAGES = {
    "landing": (),
    "build": ("landing",),
    "publish": ("landing", "build"),
}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of its own; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", f"{folder}"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise SlutprisError("a small disk cannot be mounted here; run this as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", f"{folder}"], check=False)


def fill(disk: Path, ballast: Path) -> None:
    """Leave next to no room on a disk."""
    free = shutil.disk_usage(disk).free - FREE_BYTES
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free))


def told_of_full_disk(outcome: nights.Outcome) -> list[str]:
    """Say what is missing in how a full disk was told of."""
    text = outcome.said.lower()
    wrong = ["the run called itself a success"] if outcome.success else []
    if not any(each.startswith("problem:") for each in outcome.alerts):
        wrong.append("no alert was sent")
    if not any(word in text for word in ("no space left", "disk", "no room")):
        wrong.append(f"no word of the disk in: {text[:300]}")
    return wrong


# A busy warehouse

HOLD = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(3600)
"""


def busy(lab: Lab) -> Iterator[Drill]:
    """Let another process hold the warehouse all night."""
    with lab.site() as site:
        worker = Worker(lab.copy(), site)
        path = f"{worker.settings.warehouse_path}"
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            outcome = worker.run()
            drill = Drill("busy", f"process {holder.pid} held the warehouse all night")
            drill.said = [*outcome.errors, *outcome.alerts]
            drill.check(SAID, told(outcome, "another process", f"PID {holder.pid}"))
            drill.check(ANSWERED, answers(worker.settings, site))
            holder.kill()
        drill.check(REPAIRED, repaired(worker.run()))
        drill.check(LOST, worker.wrong())
        yield drill


# A damaged champion


def damaged_model(lab: Lab) -> Iterator[Drill]:
    """Flip one byte of the file that serves."""
    with lab.site() as site:
        worker = Worker(lab.copy(), site, environment=RETRAIN)
        for stage in ("landing", "build", "train"):
            worker.run(stage)
        settings = worker.settings
        promote_newest(settings)
        serves = nights.model_version(settings)
        target = flip_a_byte(settings, serves)
        drill = Drill(
            "damaged-model", f"one byte of version {serves} ({target}) flipped"
        )
        drill.check(ANSWERED, answers(settings, site))
        drill.said = [note_of(settings)]
        worker.environment = {}
        outcome = worker.run("all")
        drill.said += [*outcome.errors, *outcome.warnings, *outcome.alerts]
        drill.check(SAID, told_of_damage(outcome))
        drill.check(ANSWERED, answers(settings, site))
        last = worker.run("all")
        drill.check(REPAIRED, [*repaired(last), *still_damaged(settings, serves)])
        drill.check(LOST, worker.wrong())
        yield drill


def promote_newest(settings: Settings) -> None:
    """Let the newest version serve, so that there is one before it."""
    champions = Champions.of(settings)
    for version in champions.registry.numbers(nights.SERVED)[-2:]:
        champions.promote(nights.SERVED, version, by="drill", reason="a drill")


def flip_a_byte(settings: Settings, version: int) -> str:
    folder = settings.registry_dir / nights.SERVED / f"{version}" / "model"
    files = sorted(folder.rglob("*"), key=lambda path: path.stat().st_size)
    path = [each for each in files if each.is_file()][-1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path.name


def told_of_damage(outcome: nights.Outcome) -> list[str]:
    text = outcome.said
    return [] if "not what was registered" in text or "intact" in text else [text[:300]]


def note_of(settings: Settings) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        served, _ = Champions.of(settings).fetch_served(nights.SERVED, Path(scratch))
    return served.note or "(no note)"


def still_damaged(settings: Settings, damaged: int) -> list[str]:
    with tempfile.TemporaryDirectory() as scratch:
        served, _ = Champions.of(settings).fetch_served(nights.SERVED, Path(scratch))
    is_damaged = served.version.version == damaged
    return [f"version {damaged} still serves"] if is_damaged else []


# A snapshot that goes while it is read


def snapshot_removed(lab: Lab) -> Iterator[Drill]:
    """Remove the published folder under a reader."""
    with lab.site() as site:
        worker = Worker(lab.copy(), site)
        settings = worker.settings
        drill = Drill(
            "snapshot-removed", "the snapshot's folder was removed under a reader"
        )
        with open_snapshot(settings.serving_dir) as reader:
            query = "select count(*) from marts.sales"
            before = reader.connection.execute(query).fetchall()
            shutil.rmtree((settings.serving_dir / "current").resolve())
            drill.check("reader", _reads_on(reader, query, before, drill))
        try:
            open_snapshot(settings.serving_dir).close()
            drill.check(SAID, ["a removed snapshot opened"])
        except SlutprisError as error:
            drill.said.append(str(error))
            drill.check(SAID, [] if "publish" in str(error) else [str(error)])
        drill.check(REPAIRED, repaired(worker.run()))
        drill.check(ANSWERED, answers(settings, site))
        drill.check(LOST, worker.wrong())
        yield drill


def _reads_on(reader: Any, query: str, before: list, drill: Drill) -> list[str]:
    try:
        after = reader.connection.execute(query).fetchall()
    except duckdb.IOException as error:
        drill.said.append(f"the reader was told: {str(error).splitlines()[0]}")
        return []
    drill.said.append("the reader read on")
    return [] if after == before else [f"it read {after} after {before}"]


# A clock that jumps


def clock(lab: Lab) -> Iterator[Drill]:
    """Run a night a day ahead, correct a price, and run the next a day behind."""
    if not simulated_clock.is_simulated():
        raise SlutprisError("the clock cannot be set here; a C compiler is needed")
    with lab.site() as site:
        worker = Worker(lab.copy(), site)
        nights.make_it(DAY + timedelta(days=2), 3)
        ahead = worker.run()
        site.control("change", seed=2, corrected_prices=4)
        nights.make_it(DAY, 3)
        behind = worker.run()
        drill = Drill(
            "clock", "a night a day ahead, then prices corrected and one behind"
        )
        drill.said = [*ahead.errors, *behind.errors, *behind.warnings]
        drill.check("both nights ran", [*repaired(ahead), *repaired(behind)])
        drill.check(LOST, worker.wrong())
        drill.check(ANSWERED, answers(worker.settings, site))
        nights.make_it(DAY + timedelta(days=1), 3)
        drill.check(REPAIRED, [*repaired(worker.run()), *worker.wrong()])
        yield drill


# A site that challenges


def challenged(lab: Lab) -> Iterator[Drill]:
    """Let the site answer challenges for a night."""
    with lab.site() as site:
        worker = Worker(lab.copy(), site)
        before = nights.held_counts(worker.settings)
        asked = len(site.log())
        site.control("mode", mode="challenge_403", after_requests=2)
        outcome = worker.run()
        requests = len(site.log()) - asked
        drill = Drill(
            "challenged", f"challenges all night; {requests} requests were made"
        )
        drill.said = [*outcome.errors, *outcome.alerts]
        drill.check(SAID, told(outcome, "exit code 4"))
        drill.check("polite", [f"{requests} requests"] if requests > 8 else [])
        drill.check(ANSWERED, answers(worker.settings, site))
        after = nights.held_counts(worker.settings)
        drill.check(LOST, [] if after["sales"] == before["sales"] else [f"{after}"])
        site.control("mode", mode="open")
        drill.check(REPAIRED, repaired(worker.run()))
        drill.check(LOST, worker.wrong())
        yield drill


# A worse model


def worse_model(lab: Lab) -> Iterator[Drill]:
    """Offer the gate a model trained on shuffled prices."""
    with lab.site() as site:
        worker = Worker(lab.copy(), site)
        for stage in ("landing", "build"):
            worker.run(stage)
        settings = worker.settings
        serves = nights.model_version(settings)
        offered = register_shuffled(settings, lab.seed)
        outcome = worker.run("gate")
        drill = Drill(
            "worse-model", f"version {offered}, trained on shuffled prices, was offered"
        )
        last = Champions.of(settings).history(nights.SERVED).last
        drill.said = [last.reason if last else "no decision", *outcome.warnings]
        drill.check("refused", _refused(settings, serves, offered, last))
        drill.check(ANSWERED, answers(settings, site))
        worker.environment = RETRAIN
        drill.check(REPAIRED, repaired(worker.run("all")))
        drill.check(LOST, worker.wrong())
        yield drill


def _refused(settings: Settings, serves: int, offered: int, last: Any) -> list[str]:
    now = nights.model_version(settings)
    if now != serves:
        return [f"version {now} serves in place of {serves}"]
    if last is None or (last.action, last.version) != ("keep", offered):
        return [f"the log does not say that {offered} was refused: {last}"]
    return []


def register_shuffled(settings: Settings, seed: int) -> int:
    """Register a model that learnt each home's price from another home."""
    from ml.folder_registry import FolderRegistry
    from ml.valuation.described import read_described_sales
    from ml.valuation.registration import _trained, lineage_of

    with connect(settings.warehouse_path, read_only=True) as connection:
        sales = read_described_sales(connection, settings)
    shuffled = sales.assign(
        sold_price_sek=sales["sold_price_sek"]
        .sample(frac=1, random_state=seed)
        .to_numpy()
    )
    registry = FolderRegistry(settings.registry_dir)
    lineage = lineage_of(nights.SERVED, sales, settings)
    version = _trained(
        nights.SERVED, "before_listing", shuffled, settings, registry, lineage
    )
    return version.version


# Poisoned prices


def poisoned(lab: Lab) -> Iterator[Drill]:
    """Show ten times the prices in one district for a night."""
    with lab.site() as site:
        worker = Worker(lab.copy(), site, environment=RETRAIN)
        sold = [sale for sale in site.truth() if sale["sold_date"] == f"{DAY}"]
        before = nights.value_sales(worker.settings, DAY, sold)
        district = most_sold(site)
        since = f"{DAY - timedelta(days=44)}"
        wrong = site.control("reprice", district=district, since=since, factor=10)
        outcome = worker.run("all")
        drill = Drill(
            "poisoned", f"{len(wrong['sales'])} prices of {district} were tenfold"
        )
        drill.said = [*outcome.errors, *outcome.warnings, *outcome.alerts]
        drill.check("flagged", flagged(worker.settings, wrong["sales"]))
        after = nights.value_sales(worker.settings, DAY, sold)
        drill.check("models unharmed", moved(before, after))
        drill.check(SAID, told_of_poison(outcome))
        drill.check(ANSWERED, answers(worker.settings, site))
        site.control("reprice", district=district, since=since, factor=0.1)
        drill.check(REPAIRED, repaired(worker.run()))
        drill.check(LOST, worker.wrong())
        yield drill


def most_sold(site: Site) -> str:
    since = f"{DAY - timedelta(days=44)}"
    found = [s["district"] for s in site.truth() if since <= s["sold_date"] <= f"{DAY}"]
    return max(sorted(set(found)), key=found.count)


def flagged(settings: Settings, ids: list[int]) -> list[str]:
    """Say which of the sales are accepted at their wrong price."""
    with connect(settings.warehouse_path, read_only=True) as connection:
        rows = connection.execute(
            "select source_id from marts.sales where list_contains($ids, source_id)",
            {"ids": [f"{each}" for each in ids]},
        ).fetchall()
    return [f"{len(rows)} of {len(ids)} tenfold prices were accepted"] if rows else []


def moved(before: list[nights.Valued], after: list[nights.Valued]) -> list[str]:
    """Say which homes are valued far from before."""
    then = {each.booli_id: each.value_sek for each in before}
    return [
        f"{each.booli_id}: {then[each.booli_id]} became {each.value_sek}"
        for each in after
        if abs(each.value_sek / then[each.booli_id] - 1) > 0.1
    ]


def told_of_poison(outcome: nights.Outcome) -> list[str]:
    text = outcome.said
    return [] if "rejected" in text else [f"no word of rejected sales: {text[:300]}"]


DRILLS: dict[str, Callable[[Lab], Iterator[Drill]]] = {
    **{f"disk-full-{name}": partial(disk_full, name) for name in DISK_STAGES},
    "busy": busy,
    "damaged-model": damaged_model,
    "snapshot-removed": snapshot_removed,
    "clock": clock,
    "challenged": challenged,
    "worse-model": worse_model,
    "poisoned": poisoned,
    "killed": killed,
}


def prepare(folder: Path) -> Path:
    """Build the history once; a folder that has it is used again."""
    base, data = folder / "base", folder / "data"
    if (base / "ready").exists():
        return base
    for each in (base, data):
        shutil.rmtree(each, ignore_errors=True)
    today = DAY - timedelta(days=1)
    options = ("--sales-per-month", f"{nights.HISTORY_PER_MONTH}")
    nights.make_it(DAY, 3)
    with running(*options, "--today", f"{today}") as site:
        data.mkdir(parents=True)
        outcome = Worker(data, site).run("all", crawl=nights.HISTORY)
    if not outcome.success:
        raise SlutprisError(f"the history could not be built: {outcome.errors}")
    data.rename(base)
    (base / "ready").touch()
    return base


def main() -> int:
    """Run the command line."""
    options = _parser().parse_args()
    if options.list:
        sys.stdout.write("\n".join(DRILLS) + "\n")
        return 0
    folder = options.folder or Path(tempfile.mkdtemp(prefix="slutpris-drills-"))
    folder.mkdir(parents=True, exist_ok=True)
    if not simulated_clock.is_simulated():
        simulated_clock.become(folder)
    lab = Lab(prepare(folder), folder, options.seed, options.kills, options.kill_stage)
    drills = [*_drilled(lab, options.only or [*DRILLS])]
    if options.json:
        nights.write_json(options.json, [asdict(drill) for drill in drills])
    if options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(drill.held for drill in drills) else 1


def _drilled(lab: Lab, names: list[str]) -> Iterator[Drill]:
    for name in names:
        nights.make_it(DAY + timedelta(days=1), 3)
        started = time.monotonic()
        for drill in DRILLS[name](lab):
            drill.seconds = time.monotonic() - started
            started = time.monotonic()
            sys.stdout.write("\n".join(drill.lines()) + "\n")
            sys.stdout.flush()
            yield drill


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--only", action="append", choices=list(DRILLS), metavar="NAME")
    add("--list", action="store_true", help="name the drills")
    add("--seed", type=int, default=1, help="of the moments to kill at")
    add("--kills", type=int, default=KILLS, metavar="N")
    add("--kill-stage", default="all", choices=["all", "data"], help="data: no models")
    add("--folder", type=Path, help="where everything lies; a temporary one if unset")
    add("--json", type=Path, metavar="OUT")
    return parser


if __name__ == "__main__":
    os.chdir(ROOT)
    exit_with(main)
