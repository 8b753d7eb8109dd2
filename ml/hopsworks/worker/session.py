"""One login of the client, and what it opens; each is opened when first asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import hopsworks

from ml.hopsworks.worker.recorder import record_all


class Session:
    """A login to one project; ``settings`` is what the parent sent through the pipe."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self.folder = Path.cwd()
        if settings["recording_path"] is not None:
            key = settings["api_key"]
            record_all(
                Path(settings["recording_path"]),
                secrets=(key, key.rpartition(".")[2]),
                hosts=(settings["host"],),
            )

    @cached_property
    def project(self) -> Any:  # noqa: ANN401 - the client's classes have no types
        """The project, logged in to with the server's certificate verified."""
        certificates = self.folder / "certificates"
        certificates.mkdir(mode=0o700, exist_ok=True)
        return hopsworks.login(
            host=self._settings["host"],
            port=self._settings["port"],
            project=self._settings["project"],
            api_key_value=self._settings["api_key"],
            hostname_verification=True,
            trust_store_path=self._settings["trust_store_path"],
            cert_folder=str(certificates),
            engine="python",
        )

    @cached_property
    def feature_store(self) -> Any:  # noqa: ANN401
        """The project's feature store."""
        return self.project.get_feature_store()

    @cached_property
    def model_registry(self) -> Any:  # noqa: ANN401
        """The project's model registry."""
        return self.project.get_model_registry()

    @cached_property
    def datasets(self) -> Any:  # noqa: ANN401
        """The project's files."""
        return self.project.get_dataset_api()
