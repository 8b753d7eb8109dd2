"""Where the cluster is and what is known of it: the settings, checked.

What belongs here: which settings are needed and what to do when one is missing. What
does not: reading the environment (``warehouse.settings``) and talking to a cluster.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ml.hopsworks.errors import HopsworksError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from warehouse.settings import Settings

NEEDED = {
    "hopsworks_host": "HOPSWORKS_HOST",
    "hopsworks_project": "HOPSWORKS_PROJECT",
    "hopsworks_api_key": "HOPSWORKS_API_KEY",
}


@dataclass(frozen=True)
class ClusterAddress:
    """A project in a cluster, the key to it, and how long it may take to answer."""

    host: str
    port: int
    project: str
    api_key: SecretStr
    trust_store_path: Path | None
    write_mode: Literal["delta", "stream"]
    deadline_s: float
    transfer_deadline_s: float
    lock_wait_s: float
    local_dir: Path
    recording_path: Path | None = None
    """Where the worker keeps what is said over HTTPS, redacted; None keeps nothing."""

    @classmethod
    def from_settings(cls, settings: Settings) -> ClusterAddress:
        """Check the settings and take what concerns the cluster.

        Raises
        ------
        HopsworksError
            When one is missing, the trust store is no file, or the client is not here.
        """
        if missing := missing_settings(settings):
            raise HopsworksError(
                f"FEATURE_BACKEND=hopsworks needs {', '.join(missing)}; set it in the "
                "environment, or set FEATURE_BACKEND=embedded"
            )
        if importlib.util.find_spec("hopsworks") is None:
            raise HopsworksError(
                "FEATURE_BACKEND=hopsworks needs the client, which is not installed; "
                "pip install 'slutpris[hopsworks]', or set FEATURE_BACKEND=embedded"
            )
        trust_store = settings.hopsworks_trust_store_path
        if trust_store is not None and not trust_store.is_file():
            raise HopsworksError(
                f"HOPSWORKS_TRUST_STORE_PATH is {trust_store}, which is no file; name "
                "a PEM file, or unset it to trust the public authorities"
            )
        return cls(
            host=settings.hopsworks_host,
            port=settings.hopsworks_port,
            project=settings.hopsworks_project,
            api_key=settings.hopsworks_api_key,
            trust_store_path=trust_store and trust_store.resolve(),
            write_mode=settings.hopsworks_write_mode,
            deadline_s=settings.hopsworks_deadline_s,
            transfer_deadline_s=settings.hopsworks_transfer_deadline_s,
            lock_wait_s=settings.hopsworks_lock_wait_s,
            local_dir=settings.hopsworks_dir,
        )

    @property
    def title(self) -> str:
        """The project and its cluster, as messages say them."""
        return f"project {self.project!r} at {self.host}:{self.port}"

    def for_worker(self) -> dict[str, Any]:
        """Give what the worker logs in with; only ever sent through its pipe."""
        trust_store, recording = self.trust_store_path, self.recording_path
        return {
            "host": self.host,
            "port": self.port,
            "project": self.project,
            "api_key": self.api_key.get_secret_value(),
            "trust_store_path": None if trust_store is None else str(trust_store),
            "recording_path": None if recording is None else str(recording),
        }


def missing_settings(settings: Settings) -> list[str]:
    """Name the settings that are needed and empty."""
    return [name for key, name in NEEDED.items() if not _is_set(settings, key)]


def _is_set(settings: Settings, name: str) -> bool:
    value = getattr(settings, name)
    return bool(value if isinstance(value, str) else value.get_secret_value())
