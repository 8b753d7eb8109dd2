"""REST: the dataset API, over a folder on disk.

Stat, list, mkdir, chunked upload, download, copy, move, delete. Making a folder that
exists is refused, which is what makes it usable as a lock.
"""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import FileResponse

from fake_hopsworks.routing import ApiError, Call, route

# Assumed: the codes of a 5.x server are not known; the client reads only the status.
INODE_NOT_FOUND = 110018
ALREADY_EXISTS = 110028
BAD_REQUEST = 110011
_UPLOADS = threading.Lock()


def local_path(call: Call, path: str) -> Path:
    """Where a path of the file system lies on disk; absolute or within the project."""
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    if parts[:2] == ["Projects", call.state.project]:
        parts = parts[2:]
    if ".." in parts or parts[:1] == ["Projects"]:
        raise ApiError(403, BAD_REQUEST, f"{path} is outside the project.")
    return call.state.datasets.joinpath(*parts)


def existing(call: Call, path: str) -> Path:
    """The path on disk; refuses when there is nothing."""
    found = local_path(call, path)
    if not found.exists():
        raise ApiError(404, INODE_NOT_FOUND, f"Path not found: {path}")
    return found


def inode(call: Call, path: Path) -> dict[str, Any]:
    """A file or folder as the client reads it."""
    about = path.stat()
    inside = path.relative_to(call.state.datasets).as_posix()
    attributes = {
        "name": path.name,
        "path": f"/Projects/{call.state.project}/{inside}",
        "dir": path.is_dir(),
        "size": 0 if path.is_dir() else about.st_size,
        "owner": f"{call.state.project}__{call.state.user}",
        "permission": "rwxrwx---",
        "modificationTime": datetime.fromtimestamp(about.st_mtime, UTC).isoformat(),
        "underConstruction": False,
    }
    found: dict[str, Any] = {"attributes": attributes, "zipState": "NONE"}
    if path.parent == call.state.datasets:
        found |= {"datasetType": "DATASET", "name": path.name, "id": about.st_ino}
    return found


@route("GET", "project/{project}/dataset/{path}")
def look(call: Call) -> Any:
    if call.query.get("action") == "listing":
        return _listing(call)
    return inode(call, existing(call, call.params["path"]))


def _listing(call: Call) -> dict[str, Any]:
    folder = existing(call, call.params["path"])
    if not folder.is_dir():
        raise ApiError(400, BAD_REQUEST, f"{call.params['path']} is not a folder.")
    key, _, direction = call.query.get("sort_by", "ID:asc").partition(":")
    entries = sorted(folder.iterdir(), key=_sort_key(key), reverse=direction == "desc")
    offset = int(call.query.get("offset", "0"))
    limit = int(call.query.get("limit", str(len(entries) or 1)))
    items = [inode(call, path) for path in entries[offset : offset + limit]]
    return {"count": len(entries), "items": items, "href": call.href()}


def _sort_key(name: str) -> Any:
    if name.upper() == "ID":
        return lambda path: (path.stat().st_ctime_ns, path.name)
    return lambda path: path.name


@route("POST", "project/{project}/dataset/{path}")
def change(call: Call) -> Any:
    action = call.query.get("action", "").lower()
    if action == "create":
        return _create(call)
    if action in ("copy", "move"):
        return _transfer(call, action)
    raise ApiError(400, BAD_REQUEST, f"The fake has no dataset action {action!r}.")


def _create(call: Call) -> dict[str, Any]:
    folder = local_path(call, call.params["path"])
    existing(call, folder.parent.relative_to(call.state.datasets).as_posix())
    try:
        folder.mkdir()
    except FileExistsError as error:
        message = f"Path already exists: {call.params['path']}"
        raise ApiError(400, ALREADY_EXISTS, message) from error
    return inode(call, folder)


def _transfer(call: Call, action: str) -> None:
    source = existing(call, call.params["path"])
    target = local_path(call, call.query["destination_path"])
    existing(call, target.parent.relative_to(call.state.datasets).as_posix())
    if target.exists():
        message = f"Path already exists: {call.query['destination_path']}"
        raise ApiError(400, ALREADY_EXISTS, message)
    if action == "move":
        source.rename(target)
    elif source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


@route("DELETE", "project/{project}/dataset/{path}")
def delete(call: Call) -> None:
    path = existing(call, call.params["path"])
    if path.parent == call.state.datasets:
        raise ApiError(400, BAD_REQUEST, "The fake keeps top-level datasets.")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@route("GET", "project/{project}/dataset/download/with_auth/{path}")
def download(call: Call) -> FileResponse:
    path = existing(call, call.params["path"])
    if path.is_dir():
        raise ApiError(400, BAD_REQUEST, f"{call.params['path']} is a folder.")
    return FileResponse(path, media_type="application/octet-stream")


@route("POST", "project/{project}/dataset/upload/{path}")
def upload(call: Call) -> Any:
    """Take one chunk; the file appears, whole, when its last chunk has come."""
    folder = existing(call, call.params["path"])
    name = str(call.form["flowFilename"])
    target = folder / name
    if target.exists():
        raise ApiError(400, ALREADY_EXISTS, f"File already exists: {name}")
    chunk = call.form["file"]
    assert isinstance(chunk, UploadFile)
    content = chunk.file.read()
    if len(content) != int(str(call.form["flowCurrentChunkSize"])):
        raise ApiError(400, BAD_REQUEST, f"Chunk of {name} has another size than told.")
    with _UPLOADS:
        staged = _stage(call, target, content)
        if staged is not None:
            staged.replace(target)
    return {"successMessage": f"Successfully uploaded part of {name}"}


def _stage(call: Call, target: Path, content: bytes) -> Path | None:
    """Write a chunk where it belongs; the staged file when nothing is missing."""
    wanted = int(str(call.form["flowTotalChunks"]))
    number = int(str(call.form["flowChunkNumber"]))
    size = int(str(call.form["flowChunkSize"]))
    folder = call.state.root / "uploads" / _key(call, target)
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / "content"
    staged.touch()
    with staged.open("r+b") as file:
        file.seek((number - 1) * size)
        file.write(content)
    (folder / f"chunk-{number}").touch()
    if len(list(folder.glob("chunk-*"))) < wanted:
        return None
    whole = call.state.root / "uploads" / f"{folder.name}.whole"
    staged.rename(whole)
    shutil.rmtree(folder)
    if whole.stat().st_size != int(str(call.form["flowTotalSize"])):
        raise ApiError(400, BAD_REQUEST, f"{target.name} has another size than told.")
    return whole


def _key(call: Call, target: Path) -> str:
    inside = target.relative_to(call.state.datasets).as_posix()
    return f"{inside}-{call.form['flowTotalSize']}".replace("/", "%2F")
