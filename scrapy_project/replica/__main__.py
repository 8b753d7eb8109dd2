"""``python -m scrapy_project.replica``: serve the replica until it is stopped."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from scrapy_project.replica.sales_file import file_market
from scrapy_project.replica.shapes import DEFAULT_SHAPE, SHAPES
from scrapy_project.replica.site import replica_app, truth_lines
from scrapy_project.replica.synthetic import SALES_PER_MONTH, synthetic_market
from scrapy_project.replica.title_transfers import (
    HOUSE,
    add_apartment_deeds,
    add_houses,
)
from warehouse.errors import SlutprisError, exit_with

if TYPE_CHECKING:
    from scrapy_project.replica.market import Market

HOST = "127.0.0.1"
DEFAULT_PORT = 8017
PARENT_CHECK_S = 0.5
KEEP_ALIVE_S = 75
"""Longer than a polite crawl waits between two requests."""


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, build the market, serve it."""
    options = _parser().parse_args(arguments)
    _check_shape(options.shape)
    parent = os.getppid()
    listener = _listen(options.port)
    market = _market(options)
    if options.truth:
        _export_truth(market, options.truth)
    port = listener.getsockname()[1]
    deeds = sum(s.object_type == HOUSE and s.booli_id < 0 for s in market.sales)
    # The address comes last: who starts us as a child reads until it and has it all.
    sys.stdout.write(
        f"market: {market.name}, as of {market.today}\n"
        f"sales: {len(market.sales) - deeds}\n"
        f"deeds of houses: {deeds}\n"
        f"span: {market.span}\n"
        f"address: http://{HOST}:{port}\n"
    )
    sys.stdout.flush()
    if options.exit_with_parent:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()
    config = uvicorn.Config(
        replica_app(market, SHAPES[options.shape], options.crawl_delay),
        log_level="warning",
        access_log=False,
        lifespan="off",
        # A challenge says that another server stands in front.
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scrapy_project.replica", description=__doc__
    )
    add = parser.add_argument
    add("--sales", type=Path, metavar="FILE.parquet", help="serve the sales of a file")
    add("--port", type=int, default=DEFAULT_PORT, help="0 picks a free one")
    add("--shape", default=DEFAULT_SHAPE.name, help=f"one of: {', '.join(SHAPES)}")
    add("--crawl-delay", type=_seconds, metavar="S", help="said in robots.txt")
    add("--seed", type=int, default=7, help="of the synthetic market")
    add("--sales-per-month", type=int, default=SALES_PER_MONTH, metavar="N")
    add(
        "--title-transfers",
        action="store_true",
        help="sell some apartments of the synthetic market by title transfer",
    )
    add("--today", type=_day, default=None, metavar="YYYY-MM-DD")
    add("--truth", type=Path, metavar="OUT.jsonl", help="write the truth there first")
    add("--exit-with-parent", action="store_true", help="end when the parent ends")
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no YYYY-MM-DD") from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from error
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0")
    return seconds


def _check_shape(shape: str) -> None:
    if shape not in SHAPES:
        raise SlutprisError(
            f"--shape {shape} is not known; choose one of: {', '.join(SHAPES)}"
        )


def _market(options: argparse.Namespace) -> Market:
    today = options.today or date.today()
    if options.sales is None:
        market = synthetic_market(options.seed, today, options.sales_per_month)
        if options.title_transfers:
            add_apartment_deeds(market, options.seed)
        add_houses(market, options.seed)
        return market
    market, notes = file_market(options.sales, today)
    for note in notes:
        sys.stdout.write(f"{note}\n")
    return market


def _export_truth(market: Market, path: Path) -> None:
    try:
        with path.open("wb") as file:
            file.writelines(truth_lines(market))
    except OSError as error:
        raise SlutprisError(
            f"cannot write {path} ({error.strerror}); give --truth a writable path"
        ) from error


def _listen(port: int) -> socket.socket:
    """Take the port before the market is built, so that a taken one is told at once."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise SlutprisError(
            f"cannot serve on {HOST}:{port} ({error}); "
            "stop what uses the port, or give --port 0 for a free one"
        ) from error
    return listener


def _exit_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(0)


if __name__ == "__main__":
    exit_with(main)
