"""Files and folders of a project: what the dataset interface is asked.

Paths are the project's own, such as ``Resources/slutpris``. Replacing a file is not
atomic there, so nothing here replaces one but by moving a whole one into its place.
"""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopsworks.client.exceptions import RestAPIError

from ml.hopsworks.worker.failures import WorkerError, is_missing_inode

if TYPE_CHECKING:
    from ml.hopsworks.worker.session import Session

HOLDER = "holder.json"


def file_size(session: Session, path: str) -> int | None:
    """Bytes of a file, 0 of a folder; None where there is nothing."""
    try:
        found = session.datasets.get(path)
    except RestAPIError as error:
        if is_missing_inode(error):
            return None
        raise
    return int(found["attributes"].get("size") or 0)


def make_folder(session: Session, path: str) -> None:
    """Make a folder and those above it where they are missing."""
    parts = path.split("/")
    for depth in range(2, len(parts) + 1):
        _make_one(session, "/".join(parts[:depth]))


def upload(session: Session, source: str, path: str) -> None:
    """Put a file at a path: under another name first, then moved into its place."""
    folder, _, name = path.rpartition("/")
    make_folder(session, folder)
    aside = f"{folder}/.incoming-{uuid.uuid4().hex}"
    make_folder(session, aside)
    local = _named(session, source, name)
    try:
        session.datasets.upload(str(local), aside)
        if file_size(session, path) is not None:
            session.datasets.remove(path)
        session.datasets.move(f"{aside}/{name}", path)
    finally:
        with suppress(RestAPIError):
            session.datasets.remove(aside)


def download(session: Session, path: str, target: str) -> bool:
    """Bring a whole file to a local path; False where there is none."""
    size = file_size(session, path)
    if size is None:
        return False
    try:
        session.datasets.download(path, target, overwrite=True)
    except RestAPIError as error:
        if is_missing_inode(error):
            return False  # removed since it was seen
        raise
    arrived = Path(target).stat().st_size
    if arrived != size:
        raise WorkerError("down", f"{path} has {size} bytes, of which {arrived} came")
    return True


def read_text(session: Session, path: str) -> str | None:
    """Give a small file as text; None where there is none."""
    target = session.folder / "read.txt"
    if not download(session, path, str(target)):
        return None
    return target.read_text(encoding="utf-8")


def list_names(session: Session, path: str) -> list[str]:
    """Names in a folder; none where there is no such folder."""
    if file_size(session, path) is None:
        return []
    names: list[str] = []
    while page := session.datasets.list(path, offset=len(names)):
        names += [Path(each).name for each in page]
    return names


def remove(session: Session, path: str) -> None:
    """Remove a file or a folder with all in it; one that is gone is no failure."""
    try:
        session.datasets.remove(path)
    except RestAPIError as error:
        if not is_missing_inode(error):
            raise


def take_lock(session: Session, path: str, token: str, holder: str) -> bool:
    """Make a lock folder and sign it; False where another has made it."""
    folder, _, _ = path.rpartition("/")
    make_folder(session, folder)
    if not _make_one(session, path):
        signed = lock_holder(session, path)
        return signed is not None and _token(signed) == token
    local = session.folder / HOLDER
    local.write_text(holder, encoding="utf-8")
    session.datasets.upload(str(local), path)
    return True


def lock_holder(session: Session, path: str) -> str | None:
    """What a lock's holder signed; None before that."""
    return read_text(session, f"{path}/{HOLDER}")


def break_lock(session: Session, path: str) -> None:
    """Take a lock away that was left: only one of those who try moves it."""
    aside = f"{path}-left-{uuid.uuid4().hex}"
    try:
        session.datasets.move(path, aside)
    except RestAPIError as error:
        if file_size(session, path) is None:
            return  # another has moved it, or its holder let go
        raise error from error
    remove(session, aside)


def release_lock(session: Session, path: str, token: str) -> None:
    """Let go of a lock, unless another has broken it and holds it now."""
    signed = lock_holder(session, path)
    if signed is not None and _token(signed) == token:
        remove(session, path)


def _make_one(session: Session, path: str) -> bool:
    """Make one folder; False where it is there already."""
    if file_size(session, path) is not None:
        return False
    try:
        session.datasets.mkdir(path)
    except RestAPIError:
        if file_size(session, path) is not None:
            return False  # made by another in between
        # Refused for one that is gone again; what is refused twice is an error.
        session.datasets.mkdir(path)
    return True


def _named(session: Session, source: str, name: str) -> Path:
    """Give a local file the name it is to have: the client takes it from the path."""
    folder = session.folder / "outgoing"
    folder.mkdir(exist_ok=True)
    link = folder / name
    link.unlink(missing_ok=True)
    link.symlink_to(source)
    return link


def _token(holder: str) -> str | None:
    try:
        signed: dict[str, Any] = json.loads(holder)
    except ValueError:
        return None
    return signed.get("token")


OPERATIONS = (
    file_size,
    make_folder,
    upload,
    download,
    read_text,
    list_names,
    remove,
    take_lock,
    lock_holder,
    break_lock,
    release_lock,
)
