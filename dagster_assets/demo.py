"""``python -m dagster_assets.demo``: the main job on embedded defaults (`make demo`).

Serves the replica, materializes every asset stage by stage, says what came of it, and
serves the dashboards. Holds no logic of its own: each stage is the Dagster assets.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dagster_assets import children, market, summary
from warehouse.errors import SlutprisError, WarehouseBusyError, exit_with
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.store import connect, make_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator

# Short, so that the whole demo takes minutes; the settings' default is for real runs.
DEMO_AUTOGLUON_TIME_LIMIT_S = 15
DEMO_BACKTEST_MONTHS = 3
FIRST_SOLD_DATE = "2010-01-01"  # the oldest that the warehouse's rules accept
WAREHOUSE_WAIT_S = 60
DASHBOARDS = ["ml/dashboards/valuation.py", "ml/dashboards/monitoring.py"]

LOG = "demo.log"

# Bound to the stdout of now: while a stage runs, what libraries print goes to the log.
console = Console(file=sys.stdout, highlight=False)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dagster_assets.demo", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--sales",
        type=Path,
        help="crawl the replica over the sales of this Parquet file",
    )
    parser.add_argument(
        "--port", type=int, default=5006, help="port of the dashboards (5006)"
    )
    parser.add_argument("--no-serve", action="store_true", help="stop after publishing")
    parser.add_argument(
        "--die-with-parent",
        action="store_true",
        help="end when the calling process is killed (make passes this)",
    )
    return parser.parse_args()


@contextmanager
def replica(sales_file: Path | None) -> Generator[str]:
    """Serve the replica on a free loopback port; gives its address."""
    arguments = ["scrapy_project.replica", "--port", "0"]
    if sales_file:
        arguments += ["--sales", str(sales_file.resolve())]
    process = children.start(arguments, read_output=True)
    try:
        yield _announced_address(process)
    finally:
        process.terminate()
        process.wait()


def _announced_address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        console.print(f"  {line.rstrip()}")
        if line.startswith("address: "):
            return line.removeprefix("address: ").strip()
    raise SlutprisError("the replica did not start; its own message above says why")


def wait_for_warehouse(settings: Settings) -> None:
    """Give a dying process a minute to let go of the warehouse."""
    deadline = time.monotonic() + WAREHOUSE_WAIT_S
    said = False
    while True:
        try:
            if settings.warehouse_path.exists():
                connect(settings.warehouse_path).close()
        except WarehouseBusyError:
            if time.monotonic() > deadline:
                raise
            if not said:
                console.print(
                    "Another process uses the warehouse; "
                    f"waiting up to {WAREHOUSE_WAIT_S} s …"
                )
            said = True
            time.sleep(1)
        else:
            return


def claim_data_folder(settings: Settings, sales_file: Path | None) -> None:
    """Make the data folder this market's own, and say what was set aside for it."""
    moved_to = market.claim(settings, market.market_name(sales_file))
    if moved_to:
        console.print(f"The data folder held another market; it now lies in {moved_to}")


def check_port_is_free(port: int) -> None:
    """Refuse a taken port now, not when everything else is done."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SlutprisError(
                f"port {port} is taken ({error.strerror}); stop what uses it, "
                "or give the dashboards another: make demo PORT=5007"
            ) from error


def prepare_environment(settings: Settings, address: str, *, synthetic: bool) -> None:
    """Point the commands we start at this run's replica and state."""
    home = settings.dagster_home
    os.environ["SLUTPRIS_DATA"] = str(settings.data)
    os.environ["BOOLI_BASE_URL"] = address
    os.environ["DAGSTER_HOME"] = str(home)
    if synthetic:
        os.environ.setdefault(
            "SLUTPRIS_AUTOGLUON_TIME_LIMIT_S", str(DEMO_AUTOGLUON_TIME_LIMIT_S)
        )
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT_ROOT / "dagster.yaml", home / "dagster.yaml")


def run_stages(settings: Settings, *, synthetic: bool) -> None:
    """Materialize the assets stage by stage, saying what each one is."""
    # Loaded here, not at import: the dbt manifest lies in the data folder of this run.
    from dagster_assets.pipeline import STAGES, Pipeline

    op_config: dict[str, dict[str, Any]] = {
        "booli_crawl": {"from_date": FIRST_SOLD_DATE, "details": "ALL"}
    }
    if synthetic:
        op_config["reports__backtest"] = {"months": DEMO_BACKTEST_MONTHS}
    settings.reports_dir.mkdir(parents=True, exist_ok=True)
    log_path = settings.reports_dir / LOG
    with log_path.open("w", encoding="utf-8") as log, redirect_stdout(log):
        pipeline = Pipeline(op_config)
        for number, stage in enumerate(STAGES, start=1):
            console.print(f"[bold]{number}/{len(STAGES)} {stage.title}[/bold] …")
            started = time.monotonic()
            pipeline.run(stage)
            console.print(f"    done in {time.monotonic() - started:.0f} s")


def serve_dashboards(settings: Settings, port: int) -> None:
    """Become the dashboards' server; Ctrl-C ends it."""
    console.print(
        f"\nDashboards: http://127.0.0.1:{port}/valuation and /monitoring (Ctrl-C ends)"
    )
    os.chdir(PROJECT_ROOT)
    os.environ["SLUTPRIS_DATA"] = str(settings.data)
    command = [sys.executable, "-m", "panel", "serve", *DASHBOARDS]
    os.execv(sys.executable, [*command, "--address", "127.0.0.1", "--port", str(port)])


def main() -> None:
    """Run the demo."""
    arguments = parse_arguments()
    settings = Settings()
    if arguments.sales and not arguments.sales.is_file():
        raise SlutprisError(
            f"there is no file {arguments.sales}; give SALES a Parquet file"
        )
    if arguments.die_with_parent:
        children.die_with_parent()
    if not arguments.no_serve:
        check_port_is_free(arguments.port)
    make_folder(settings.data)
    wait_for_warehouse(settings)
    with replica(arguments.sales) as address:
        claim_data_folder(settings, arguments.sales)
        prepare_environment(settings, address, synthetic=arguments.sales is None)
        run_stages(settings, synthetic=arguments.sales is None)
    summary.show(settings, console)
    if not arguments.no_serve:
        serve_dashboards(settings, arguments.port)


if __name__ == "__main__":
    exit_with(main)
