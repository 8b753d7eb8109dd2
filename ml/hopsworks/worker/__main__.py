"""The worker's loop: one request, one reply, until its parent is gone."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from ml.hopsworks.worker import datasets, features, looking, models
from ml.hopsworks.worker.failures import failure_of
from ml.hopsworks.worker.session import Session

OPERATIONS = {
    operation.__name__: operation
    for operation in (
        *datasets.OPERATIONS,
        *features.OPERATIONS,
        *looking.OPERATIONS,
        *models.OPERATIONS,
    )
}
PARENT_POLL_S = 1.0

logger = logging.getLogger(__name__)


def answer(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; whatever goes wrong becomes a reply."""
    try:
        operation = OPERATIONS[request["operation"]]
        return {"answer": operation(session, **request["arguments"])}
    except Exception as error:
        logger.debug("%s failed", request["operation"], exc_info=True)
        kind, message = failure_of(error)
        return {"failure": kind, "message": message}


def leave_with_parent(parent: int) -> None:
    """End this process when its parent was killed, whatever the client waits for."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(1)


def main() -> None:
    """Serve the pipe whose descriptor is the only argument."""
    pipe = Connection(int(sys.argv[1]))
    threading.Thread(
        target=leave_with_parent, args=(os.getppid(),), daemon=True
    ).start()
    try:
        session = Session(json.loads(pipe.recv_bytes()))
        while True:
            request = json.loads(pipe.recv_bytes())
            pipe.send_bytes(json.dumps(answer(session, request)).encode())
    except (EOFError, BrokenPipeError):
        # The parent is done with us. What the client would do at exit, remove its
        # certificates, the parent does for all we have written.
        os._exit(0)


if __name__ == "__main__":
    main()
