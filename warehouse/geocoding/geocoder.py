"""The embedded geocoder: bulk SQL over the gazetteer.

What belongs here: the order of the steps, and the protocol over them. What does not:
how an address is read (``address.sql``) or placed (``place.sql``).
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pyarrow as pa

from warehouse.errors import SlutprisError
from warehouse.geocoding.gazetteer import has_gazetteer, load_macros, statement
from warehouse.geocoding.protocol import GeocodeResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from warehouse.geocoding.protocol import GeocodeRequest

_SAME_MUNICIPALITY = """
    (a.municipality_key in ('', s.municipality_key) or s.municipality_key = '')
"""
_UNMATCHED = "(select * from asked anti join matched using (question_id))"
_BY_KEY = (
    "select distinct a.question_id, s.street_id "
    f"from {_UNMATCHED} as a inner join gazetteer.streets as s "
    f"on {{ours}} = s.{{theirs}} and {_SAME_MUNICIPALITY}"
)
_BY_TYPO = f"""
    select distinct a.question_id, s.street_id
    from (
        select *, typo_key(street) as typo_key, unnest(deletions(typo_key)) as deletion
        from {_UNMATCHED}
        where len(typo_key(street)) >= 5
    ) as a
    inner join gazetteer.street_deletions as d using (deletion)
    inner join gazetteer.streets as s
        on d.street_id = s.street_id and {_SAME_MUNICIPALITY}
    where damerau_levenshtein(a.typo_key, s.typo_key) <= 1
"""
STEPS = {
    "exact": _BY_KEY.format(ours="a.street_key", theirs="street_key"),
    "alias": _BY_KEY.format(ours="alias_key(a.street)", theirs="alias_key"),
    "folded": _BY_KEY.format(ours="folded(a.street_key)", theirs="folded_key"),
    "folded_alias": _BY_KEY.format(
        ours="folded(alias_key(a.street))", theirs="folded_alias_key"
    ),
    "typo": _BY_TYPO,
}
"""How a street is looked for, in this order; each step sees what is left over."""


def geocode_table(
    connection: duckdb.DuckDBPyConnection, relation: str
) -> duckdb.DuckDBPyRelation:
    """Geocode a relation of any size inside DuckDB.

    Parameters
    ----------
    relation
        Name of a table or view of `request_id` (any type), `address`, and, where
        known, `municipality` and `district`.

    Returns
    -------
    duckdb.DuckDBPyRelation
        The temporary table `geocoded`, one row per row asked, until the next call:
        `request_id`, the fields of `GeocodeResult`, and `street_match`, the step that
        found the street (a key of `STEPS`). A miss is NULL throughout.

    Raises
    ------
    SlutprisError
        When there is no gazetteer, or the relation has no such columns.
    """
    require_gazetteer(connection)
    _ask(connection, relation)
    connection.execute(statement("match"))
    step_sql = statement("step")
    for step, candidates in STEPS.items():
        if not connection.execute(f"from {_UNMATCHED} limit 1").fetchall():
            break
        connection.execute(step_sql.format(step=step, candidates=candidates))
    connection.execute(statement("place"))
    connection.execute(statement("answer"))
    return connection.table("geocoded")


def require_gazetteer(connection: duckdb.DuckDBPyConnection) -> None:
    """Define how addresses are read, for this connection.

    Raises
    ------
    SlutprisError
        When there is no gazetteer.
    """
    if not has_gazetteer(connection):
        raise SlutprisError(
            "the warehouse has no gazetteer; build one with "
            "`python -m warehouse.geocoding FILE...`"
        )
    load_macros(connection)


def _ask(connection: duckdb.DuckDBPyConnection, relation: str) -> None:
    columns = {row[0] for row in connection.execute(f"describe {relation}").fetchall()}
    if missing := {"request_id", "address"} - columns:
        raise SlutprisError(
            f"{relation} has no column {', '.join(sorted(missing))}; geocoding needs "
            "request_id and address, and takes municipality and district"
        )
    optional = ", ".join(
        name if name in columns else f"null::varchar as {name}"
        for name in ("municipality", "district")
    )
    connection.execute(
        "create or replace temp view questions as "
        f"select request_id, address, {optional} from {relation}"
    )


class DuckDBGeocoder:
    """The `Geocoder` that needs nothing but the warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def geocode(self, requests: Sequence[GeocodeRequest]) -> list[GeocodeResult]:
        """Answer every request, in order; a miss is a result of None fields.

        Raises
        ------
        SlutprisError
            When the warehouse has no gazetteer.
        """
        columns = ("address", "municipality", "district")
        asked = pa.table(
            {
                "request_id": pa.array(range(len(requests)), pa.int64()),
                **{
                    name: pa.array([getattr(r, name) for r in requests], pa.string())
                    for name in columns
                },
            }
        )
        self._connection.register("geocode_requests", asked)
        try:
            answers = geocode_table(self._connection, "geocode_requests")
            names = ", ".join(field.name for field in fields(GeocodeResult))
            rows = answers.order("request_id").project(names).fetchall()
        finally:
            self._connection.execute("drop view if exists questions")
            self._connection.unregister("geocode_requests")
        return [GeocodeResult(*row) for row in rows]
