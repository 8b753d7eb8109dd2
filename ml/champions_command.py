"""The command line of champions: what serves, promote, roll back, the log.

What belongs here: arguments and output. What does not: deciding (``champions``).
"""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from typing import TYPE_CHECKING, NoReturn

from ml.champions import Champions, ChampionsError
from ml.decision_log import GATE
from ml.registry import RegistryError
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml.decision_log import Entry

ACTIONS = {"promote": "promoted", "keep": "refused", "roll_back": "rolled back"}


class _OneLineParser(argparse.ArgumentParser):
    """Reports a wrong command line as our other errors: in one line."""

    def error(self, message: str) -> NoReturn:
        raise SlutprisError(f"{message}; see --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    if getattr(options, "by", "") == GATE:
        raise ChampionsError(f"{GATE!r} is nobody's name; say --by WHO")
    champions = Champions.of(Settings())
    for line in options.lines(champions, options):
        sys.stdout.write(f"{line}\n")
    return 0


def described(entry: Entry) -> str:
    """Say a decision in one line."""
    before = "none" if entry.from_version is None else entry.from_version
    return (
        f"{entry.at}  {entry.name} version {entry.version} {ACTIONS[entry.action]} "
        f"by {entry.by}; serves: {before} -> {entry.to_version}; {entry.reason}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="python -m ml.champions",
        description="Which version of each model serves, and why.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what serves, and the last decision")
    status.add_argument("name", nargs="?")
    status.set_defaults(lines=_status)
    promote = commands.add_parser("promote", help="let a version serve")
    promote.add_argument("name")
    promote.add_argument(
        "version", nargs="?", type=int, help="its number; the newest when left out"
    )
    promote.set_defaults(lines=_promote)
    back = commands.add_parser("roll-back", help="let the version before serve again")
    back.add_argument("name")
    back.set_defaults(lines=_roll_back)
    for each in (promote, back):
        each.add_argument("--reason", required=True, help="kept in the log")
        each.add_argument("--by", default=_user(), help="who decides; you by default")
    log = commands.add_parser("log", help="every decision, oldest first")
    log.add_argument("name", nargs="?")
    log.set_defaults(lines=_log)
    return parser


def _status(champions: Champions, options: argparse.Namespace) -> Iterator[str]:
    for name in _names(champions, options.name):
        yield from _status_of(champions, name)


def _status_of(champions: Champions, name: str) -> Iterator[str]:
    history = champions.history(name)
    newest = champions.registry.numbers(name)[-1]
    try:
        served = champions.verified(name)
    except RegistryError as error:
        yield f"{name}: nothing can be served: {error}"
        return
    number = served.version.version
    if history.last is None:
        standing = "the newest, since no version was judged yet"
    elif history.has_passed(number):
        standing = "the champion"
    else:
        standing = "stands in: no version was promoted yet"
    yield f"{name}: version {number} serves ({standing}); newest is version {newest}"
    if served.note:
        yield f"  warning: {served.note}"
    if history.damaged_lines:
        lines = ", ".join(map(str, history.damaged_lines))
        yield f"  warning: unreadable in {champions.path(name)}: line {lines}"
    if history.last is not None:
        yield f"  {described(history.last)}"


def _promote(champions: Champions, options: argparse.Namespace) -> Iterator[str]:
    before = champions.history(options.name).last
    entry = champions.promote(
        options.name, options.version, by=options.by, reason=options.reason
    )
    if entry == before:
        yield f"{entry.name} version {entry.to_version} serves already; nothing changed"
    else:
        yield described(entry)


def _roll_back(champions: Champions, options: argparse.Namespace) -> Iterator[str]:
    yield described(
        champions.roll_back(options.name, by=options.by, reason=options.reason)
    )


def _log(champions: Champions, options: argparse.Namespace) -> Iterator[str]:
    entries = [
        entry
        for name in _names(champions, options.name)
        for entry in champions.history(name).entries
    ]
    if not entries:
        yield "no decision was taken yet; materialize the group gate in Dagster"
    for entry in sorted(entries, key=lambda each: each.at):
        yield described(entry)


def _names(champions: Champions, name: str | None) -> list[str]:
    """Give the models asked for; it is an error when there are none."""
    if name is not None:
        champions.registry.get(name)
        return [name]
    names = champions.registry.names()
    if not names:
        raise SlutprisError(
            f"no model is registered in {champions.registry.root}; train them first: "
            "make demo, or materialize the group models in Dagster"
        )
    return names


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a user without a name
        return f"user {os.getuid()}"
