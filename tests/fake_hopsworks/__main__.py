"""The server process: `python -m fake_hopsworks`, ordered about by standard input.

Settings come as one line of JSON; then each line is an order, answered by one line. It
ends when told to or when its standard input closes, so it never outlives its test.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn

from fake_hopsworks import (
    dataset_routes,
    feature_group_routes,
    feature_view_routes,
    flight,
    job_routes,
    login_routes,
    model_routes,
)
from fake_hopsworks.faults import Fault, FaultPlan
from fake_hopsworks.kafka import Broker
from fake_hopsworks.routing import App
from fake_hopsworks.state import State
from fake_hopsworks.tls import certificates

# Imported for the routes they register.
ROUTES = (
    login_routes,
    dataset_routes,
    model_routes,
    feature_group_routes,
    feature_view_routes,
    job_routes,
)
PORT = 8443
NAME_NODE_PORT = 8020
"""Of HopsFS there is this port and no more: the fake's tables are local folders."""
SETTLE_S = 10


def main() -> None:
    """Serve one cluster."""
    wanted = json.loads(sys.stdin.readline())
    listener = _listen(wanted["address"])
    state = _state(wanted, listener.getsockname()[0])
    app = App(state, model_routes.finish_rival)
    server = uvicorn.Server(_config(app, state))
    flight.serve(state)
    name_node = socket.create_server((state.address, NAME_NODE_PORT))
    threading.Thread(target=_obey, args=(app, state, server), daemon=True).start()
    server.run(sockets=[listener])
    name_node.close()


def _listen(address: str | None) -> socket.socket:
    """Take a loopback address of one's own, since the Flight port is fixed.

    Whoever holds port 8443 of an address has its port 5005 too.
    """
    wanted = [address] if address else [f"127.0.0.{each}" for each in range(1, 255)]
    for each in wanted:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((each, PORT))
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        return listener
    raise OSError(f"Port {PORT} is taken on all of {wanted[0]} to {wanted[-1]}.")


def _state(wanted: dict[str, Any], address: str) -> State:
    root = Path(wanted["root"])
    state = State(
        root=root,
        project=wanted["project"],
        user="fake000",
        api_key=wanted["api_key"],
        address=address,
        port=PORT,
        certificates=certificates(root / "certificates", address),
        faults=FaultPlan(),
        broker=Broker(root / "topics") if wanted["kafka"] else None,
    )
    state.load()
    for group in state.metadata.feature_groups:
        if state.broker and group["type"] == "streamFeatureGroupDTO":
            state.broker.make_topic(group["onlineTopicName"])
    return state


def _config(app: App, state: State) -> uvicorn.Config:
    place = state.certificates
    return uvicorn.Config(
        app,
        lifespan="off",
        log_level="critical",
        access_log=False,
        ssl_certfile=str(place.certificate("server")),
        ssl_keyfile=str(place.key("server")),
    )


def _obey(app: App, state: State, server: uvicorn.Server) -> None:
    while not server.started:
        threading.Event().wait(0.01)
    _say({"address": state.address, "port": state.port})
    try:
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "stop":
                _keep(state)
                _say({})
                break
            _say(_done(order, app, state))
    finally:
        # The servers' threads would keep the process alive.
        os._exit(0)


def _keep(state: State) -> None:
    """Leave on disk what a cluster keeps over a restart."""
    if state.broker:
        state.broker.copy_all()
    state.save()


def _done(order: dict[str, Any], app: App, state: State) -> Any:
    if order["do"] == "add":
        state.faults.add(Fault(**order["fault"]))
    elif order["do"] == "clear":
        state.faults.clear()
    elif order["do"] == "requests":
        return [asdict(each) for each in app.log]
    elif order["do"] == "forget":
        app.log.clear()
    elif order["do"] == "reset":
        _reset(app, state)
    return {}


def _reset(app: App, state: State) -> None:
    """Empty the cluster once no request is left that could still write."""
    state.faults.clear()
    deadline = time.monotonic() + SETTLE_S
    while app.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    state.empty()
    app.log.clear()


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
