"""Which files of a folder may hold saved pages. Nothing is opened here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

HTML = (".html", ".htm", ".xhtml")
HAR = (".har", ".har.gz")
WARC = (".warc", ".warc.gz")
WACZ = (".wacz",)
# Saved with the best intentions, but without the script that holds the data.
WITHOUT_DATA = (".mhtml", ".mht", ".webarchive")
SUFFIXES = (*HTML, *HAR, *WARC, *WACZ, *WITHOUT_DATA)

# "Webpage, Complete" puts pictures and advertisements beside the page.
_BESIDE_A_PAGE = ("_files", "-filer")

Found = Iterator[tuple[Path, str]]


def sources_in(folder: Path) -> Found:
    """List the files to read, sorted by path; with a reason where one cannot be."""
    if folder.is_file():
        yield folder, ""
    else:
        yield from _below(folder, ())


def _below(folder: Path, above: tuple[tuple[int, int], ...]) -> Found:
    try:
        status = folder.stat()
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield folder, unopened(error)
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        yield folder, "it is a link to a folder that it lies in; remove the link"
        return
    pages = {path.stem for path in entries if path.name.lower().endswith(HTML)}
    for path in entries:
        if path.name.startswith("."):
            continue
        if _is_folder(path):
            if not _lies_beside(path, pages):
                yield from _below(path, (*above, here))
        elif path.name.lower().endswith(SUFFIXES):
            yield path, ""


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it will be told when the file is opened
        return False


def _lies_beside(folder: Path, pages: set[str]) -> bool:
    return any(folder.name == page + end for page in pages for end in _BESIDE_A_PAGE)


def unopened(error: OSError) -> str:
    """Say why a file or folder cannot be opened."""
    return f"it cannot be opened ({error.strerror or error}); check it and its rights"
