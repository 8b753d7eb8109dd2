"""Cassettes: recorded traffic with a cluster, in one JSON file.

What belongs here: what a cassette says of itself, and the last look that nothing secret
is in it. What does not: recording (``worker.recorder``) and replaying (the tests do).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml.hopsworks.errors import HopsworksError

if TYPE_CHECKING:
    from pathlib import Path

    from ml.hopsworks.preflight.findings import Findings

FORMAT = 1
NOTE = (
    "What the Hopsworks client and a cluster said over HTTPS, recorded by "
    "python -m ml.hopsworks check --record. Secrets, people and machines are replaced "
    "by placeholders; of a body that is not JSON only length and sha256 are kept. "
    "Look through it before you show it to anyone."
)


def check_target(target: Path) -> None:
    """See that a cassette can be written there, before anything is asked.

    Raises
    ------
    HopsworksError
        When it cannot.
    """
    if not target.parent.is_dir() or target.is_dir():
        raise HopsworksError(
            f"--record {target}: cannot be written; name a file in a folder that exists"
        )


def write_cassette(exchanges: Path, target: Path, findings: Findings) -> int:
    """Write what a worker recorded as a cassette; give the number of requests.

    Raises
    ------
    HopsworksError
        When something secret would be in it; nothing is written then.
    """
    lines = exchanges.read_text("utf-8").split("\n") if exchanges.is_file() else []
    kept = [json.loads(line) for line in lines if line]
    text = json.dumps(_cassette(kept, findings), ensure_ascii=False, indent=1) + "\n"
    _check_secrets(text, findings)
    target.write_text(text, encoding="utf-8")
    return len(kept)


def _cassette(kept: list[dict[str, Any]], findings: Findings) -> dict[str, Any]:
    address = findings.known_address
    return {
        "format": FORMAT,
        "note": NOTE,
        "project": address.project,
        "write_mode": address.write_mode,
        "client_version": findings.client_version,
        "server_version": findings.server_version,
        "survey": findings.survey,
        "exchanges": kept,
    }


def _check_secrets(text: str, findings: Findings) -> None:
    address = findings.known_address
    key = address.api_key.get_secret_value()
    for secret in (key, key.rpartition(".")[2], address.host):
        if secret in text:
            raise HopsworksError(
                "the recording was thrown away: the key or the host's name was left "
                "in it; please report this"
            )
