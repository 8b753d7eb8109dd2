"""Arrays kept between processes: what a month's sales said need not be fitted again.

What belongs here: a folder of files, one a name. What does not: what is kept. A file is
named by the content it was made of, so one that is found is right, and one that is lost
is made again.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


class KeptArrays:
    """A folder of arrays by name; what a name held of older content is dropped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str, fingerprint: str, make: Callable[[], Arrays]) -> Arrays:
        """Read what was kept of the same content, else make and keep it."""
        path = self._folder / f"{name}-{fingerprint}.npz"
        if path.exists():
            try:
                with np.load(path) as arrays:
                    return dict(arrays)
            except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
                logger.warning("%s is damaged and made again: %s", path, error)
        arrays = make()
        try:
            self._keep(path, name, arrays)
        except OSError as error:
            logger.warning(
                "%s is not kept, the next run makes it again: %s", path, error
            )
        return arrays

    def _keep(self, path: Path, name: str, arrays: Arrays) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        stale = [each for each in self._folder.glob(f"{name}-*.npz") if each != path]
        with NamedTemporaryFile(
            dir=self._folder, suffix=".partial", delete=False
        ) as out:
            np.savez(out, allow_pickle=False, **arrays)
        # A name appears with its whole content or not at all.
        Path(out.name).replace(path)
        for each in stale:
            each.unlink(missing_ok=True)


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """Hash arrays and the code of this folder: equal ones give equal results."""
    digest = hashlib.blake2b(_code(), digest_size=12)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@cache
def _code() -> bytes:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return b"".join(path.read_bytes() for path in files)
