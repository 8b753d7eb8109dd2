"""The sales that judge the valuations of the forward log, and the figures they give.

What belongs here: finding the sale of a valuation, telling an honest forward valuation
from one made in hindsight, and the figures by model and class. What does not: keeping
and reading the log (``forward_log``), and printing (``forward_report``).

A valuation is *forward* when it was made before the warehouse first saw the sale, for a
day that was not past already. One made later, or backdated, stood on a market that had
gone on: it is kept apart as *retrospective*. A home that was valued ten times before
its sale counts once for each model and mode, by the last of the ten.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa

from ml.valuation.forward_log import Log, read_log
from ml.valuation.metrics import bias_pct, evaluate, mape_pct, mdape_pct
from ml.valuation.places import ADDRESS_SQL, TEXT_KEY_SQL
from warehouse.errors import SlutprisError
from warehouse.store import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.settings import Settings

SCORED = "scored_valuations.parquet"
SUMMARY = "forward_log.json"
MIN_AREA_TOLERANCE_M2 = 1
AREA_TOLERANCE = 0.02
PROTOCOLS = {True: "forward", False: "retrospective"}

LOGGED_SCHEMA = pa.schema(
    {
        "valuation_id": pa.string(),
        "made_at": pa.timestamp("us"),
        "valuation_date": pa.date32(),
        "mode": pa.string(),
        "model": pa.string(),
        "model_version": pa.int64(),
        "snapshot_id": pa.string(),
        "code_commit": pa.string(),
        "confidence_class": pa.int64(),
        "address": pa.string(),
        "address_key": pa.string(),
        "place_level": pa.string(),
        "district": pa.string(),
        "municipality": pa.string(),
        "latitude": pa.float64(),
        "longitude": pa.float64(),
        "living_area_m2": pa.float64(),
        "rooms": pa.float64(),
        "floor": pa.float64(),
        "value_sek": pa.int64(),
        "low_sek": pa.int64(),
        "high_sek": pa.int64(),
    }
)
FACTS = ("address", "living_area_m2", "rooms", "floor")

_ADDRESS_KEY = TEXT_KEY_SQL.format(ADDRESS_SQL)
_MUNICIPALITY_KEY = TEXT_KEY_SQL.format("municipality")

# The same flat is told by its address, size and floor; a home twice sold by the sale
# that came first. Floors half a storey apart are one floor, told differently.
SCORED_SQL = f"""
    with known as (
        select max(sold_date) as market_known_until from marts.sales
    ),

    observations as (
        select 'booli:' || booli_id as sale_id, observed_at from raw.sale_cards
        union all
        select platform || ':' || source_id as sale_id, observed_at
        from raw.landed_sales
    ),

    -- A sale was known as soon as one of the rows that tell of it was.
    first_observations as (
        select
            coalesce(duplicates.duplicate_of_sale_id, observations.sale_id) as sale_id,
            min(observations.observed_at) as first_observed_at
        from observations
        left join (
            select distinct sale_id, duplicate_of_sale_id from marts.duplicate_sales
        ) as duplicates using (sale_id)
        group by all
    ),

    sales as (
        select
            sales.*,
            {_ADDRESS_KEY} as address_key,
            {_MUNICIPALITY_KEY} as municipality_key,
            least(first_observations.first_observed_at, sales.observed_at)
                as first_observed_at
        from marts.sales
        left join first_observations using (sale_id)
    ),

    valuations as (
        select
            *,
            {_MUNICIPALITY_KEY} as municipality_key,
            -- The street as it is known, and as it was written.
            list_distinct([address_key, {_ADDRESS_KEY}]) as address_keys,
            -- One day of grace: the day has begun elsewhere before it has in UTC.
            valuation_date < made_at::date - 1 as is_backdated
        from logged
    ),

    candidates as (
        select
            asked.valuation_id,
            sales.sale_id,
            sales.url,
            sales.sold_price_sek,
            sales.sold_date,
            sales.first_observed_at,
            date_diff('day', asked.valuation_date, sales.sold_date) as days_between,
            asked.floor is not null and sales.floor is not null as is_floor_matched,
            abs(sales.living_area_m2 - asked.living_area_m2) as area_difference_m2,
            coalesce(sales.rooms <> asked.rooms, false) as is_other_room_count
        from (
            select * replace (unnest(address_keys) as address_keys) from valuations
            where address_key is not null
        ) as asked
        inner join sales on asked.address_keys = sales.address_key
        where
            sales.sold_date >= asked.valuation_date
            and sales.sold_date <= asked.valuation_date + $match_days::integer
            and coalesce(asked.municipality_key = sales.municipality_key, true)
            and coalesce(abs(asked.floor - sales.floor) < 1, true)
            and abs(sales.living_area_m2 - asked.living_area_m2) <= greatest(
                {MIN_AREA_TOLERANCE_M2}, {AREA_TOLERANCE} * asked.living_area_m2
            )
    ),

    matches as (
        select *, count(*) over (partition by valuation_id) as candidate_count
        from (select distinct * from candidates)
        qualify row_number() over (
            partition by valuation_id
            order by
                is_floor_matched desc, area_difference_m2, is_other_room_count,
                sold_date, sale_id
        ) = 1
    ),

    -- What the city did between the day of the value and that of the sale.
    index_at_valuation as (
        select valuations.valuation_id, price_index.price_index_sek_per_m2
        from valuations
        asof inner join marts.price_index
            on valuations.valuation_date >= price_index.period_start
    ),

    index_at_sale as (
        select matches.valuation_id, price_index.price_index_sek_per_m2
        from matches
        asof inner join marts.price_index
            on matches.sold_date >= price_index.period_start
    ),

    judged as (
        select
            valuations.*,
            matches.* exclude (valuation_id, url),
            matches.url as sale_url,
            case
                when matches.sale_id is not null then 'matched'
                when valuations.address_key is null then 'without_number'
                when
                    valuations.valuation_date + $match_days::integer
                    < known.market_known_until
                    then 'expired'
                else 'waiting'
            end as status,
            case
                when valuations.made_at >= matches.first_observed_at
                    then 'sale_was_known'
                when valuations.is_backdated then 'backdated'
            end as hindsight,
            coalesce(
                index_at_sale.price_index_sek_per_m2
                / index_at_valuation.price_index_sek_per_m2, 1
            ) * valuations.value_sek as value_index_carried_sek
        from valuations
        cross join known
        left join matches using (valuation_id)
        left join index_at_valuation using (valuation_id)
        left join index_at_sale using (valuation_id)
    )

    select
        valuation_id,
        sale_id,
        snapshot_id,
        code_commit,
        ---------- text
        address,
        district,
        municipality,
        model,
        mode,
        status,
        hindsight,
        sale_url,
        ---------- numbers
        model_version,
        confidence_class,
        latitude,
        longitude,
        living_area_m2,
        rooms,
        floor,
        value_sek,
        low_sek,
        high_sek,
        round(if(sale_id is null, null, value_index_carried_sek))::bigint
            as value_index_carried_sek,
        sold_price_sek,
        100 * (value_sek / sold_price_sek - 1) as error_pct,
        100 * (value_index_carried_sek / sold_price_sek - 1) as error_pct_index_carried,
        days_between,
        candidate_count,
        ---------- booleans
        sold_price_sek between low_sek and high_sek as is_within_range,
        is_floor_matched,
        hindsight is null as is_forward,
        sale_id is not null and row_number() over (
            partition by sale_id, model, mode, hindsight is null
            order by made_at desc, valuation_id
        ) = 1 as is_counted,
        ---------- dates
        made_at,
        valuation_date,
        sold_date
    from judged
    order by made_at, valuation_id
"""


@dataclass(frozen=True)
class ScoredLog:
    """One row per valuation, and the figures: what is kept of one scoring."""

    valuations: pd.DataFrame
    summary: dict[str, Any]
    path: Path


def score_log(connection: duckdb.DuckDBPyConnection, settings: Settings) -> ScoredLog:
    """Score every valuation of the log, and keep the table and the figures as files.

    The same log and warehouse give the same bytes.

    Parameters
    ----------
    connection
        To the warehouse; only read.
    settings
        Where the log lies and the reports go, and how long a sale may take.

    Raises
    ------
    SlutprisError
        When the marts are not built, or the files cannot be written.
    """
    log = read_log(settings.forward_log_dir)
    valuations = scored_valuations(connection, log, settings.forward_log_match_days)
    known_until = _market_known_until(connection)
    summary = {
        "market_known_until": known_until,
        "match_days": settings.forward_log_match_days,
        "counts": _counts(valuations, log),
        "damaged": [asdict(line) for line in log.damaged],
        "results": list(results(valuations)),
    }
    path = make_folder(settings.reports_dir) / SCORED
    _keep(valuations, summary, path)
    return ScoredLog(valuations, summary, path)


def scored_valuations(
    connection: duckdb.DuckDBPyConnection, log: Log, match_days: int
) -> pd.DataFrame:
    """Give one row per valuation of a log, beside the sale that judges it.

    ``status`` is matched, waiting, expired (no sale in time) or without_number (asked
    for a street or a district alone). ``hindsight`` says why a valuation is not a
    forward one. ``error_pct`` holds the value as it was given against the price,
    ``error_pct_index_carried`` the value moved to the day of the sale by the city's
    index: the one is what the asker got, the other what the model is to blame for.
    """
    with connection.cursor() as cursor:
        cursor.register("logged", _logged(log))
        try:
            return cursor.execute(SCORED_SQL, {"match_days": match_days}).df()
        except duckdb.CatalogException as error:
            raise SlutprisError(
                "the warehouse has no sales to score valuations by; build it with "
                "`dbt build --project-dir dbt_project`"
            ) from error


def results(valuations: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the figures of each model and mode: whole, by version and by class."""
    counted = valuations[valuations["is_counted"]]
    keys = ["is_forward", "model", "mode"]
    for (is_forward, model, mode), group in counted.groupby(keys, sort=True):
        named = {"model": model, "mode": mode, "protocol": PROTOCOLS[bool(is_forward)]}
        yield {**named, "segment": "all", **_figures(group)}
        for column in ("model_version", "confidence_class"):
            for label in sorted(group[column].dropna().unique()):
                part = group[group[column] == label]
                yield {**named, "segment": f"{column}:{label:.0f}", **_figures(part)}


def _figures(group: pd.DataFrame) -> dict[str, Any]:
    price = group["sold_price_sek"].to_numpy(dtype=float)
    carried = price * (1 + group["error_pct_index_carried"].to_numpy(dtype=float) / 100)
    ranged = group["is_within_range"].dropna()
    figures = evaluate(price, group["value_sek"].to_numpy(dtype=float)) | {
        "mape_pct_index_carried": mape_pct(price, carried),
        "mdape_pct_index_carried": mdape_pct(price, carried),
        "bias_pct_index_carried": bias_pct(price, carried),
        "coverage_90_pct": 100 * float(ranged.mean()) if len(ranged) else None,
        "median_days_between": float(group["days_between"].median()),
    }
    # A figure that does not exist, such as the R² of one sale, is null.
    return {key: None if value != value else value for key, value in figures.items()}


def _counts(valuations: pd.DataFrame, log: Log) -> dict[str, Any]:
    status = valuations["status"].value_counts()
    counts = {
        name: int(status.get(name, 0))
        for name in ("matched", "waiting", "expired", "without_number")
    }
    decided = counts["matched"] + counts["expired"]
    is_matched = valuations["status"] == "matched"
    is_forward = valuations["is_forward"].astype(bool)
    return {
        "valuations": len(valuations),
        **counts,
        "match_rate_pct": 100 * counts["matched"] / decided if decided else None,
        "matched_forward": int((is_matched & is_forward).sum()),
        "matched_retrospective": int((is_matched & ~is_forward).sum()),
        "counted_forward": int((valuations["is_counted"] & is_forward).sum()),
        "repeated_records": log.duplicate_count,
        "damaged_lines": len(log.damaged),
    }


def _logged(log: Log) -> pa.Table:
    rows = [
        {
            **record,
            **{name: record["facts"].get(name) for name in FACTS},
            "made_at": pd.Timestamp(record["made_at"]).tz_localize(None),
            "valuation_date": pd.Timestamp(record["valuation_date"]).date(),
        }
        for record in log.records
    ]
    return pa.Table.from_pylist(rows, schema=LOGGED_SCHEMA)


def _market_known_until(connection: duckdb.DuckDBPyConnection) -> str | None:
    rows = connection.execute("select max(sold_date) from marts.sales").fetchall()
    return rows[0][0].isoformat() if rows[0][0] else None


def _keep(valuations: pd.DataFrame, summary: dict[str, Any], path: Path) -> None:
    """Write both files, each whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    try:
        with duckdb.connect() as connection:
            connection.register("valuations", valuations)
            target = str(partial).replace("'", "''")
            connection.execute(f"copy valuations to '{target}' (format parquet)")
        partial.replace(path)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path.with_name(SUMMARY))
    except (OSError, duckdb.IOException) as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(
            f"cannot write {path} ({reason}); make room, "
            "or set SLUTPRIS_DATA to a folder you may write to"
        ) from error
