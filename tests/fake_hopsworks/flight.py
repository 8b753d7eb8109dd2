"""The query service: Arrow Flight over mutual TLS, on the port the client knows."""

from __future__ import annotations

import hmac
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow.flight as flight

from fake_hopsworks.feature_view_routes import signature
from fake_hopsworks.query import run
from fake_hopsworks.routing import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from fake_hopsworks.state import State

# Written into the client.
PORT = 5005
ACTIONS = {
    "healthcheck": "Whether the service is alive.",
    "get-version": "The version of the service.",
    "register-client-certificates": "Certificates to read with.",
}


class _Headers(flight.ServerMiddleware):
    def __init__(self, headers: dict[str, list[str]]) -> None:
        self.headers = headers


class _KeepHeaders(flight.ServerMiddlewareFactory):
    def start_call(self, info: Any, headers: dict[str, list[str]]) -> _Headers:
        return _Headers(headers)


class QueryService(flight.FlightServerBase):
    """Answers the actions and the reads of the client."""

    def __init__(self, state: State) -> None:
        self.state = state
        place = state.certificates
        pair = (
            place.certificate("server").read_text(),
            place.key("server").read_text(),
        )
        super().__init__(
            location=f"grpc+tls://{state.address}:{PORT}",
            tls_certificates=[pair],
            verify_client=True,
            root_certificates=place.ca.read_bytes(),
            middleware={"headers": _KeepHeaders()},
        )

    def list_actions(self, context: Any) -> list[tuple[str, str]]:
        self._meet("list_actions", context)
        return list(ACTIONS.items())

    def do_action(self, context: Any, action: Any) -> list[bytes]:
        self._meet(action.type, context)
        if action.type not in ACTIONS:
            raise flight.FlightServerError(f"No action {action.type}")
        return [b"5.2.1"] if action.type == "get-version" else [b"ok"]

    def get_flight_info(self, context: Any, descriptor: Any) -> flight.FlightInfo:
        import pyarrow as pa

        self._meet("get_flight_info", context)
        endpoint = flight.FlightEndpoint(descriptor.command, [])
        return flight.FlightInfo(pa.schema([]), descriptor, [endpoint], -1, -1)

    def do_get(self, context: Any, ticket: Any) -> flight.GeneratorStream:
        cut = self._meet("do_get", context)
        payload = ticket.ticket.decode("ascii")
        self._check_signature(context, payload)
        try:
            found = run(self.state, json.loads(payload))
        except ApiError as error:
            raise flight.FlightServerError(error.message) from error
        return flight.GeneratorStream(found.schema, _batches(found, cut))

    def _check_signature(self, context: Any, payload: str) -> None:
        headers = context.get_middleware("headers").headers
        given = headers.get("hopsworks-signature", [""])[0]
        if not hmac.compare_digest(given, signature(self.state, payload)):
            raise flight.FlightUnauthenticatedError("The query's signature is wrong.")

    def _meet(self, name: str, context: Any) -> bool:
        """Act out a fault; whether the stream shall be cut."""
        faults = self.state.faults
        fault = faults.meet("flight", "FLIGHT", f"/{name}")
        if fault is None:
            return False
        if fault.kind == "flight_unavailable":
            raise flight.FlightUnavailableError("The query service is not available.")
        started, generation = time.monotonic(), faults.generation
        while fault.kind == "flight_stall" and faults.generation == generation:
            late = fault.seconds and time.monotonic() - started > fault.seconds
            if late or context.is_cancelled():
                break
            time.sleep(0.05)
        return fault.kind == "flight_cut"


def _batches(found: pa.RecordBatchReader, cut: bool) -> Iterator[pa.RecordBatch]:
    for batch in found:
        yield batch
        if cut:
            raise flight.FlightServerError("The connection was cut off.")


def serve(state: State) -> QueryService:
    """Start the service; it answers in threads of its own."""
    service = QueryService(state)
    threading.Thread(target=service.serve, daemon=True).start()
    return service
