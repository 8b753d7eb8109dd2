"""The Hopsworks client without its five seconds: it polls as it does, only sooner.

After it has registered a model or started a job the client sleeps for three or five
seconds before it first asks how that went, and no setting of it changes that. In these
tests those two waits, and no others, last `POLL_S`; what is asked, and in which order,
stays as it is. Some tests leave them alone, so that the real waits are met as well.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from impatient_client import sitecustomize

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def workers_polling_often() -> Generator[None]:
    """Let the workers that are started meanwhile poll often."""
    from ml.hopsworks import process

    # Python itself loads the sitecustomize that it finds where it looks for packages.
    path = os.pathsep.join([str(process.PROJECT_ROOT), str(Path(__file__).parent)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "PROJECT_ROOT", path)
        yield


@contextmanager
def polling_often() -> Generator[None]:
    """Let the client in this process poll often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", sitecustomize.sleep)
        yield
