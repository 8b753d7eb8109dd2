"""Every cassette in ``tests/cassettes`` is replayed to the unmodified client.

To make a test of a live cluster, drop there what ``python -m ml.hopsworks check
--record FILE.json`` recorded of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from replaying import HOST, Replay, replaying

from ml.hopsworks.address import ClusterAddress
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.errors import HopsworksError
from ml.hopsworks.preflight.trials import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.hopsworks
CASSETTES = sorted((Path(__file__).parent / "cassettes").glob("*.json"))


def address(cassette: dict[str, Any], port: int, ca: Path, folder: Path) -> Any:
    return ClusterAddress(
        host=HOST,
        port=port,
        project=cassette["project"],
        api_key=SecretStr("any.key"),
        trust_store_path=ca,
        write_mode=cassette["write_mode"],
        deadline_s=60,
        transfer_deadline_s=60,
        lock_wait_s=1,
        local_dir=folder,
    )


@pytest.fixture(params=CASSETTES, ids=lambda path: path.stem)
def cassette(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(request.param.read_text("utf-8"))


@pytest.fixture
def served(
    cassette: dict[str, Any], tmp_path: Path
) -> Iterator[tuple[Replay, Cluster]]:
    with replaying(cassette, tmp_path) as (replay, port, ca):
        cluster = Cluster(address(cassette, port, ca, tmp_path))
        yield replay, cluster
        cluster.close()


def test_the_client_logs_in_lists_and_reads_as_when_it_was_recorded(
    cassette: dict[str, Any], served: tuple[Replay, Cluster]
) -> None:
    replay, cluster = served
    assert survey(cluster) == cassette["survey"]
    assert replay.never_asked == []
    assert replay.answered >= 8


def test_what_was_not_recorded_is_refused_and_named(
    served: tuple[Replay, Cluster],
) -> None:
    replay, cluster = served
    with pytest.raises(HopsworksError):
        cluster.ask("make_folder", "make a folder", path="Resources/never/recorded")
    assert any("Resources/never" in each for each in replay.never_asked)


def test_a_cassette_of_the_fake_says_so() -> None:
    (path,) = [each for each in CASSETTES if each.name.startswith("fake_")]
    assert "NOT a live cluster" in json.loads(path.read_text("utf-8"))["recorded_from"]
