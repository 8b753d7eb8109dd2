"""What the tests of the Hopsworks adapter share: its address of a fake cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

from ml.hopsworks.address import ClusterAddress

if TYPE_CHECKING:
    from pathlib import Path

    from fake_hopsworks import FakeCluster


def address_of(
    fake: FakeCluster,
    folder: Path,
    *,
    write_mode: Literal["delta", "stream"] = "delta",
    deadline_s: float = 60,
    transfer_deadline_s: float = 120,
    lock_wait_s: float = 30,
) -> ClusterAddress:
    return ClusterAddress(
        host=fake.host,
        port=fake.port,
        project=fake.project,
        api_key=SecretStr(fake.api_key),
        trust_store_path=fake.ca_path,
        write_mode=write_mode,
        deadline_s=deadline_s,
        transfer_deadline_s=transfer_deadline_s,
        lock_wait_s=lock_wait_s,
        local_dir=folder / "hopsworks",
    )
