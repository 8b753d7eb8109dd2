"""``python -m ml.hopsworks check``: will publishing to the cluster work; if not, why.

What belongs here: arguments and output. What does not: what is tried (``preflight``)
and what a recording holds (``cassette``).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ml.hopsworks.cassette import check_target, write_cassette
from ml.hopsworks.preflight.order import preflight
from ml.hopsworks.preflight.outcomes import all_well
from ml.hopsworks.preflight.report import as_json, closing_lines, lines_of
from warehouse.errors import exit_with

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ml.hopsworks.preflight.outcomes import Outcome

DESCRIPTION = """\
Try, step by step, whether this machine can publish to the Hopsworks project that the
environment names (docs/hopsworks.md says how to set it up). Nothing is changed in the
project unless --write is given. The exit code is 0 when everything that
HOPSWORKS_WRITE_MODE needs works, else 1.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ml.hopsworks")
    commands = parser.add_subparsers(required=True, metavar="check")
    check = commands.add_parser(
        "check",
        help="try whether publishing to the cluster works",
        description=DESCRIPTION,
    )
    check.add_argument(
        "--write",
        action="store_true",
        help="write a small group, file and model called slutpris_check too, and "
        "remove them again",
    )
    check.add_argument(
        "--json", action="store_true", help="tell it as JSON, for machines"
    )
    check.add_argument(
        "--record",
        type=Path,
        metavar="FILE.json",
        help="keep what the client says over HTTPS, with keys, certificates and names "
        "taken out",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    # What is tried again, and why, the outcome of the step says.
    logging.getLogger("ml.hopsworks").addHandler(logging.NullHandler())

    def tell(outcome: Outcome) -> None:
        if not options.json:
            sys.stdout.write(lines_of(outcome))
            sys.stdout.flush()

    with _recording(options.record) as path:
        outcomes, findings = preflight(
            write=options.write, recording_path=path, tell=tell
        )
        if options.json:
            sys.stdout.write(as_json(outcomes, findings))
        else:
            sys.stdout.write(closing_lines(outcomes, write=options.write))
        if path is not None and findings.address is not None:
            count = write_cassette(path, options.record, findings)
            sys.stderr.write(f"recorded {count} requests in {options.record}\n")
    return 0 if all_well(outcomes) else 1


@contextmanager
def _recording(target: Path | None) -> Generator[Path | None]:
    """Give a private file that a worker records to, if anything is to be recorded."""
    if target is None:
        yield None
        return
    check_target(target)
    with TemporaryDirectory(prefix="slutpris-recording-") as folder:
        yield Path(folder) / "exchanges.jsonl"


def _main_into_a_pipe() -> int:
    """Run it; a reader that has seen enough (``| head``) is no error to tell."""
    try:
        return main()
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    exit_with(_main_into_a_pipe)
