"""The port to a model registry: what one can be asked, whoever keeps the models.

What belongs here: the questions and the records they are answered with. What does not:
where versions are kept (``folder_registry``, ``hopsworks.registry``), what a version is
made of (``model_versions``), and any knowledge of a domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Direction = Literal["min", "max"]


class RegistryError(SlutprisError):
    """The registry cannot do it: no such model, a bad name, a file that changed."""


class RegistryUnreachableError(RegistryError):
    """The registry did not answer, or not in time: it may, another time."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version: what was kept beside the model's files.

    ``lineage`` says where it came from (git commit, data snapshot, parameters);
    ``content_sha256`` is equal for equal models, and empty for one registered before
    there was such a digest.
    """

    name: str
    version: int
    created_at: str
    content_sha256: str
    metrics: dict[str, float]
    lineage: dict[str, Any]
    input_schema: dict[str, str]
    input_example: dict[str, Any]
    plots: list[str]


@dataclass(frozen=True)
class Registered:
    """What a registration came to; not new when the newest version is that model."""

    version: ModelVersion
    is_new: bool
    backend: str
    byte_count: int


class ModelRegistry(Protocol):
    """Where models are registered and fetched from.

    Every method raises a :class:`RegistryError` that says what to do: when there is no
    such model, what is to be registered breaks a rule, a file is not what was
    registered, or the registry cannot be reached.
    """

    backend: str
    """The registry's name in receipts."""

    def register(
        self,
        name: str,
        folder: Path,
        *,
        metrics: Mapping[str, float],
        lineage: Mapping[str, Any],
        input_schema: Mapping[str, str],
        input_example: Mapping[str, Any],
        plots: Sequence[Path] = (),
    ) -> Registered:
        """Keep a model folder as the next version of ``name``.

        The newest version stays the newest when it is the same model: registering
        twice, or again after a failure, changes nothing more.

        Parameters
        ----------
        name
            Lower case letters, digits and ``_``, starting with a letter.
        folder
            The model's files, as the model saved them; copied.
        metrics
            Numbers the model was judged by; :meth:`best` compares them. Names are
            lower case words joined by ``_``; a digit may end them.
        lineage
            Git commit, data snapshot and parameters the model came from.
        input_schema, input_example
            Column name to type, and one row, of what the model takes.
        plots
            Image files, kept under ``plots/`` by their file names.
        """
        ...

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of a model, oldest first; empty when there is none."""
        ...

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """One version's record; the newest when ``version`` is None."""
        ...

    def best(self, name: str, metric: str, direction: Direction) -> ModelVersion:
        """Return the version with the least or greatest metric, the newest of equals.

        Versions without the metric are passed over.
        """
        ...

    def fetch(self, name: str, version: int, into: Path) -> Path:
        """Copy a version's model files to a folder, after verifying every sha256.

        Only what this returns may be loaded: a model's format may run code when it is
        read (pickle does), so nothing is opened before every file has proved to be the
        one that was registered.

        Parameters
        ----------
        name, version
            The version to fetch.
        into
            A folder that does not exist yet, or is empty.
        """
        ...


def best_of(
    versions: list[ModelVersion], name: str, metric: str, direction: Direction
) -> ModelVersion:
    """Choose as :meth:`ModelRegistry.best` does, of all versions of a model.

    Raises
    ------
    RegistryError
        When no version carries the metric; the message lists those that exist.
    """
    if direction not in ("min", "max"):
        raise RegistryError(f"direction must be 'min' or 'max', it was {direction!r}")
    candidates = [version for version in versions if metric in version.metrics]
    if not candidates:
        known = ", ".join(sorted({key for each in versions for key in each.metrics}))
        raise RegistryError(
            f"no version of {name!r} has the metric {metric!r}; "
            f"metrics kept: {known or 'none'}"
        )
    sign = 1 if direction == "min" else -1
    return min(candidates, key=lambda v: (sign * v.metrics[metric], -v.version))
