"""The geocoder for those who host a Nominatim: the same protocol over HTTP.

What belongs here: the order of the questions. What does not: how they are spelt
(``nominatim_questions.sql``), sent (``nominatim_client``), kept (``nominatim_cache``)
and judged (``nominatim_judge.sql``).
"""

from __future__ import annotations

from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from warehouse.errors import SlutprisError
from warehouse.geocoding.gazetteer import load_macros, statement
from warehouse.geocoding.nominatim_cache import NominatimCache
from warehouse.geocoding.nominatim_client import NominatimClient, Server
from warehouse.geocoding.protocol import GeocodeRequest, GeocodeResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from warehouse.settings import Settings

ATTEMPTS = (1, 2, 3, 4)
"""With its letter or range, without, the street alone, the district."""

_BATCH = 1000
_PENDING = """
create or replace temp table pending as
select a.question_id, a.query
from attempts as a
where a.attempt = $attempt
    and not exists (
        select 1 from judged as j
        where j.question_id = a.question_id
            -- A street is an answer only when no house is left to ask for.
            and (j.precision <> 'street' or a.attempt > 2)
    )
"""
_ANSWERS = """
select
    q.request_id, j.latitude, j.longitude, j.precision, j.uncertainty_m,
    if(j.precision is null, null, concat_ws(' ', $server, j.data_version))
        as gazetteer_version,
    j.attribution, j.street, j.number
from questions as q
inner join asked as a
    on q.address is not distinct from a.address
    and q.municipality is not distinct from a.municipality
    and q.district is not distinct from a.district
left join judged as j using (question_id)
-- A house found after its street takes the street's place.
qualify row_number() over (
    partition by q.request_id order by j.precision is not distinct from 'street'
) = 1
order by q.request_id
"""


class NominatimGeocoder:
    """The `Geocoder` that asks a Nominatim server, and remembers what it said.

    Raises
    ------
    SlutprisError
        When made, if the settings name no server; when used, if the server does not
        answer as a Nominatim does. It never falls back on another geocoder.
    """

    def __init__(self, settings: Settings, backoff_s: float = 1) -> None:
        self._settings = settings
        self._server = Server.of(settings)
        self._backoff_s = backoff_s

    def geocode(self, requests: Sequence[GeocodeRequest]) -> list[GeocodeResult]:
        """Answer every request, in order; a miss is a result of None fields.

        Raises
        ------
        SlutprisError
            When the server does not answer; what it has answered by then is kept.
        """
        path = self._settings.nominatim_cache_path
        with (
            closing(NominatimCache(path, self._server.url)) as cache,
            duckdb.connect() as connection,
        ):
            client = NominatimClient(self._server, cache, self._backoff_s)
            version = client.data_version()
            _spell(connection, requests)
            for attempt in ATTEMPTS:
                self._ask(connection, attempt, client, cache, version)
            return _results(connection, self._server.url)

    def _ask(
        self,
        connection: duckdb.DuckDBPyConnection,
        attempt: int,
        client: NominatimClient,
        cache: NominatimCache,
        version: str,
    ) -> None:
        connection.execute(_PENDING, {"attempt": attempt})
        rows = connection.execute(
            "select distinct query from pending "
            "anti join responses using (query) order by query"
        ).fetchall()
        queries = [row[0] for row in rows]
        known = cache.known(queries, version, self._settings.nominatim_cache_days)
        _add_responses(connection, ((q, *answer) for q, answer in known.items()))
        unknown = (query for query in queries if query not in known)
        while batch := list(islice(unknown, _BATCH)):
            answered = _fetch(client, cache, batch, version)
            _add_responses(connection, answered)
        connection.execute(statement("nominatim_judge"), {"attempt": attempt})


def _fetch(
    client: NominatimClient, cache: NominatimCache, queries: list[str], version: str
) -> list[tuple[str, str, str]]:
    """Ask all, several at a time, until one fails; each answer is kept as it comes."""
    failed = Event()

    def answer(query: str) -> tuple[str, str, str]:
        if failed.is_set():
            raise CancelledError
        try:
            body = client.search(query)
        except SlutprisError:
            failed.set()
            raise
        cache.keep(query, body, version)
        return query, body, version

    pool = ThreadPoolExecutor(client.server.connections, "nominatim")
    try:
        return list(pool.map(answer, queries))
    finally:
        pool.shutdown(cancel_futures=True)


def _spell(
    connection: duckdb.DuckDBPyConnection, requests: Sequence[GeocodeRequest]
) -> None:
    """Clean and parse the requests, as the embedded geocoder does, into attempts."""
    questions = pa.table(
        {
            "request_id": pa.array(range(len(requests)), pa.int64()),
            **{
                field.name: pa.array(
                    [getattr(r, field.name) for r in requests], pa.string()
                )
                for field in fields(GeocodeRequest)
            },
        }
    )
    connection.register("questions", questions)
    load_macros(connection)
    connection.execute(statement("match"))
    connection.execute(statement("nominatim_questions"))


def _add_responses(
    connection: duckdb.DuckDBPyConnection, responses: Iterable[tuple[str, str, str]]
) -> None:
    columns = list(zip(*responses, strict=True)) or [(), (), ()]
    names = ("query", "body", "data_version")
    arriving = pa.table(
        {
            name: pa.array(column, pa.string())
            for name, column in zip(names, columns, strict=True)
        }
    )
    connection.register("arriving_responses", arriving)
    connection.execute("insert into responses from arriving_responses")
    connection.unregister("arriving_responses")


def _results(connection: duckdb.DuckDBPyConnection, server: str) -> list[GeocodeResult]:
    rows = connection.execute(_ANSWERS, {"server": server}).fetchall()
    return [GeocodeResult(*row[1:]) for row in rows]
