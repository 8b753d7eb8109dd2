"""Model versions: what the model registry is asked.

A version's files are a version's folder as ``model_versions`` makes it. Its description
ends with the digest of the model's content, so that one listing says which models are
there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopsworks.client.exceptions import RestAPIError
from hsml.model_schema import ModelSchema
from hsml.schema import Schema

from ml.hopsworks.worker import datasets
from ml.hopsworks.worker.failures import WorkerError

if TYPE_CHECKING:
    from ml.hopsworks.worker.session import Session

REGISTRATION_WAIT_S = 60
NO_MODEL_CODE = 360_000


def list_models(session: Session, name: str) -> list[dict[str, Any]]:
    """Give number and description of a model's versions, oldest first."""
    try:
        found = session.model_registry.get_models(name)
    except RestAPIError as error:
        if getattr(error, "error_code", None) == NO_MODEL_CODE:
            return []
        raise
    listed = [
        {"version": int(each.version), "description": each.description or ""}
        for each in found or []
    ]
    return sorted(listed, key=lambda each: each["version"])


def save_model(
    session: Session,
    name: str,
    folder: str,
    description: str,
    metrics: dict[str, float],
    schema: list[dict[str, str]],
    example: dict[str, Any],
) -> int:
    """Register a version's folder as the next version; give its number."""
    model = session.model_registry.python.create_model(
        name,
        metrics=metrics,
        description=description,
        model_schema=ModelSchema(input_schema=Schema(schema)) if schema else None,
        input_example=example or None,
    )
    _keep_what_others_made(model)
    saved = model.save(folder, await_registration=REGISTRATION_WAIT_S)
    return int(saved.version)


def download_model(session: Session, name: str, version: int, target: str) -> bool:
    """Bring all files of a version into a folder; False where there is none."""
    model = session.model_registry.get_model(name, version)
    if model is None:
        return False
    shutil.rmtree(target, ignore_errors=True)
    Path(target).mkdir()
    model.download(local_path=target)
    _check_sizes(session, f"Models/{name}/{version}/Files", Path(target))
    return True


def is_whole(session: Session, name: str, version: int, files: list[str]) -> bool:
    """Say whether a registered version still has its files.

    When the client loses the answer to a registration it removes the files of a version
    that the cluster has registered.
    """
    folder = f"Models/{name}/{version}/Files"
    return all(
        datasets.file_size(session, f"{folder}/{file}") is not None for file in files
    )


def delete_model(session: Session, name: str, version: int) -> None:
    """Take a version away, with what is left of its files."""
    model = session.model_registry.get_model(name, version)
    if model is not None:
        model.delete()
    datasets.remove(session, f"Models/{name}/{version}")


def download_record(
    session: Session, name: str, version: int, files: list[str], target: str
) -> None:
    """Bring some files of a version into a folder."""
    for file in files:
        path = f"Models/{name}/{version}/Files/{file}"
        if not datasets.download(session, path, str(Path(target) / file)):
            raise WorkerError(
                "missing", f"{path} is not there; publish the model again"
            )


def _check_sizes(session: Session, remote: str, local: Path) -> None:
    """Notice a download that broke off: the client does not."""
    for path in local.rglob("*"):
        if path.is_file():
            name = f"{remote}/{path.relative_to(local).as_posix()}"
            size = datasets.file_size(session, name)
            if size != path.stat().st_size:
                raise WorkerError(
                    "down", f"{name} has {size} bytes, {path.stat().st_size} came"
                )


class _OwnFolders:
    """The client's files, but that only a folder made through it can be removed.

    When a registration fails the client removes the version's folder, and does so even
    when it failed because another publisher had just made that folder.
    """

    def __init__(self, files: Any) -> None:  # noqa: ANN401
        self._files = files
        self._made: set[str] = set()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._files, name)

    def mkdir(self, path: str) -> str:
        made = self._files.mkdir(path)
        self._made.add(path.partition("/Models/")[2])
        return made

    def rm(self, path: str) -> None:
        if path.partition("Models/")[2] in self._made:
            self._files.rm(path)


def _keep_what_others_made(model: Any) -> None:  # noqa: ANN401
    engine = model._model_engine
    engine._dataset_api = engine._engine._dataset_api = _OwnFolders(engine._dataset_api)


OPERATIONS = (
    list_models,
    save_model,
    download_model,
    is_whole,
    delete_model,
    download_record,
)
