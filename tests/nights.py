"""Simulated nights: a site whose days pass, the night's assets, and what must hold.

What belongs here: one night from the day's sales to the published snapshot, and the
account of it. What does not: how many nights, and what goes wrong in them
(``sixty_nights``, ``fault_drills``).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulated_clock import is_simulated, set_clock

from ml.folder_registry import FolderRegistry
from ml.valuation.request import ValuationRequest, allowed_range
from ml.valuation.valuation import PlainValue
from ml.valuation.value import Valuer
from warehouse.serving import current_snapshot_id, open_snapshot
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import dagster as dg
    import duckdb
    from alert_inbox import Inbox
    from running_replica import Site

FIRST_DAY = date(2026, 7, 1)
"""The first of the days that pass; before it lies the market's history."""
HISTORY_FROM = date(2019, 1, 1)
HISTORY_PER_MONTH = 16
APARTMENT = "Lägenhet"
SERVED = "xgboost"
GROUPS = ("ingestion", "seeds", "staging", "intermediate", "marts", "features")
KEYS = (
    f"models/{SERVED}",
    "models/seed_recipe",
    f"champions/{SERVED}",
    "serving/snapshot",
    "feature_store/apartment_features",
    "feature_store/raw_sales",
    "feature_store/apartments",
    f"model_registry/{SERVED}",
    "reports/forward_log",
    "reports/drift",
    "reports/runs",
)
"""The night's assets beside those groups. Left out, for speed: AutoGluon, the blend,
the models for listed homes, the backtest of all models and the agencies' report."""


@dataclass
class Outcome:
    """How a night's run ended, and what it said."""

    success: bool
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    """Titles of the messages that came by webhook."""
    has_trained: bool = False

    @property
    def said(self) -> str:
        """All it said, as one text."""
        return " ".join([*self.errors, *self.warnings, *self.alerts])


class NightlyAssets:
    """The night's assets, run in this process as one run of Dagster."""

    def __init__(self, box: Inbox | None = None) -> None:
        self._box = box
        # Here, not above: the dbt manifest lies in the data folder of this run.
        from dagster_assets.definitions import defs

        definitions = defs()
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self._graph = definitions.resolve_asset_graph()

    def run(
        self, crawl: Mapping[str, Any], stage: str = "all", *, all_tests: bool = False
    ) -> Outcome:
        """Materialize them all, or those of one stage.

        Dagster's checks run every time; of dbt's some two hundred tests, which take
        longer than all else, those that reconcile, unless all are asked for.
        """
        import dagster as dg

        keys = {
            node.key
            for node in self._graph.asset_nodes
            if node.is_materializable and _is_of_the_night(node) and STAGES[stage](node)
        }
        checks = {
            key
            for key in self._graph.asset_check_keys
            if key.asset_key in keys and (all_tests or _is_cheap(key))
        }
        job = self._job.get_subset(asset_selection=keys, asset_check_selection=checks)
        ops = {"booli_crawl": {"config": dict(crawl)}}
        with dg.DagsterInstance.get() as instance:
            result = job.execute_in_process(
                instance=instance,
                run_config={
                    "ops": ops if stage in ("all", "data", "landing") else {},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                raise_on_error=False,
            )
            outcome = _outcome(result)
            outcome.alerts = _tell(instance, self._box) if self._box else []
        if any("DagsterExecutionInterruptedError" in each for each in outcome.errors):
            # Dagster ends the run in good order, and keeps to itself that it was told.
            raise KeyboardInterrupt
        return outcome


def _tell(instance: dg.DagsterInstance, box: Inbox) -> list[str]:
    """Look as the alerts' sensor does, and give the titles of what was sent."""
    from dagster_assets.alerts import look_and_tell

    os.environ["SLUTPRIS_ALERT_WEBHOOK"] = box.address
    look_and_tell(instance, [], Settings())
    return box.empty()


RECONCILING = (
    "assert_every_sale_is_accepted_once_or_rejected",
    "assert_raw_rows_are_sales_or_rejected",
    "assert_stages_reconcile",
    "assert_duplicates_point_at_another_sale",
)
OWN_CHECKS = ("raw", "models", "champions", "serving", "reports", "feature_store")
MART_CHECKS = ("rejected_share", "raw_rows_reconcile", *RECONCILING)


def _is_cheap(key: Any) -> bool:
    return key.asset_key.path[0] in OWN_CHECKS or key.name in MART_CHECKS


def _group(*names: str) -> Callable[[Any], bool]:
    return lambda node: node.group_name in names


STAGES: dict[str, Callable[[Any], bool]] = {
    "all": lambda _: True,
    "data": _group(*GROUPS[:-1], "serving"),
    "landing": _group("ingestion"),
    "build": _group("seeds", "staging", "intermediate", "marts"),
    "train": _group("features", "models"),
    "gate": lambda node: node.key.to_user_string() == f"champions/{SERVED}",
    "publish": _group("serving", "publishing"),
}


def _is_of_the_night(node: Any) -> bool:
    return node.group_name in GROUPS or node.key.to_user_string() in KEYS


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    checks = [each for each in result.get_asset_check_evaluations() if not each.passed]
    told = [
        f"{each.asset_check_key.name}: {each.description or 'failed'}"
        for each in checks
    ]
    errors = [
        " ".join((event.step_failure_data.error.cause or event.step_failure_data.error)
                 .message.split())
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.error
    ]  # fmt: skip
    trained = [
        materialization.metadata["trained_now"].value
        for event in result.get_asset_materialization_events()
        if "trained_now" in (materialization := event.materialization).metadata
        and materialization.asset_key.path == ["models", SERVED]
    ]
    return Outcome(result.success, errors, told, has_trained=any(trained))


def prepare_home(folder: Path) -> Path:
    """Make Dagster's own folder within a data folder."""
    home = folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return home


def prepare_environment(folder: Path, address: str) -> Settings:
    """Point this process and its children at a data folder and a site."""
    home = prepare_home(folder)
    os.environ |= {
        "SLUTPRIS_DATA": str(folder),
        "BOOLI_BASE_URL": address,
        "DAGSTER_HOME": str(home),
        "OMP_WAIT_POLICY": "PASSIVE",
        # Where dbt finds what it has parsed before, and need not parse again.
        "DBT_TARGET_PATH": str(folder / "dbt" / "target"),
    }
    os.environ.setdefault("SLUTPRIS_THREADS", "1")
    return Settings()


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Send what this process and its children print to a file."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    with path.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


# The clock


def make_it(day: date, hour: int) -> None:
    """Set the clock, where there is one that can be set."""
    if is_simulated():
        set_clock(datetime.combine(day, time(hour), UTC))


def crawl_until(day: date, **more: Any) -> dict[str, Any]:
    """Configure a crawl whose last sold date is a day."""
    return {"mode": "DAILY", "details": "RECENT", "to_date": f"{day}", **more}


HISTORY = crawl_until(
    FIRST_DAY - timedelta(days=1),
    mode="BULK",
    details="ALL",
    from_date=f"{HISTORY_FROM}",
)


# Valuations before the sale is known


@dataclass
class Valued:
    """A home valued on the day of its sale by what served that morning."""

    booli_id: int
    value_sek: int
    price_sek: int

    @property
    def error_pct(self) -> float:
        """By how much the value lies above the price."""
        return 100 * (self.value_sek / self.price_sek - 1)


def value_sales(settings: Settings, day: date, truth: list[dict]) -> list[Valued]:
    """Value homes as the served model does, before any crawl has seen their sales."""
    valuer = Valuer(settings)
    try:
        requests = [_request(sale, day) for sale in truth]
        values = valuer.value_many(requests) if requests else []
    finally:
        valuer.close()
    return [
        Valued(sale["booli_id"], round(value.value_sek), sale["true_price_sek"])
        for sale, value in zip(truth, values, strict=True)
        if isinstance(value, PlainValue)
    ]


def _request(sale: Mapping[str, Any], day: date) -> ValuationRequest:
    oldest, newest = allowed_range("construction_year")
    year = sale["true_construction_year"]
    # An owner of a house older than a request may say leaves its year out.
    is_told = year is not None and oldest <= year <= newest
    return ValuationRequest.of(
        address=sale["true_address"],
        living_area_m2=sale["true_living_area_m2"],
        rooms=sale["rooms"],
        floor=sale["true_floor"],
        fee_sek_per_month=sale["true_fee_sek_per_month"],
        construction_year=year if is_told else None,
        date=day,
    )


# What must hold


ACCOUNT = """
    select
        (select count(*) from raw.sale_cards) as cards,
        (select count(*) from marts.sales) as sales,
        (select count(*) from marts.rejected_sales) as rejected,
        (select count(*) from marts.duplicate_sales) as duplicates,
        (select count(distinct sale_id) from marts.sales) as distinct_sales,
        (select count(*) from (
            select content_sha256 = lag(content_sha256) over (
                partition by booli_id order by observed_at
            ) as is_repeated from raw.sale_cards
        ) where is_repeated) as repeated_cards,
        (select count(*) from raw.crawl_runs where finished_at is null) as unfinished,
        (select max(sold_date) from marts.sales) as newest
"""
NEWEST_PRICES = """
    select booli_id, arg_max(sold_price_sek, observed_at) from raw.sale_cards group by 1
"""
ACCEPTED_PRICES = """
    select source_id::bigint, sold_price_sek from marts.sales where platform = 'booli'
"""


@dataclass
class Account:
    """What the warehouse holds after a night, and what is wrong with it."""

    counts: dict[str, Any]
    wrong: list[str]


def account(settings: Settings, truth: list[dict], until: date) -> Account:
    """Hold the warehouse and its snapshot against what the site shows."""
    with connect(settings.warehouse_path, read_only=True) as connection:
        counts = _row(connection, ACCOUNT)
        shown = {
            sale["booli_id"]: sale["sold_price_sek"]
            for sale in truth
            if sale["object_type"] == APARTMENT
            and f"{HISTORY_FROM}" <= sale["sold_date"] <= f"{until}"
        }
        wrong = [*_miscounted(counts), *_unlike(connection, shown)]
        wrong += _snapshot_unlike(connection, settings, counts)
    return Account(counts | {"shown": len(shown)}, wrong)


def held_counts(settings: Settings) -> dict[str, Any]:
    """Give what the warehouse holds, whatever the site shows."""
    with connect(settings.warehouse_path, read_only=True) as connection:
        return _row(connection, ACCOUNT)


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    answer = connection.execute(query)
    names = [column[0] for column in answer.description or []]
    return dict(zip(names, answer.fetchall()[0], strict=True))


def _miscounted(counts: Mapping[str, Any]) -> Iterator[str]:
    if counts["cards"] != counts["sales"] + counts["rejected"]:
        yield f"{counts['cards']} cards are not sales and rejected: {counts}"
    if counts["sales"] != counts["distinct_sales"]:
        yield f"sales stand doubled in marts.sales: {counts}"
    if counts["repeated_cards"]:
        yield f"{counts['repeated_cards']} observations say what the one before said"


def _unlike(
    connection: duckdb.DuckDBPyConnection, shown: Mapping[int, int]
) -> Iterator[str]:
    held = dict(connection.execute(NEWEST_PRICES).fetchall())
    if missing := shown.keys() - held.keys():
        yield f"{len(missing)} sales of the site are not held: {sorted(missing)[:3]}"
    if extra := held.keys() - shown.keys():
        yield f"{len(extra)} sales are held that the site does not show"
    stale = {key for key in held.keys() & shown.keys() if held[key] != shown[key]}
    if stale:
        yield f"{len(stale)} prices are not as the site shows them: {sorted(stale)[:3]}"
    for key, price in connection.execute(ACCEPTED_PRICES).fetchall():
        if shown.get(key) not in (None, price):
            yield f"marts.sales has {price} for {key}, the site shows {shown[key]}"


def _snapshot_unlike(
    connection: duckdb.DuckDBPyConnection, settings: Settings, counts: Mapping[str, Any]
) -> Iterator[str]:
    with open_snapshot(settings.serving_dir) as snapshot:
        for table in snapshot.manifest.tables:
            query = f'select count(*) from marts."{table.name}"'
            in_warehouse = connection.execute(query).fetchall()[0][0]
            in_snapshot = snapshot.connection.execute(query).fetchall()[0][0]
            if not in_warehouse == in_snapshot == table.row_count:
                yield f"snapshot has {in_snapshot} {table.name}, not {in_warehouse}"
        newest = snapshot.connection.execute("select max(sold_date) from marts.sales")
        if newest.fetchall()[0][0] != counts["newest"]:
            yield "the snapshot's newest sale is not the warehouse's"


class HeldSnapshot:
    """A reader that opens a snapshot and holds on to it while others are published."""

    def __init__(self, settings: Settings) -> None:
        self._snapshot = open_snapshot(settings.serving_dir)
        self._read_first = self._read()

    def release(self, settings: Settings, *, is_renewed: bool) -> list[str]:
        """Read again, let go and say what was wrong."""
        wrong = []
        if self._read() != self._read_first:
            wrong.append("a reader's snapshot changed under it")
        is_same = (
            current_snapshot_id(settings.serving_dir) == self._snapshot.snapshot_id
        )
        if is_same == is_renewed:
            state = "no new" if is_same else "a new"
            wrong.append(f"{state} snapshot was published")
        self._snapshot.close()
        return wrong

    def _read(self) -> list[tuple]:
        return self._snapshot.connection.execute(
            "select count(*), max(sold_date), sum(sold_price_sek) from marts.sales"
        ).fetchall()


def model_version(settings: Settings) -> int:
    """Number of the version that serves."""
    from ml.serving_models import ServingRegistry

    registry = ServingRegistry(settings)
    return registry.get(SERVED).version


def registered(settings: Settings) -> int:
    """Number of versions the registry holds of what serves."""
    return len(FolderRegistry(settings.registry_dir).numbers(SERVED))


def crawl_endings(settings: Settings) -> Counter[str]:
    """How the crawls ended, by word."""
    with connect(settings.warehouse_path, read_only=True) as connection:
        rows = connection.execute(
            "select coalesce(finish_reason, 'none') from raw.crawl_runs"
        ).fetchall()
    return Counter(reason for (reason,) in rows)


def apartments(site: Site, wanted: Sequence[int]) -> list[dict[str, Any]]:
    """Give the truth of some sales."""
    ids = set(wanted)
    return [sale for sale in site.truth() if sale["booli_id"] in ids]


def write_json(path: Path, content: object) -> None:
    """Keep a result as JSON."""
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def main() -> int:
    """Run one night, or a stage of it, in a process that can be killed."""
    parser = argparse.ArgumentParser(description="One night, as a process of its own.")
    parser.add_argument("--to-date", type=date.fromisoformat, required=True)
    parser.add_argument("--stage", choices=list(STAGES), default="all")
    parser.add_argument("--history", action="store_true")
    parser.add_argument("--all-tests", action="store_true")
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    assets = NightlyAssets()
    options.result.write_text("started")
    crawl = HISTORY if options.history else crawl_until(options.to_date)
    outcome = assets.run(crawl, options.stage, all_tests=options.all_tests)
    write_json(options.result, asdict(outcome))
    return 0 if outcome.success else 1


if __name__ == "__main__":
    sys.exit(main())
