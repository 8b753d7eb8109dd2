"""A hand-made market of three streets, published as a snapshot with a trained model.

Prices are index x area x street, so the right value of a home can be told by hand:
a square metre of Sveavägen (Vasastan) costs 50 000 SEK in January 2020 and 100 more in
each month after; on Hornsgatan (Södermalm) it costs half of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pandas as pd
from made_up_sales import SMALL

from ml.folder_registry import FolderRegistry
from ml.valuation.described import read_described_sales
from ml.valuation.features import HISTORY_FEATURES, SURROUNDINGS
from ml.valuation.models import XGBoostModel
from ml.valuation.registration import registered_name
from warehouse.serving import publish
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from ml.valuation.boosted_model import BoostedModel

PARAMETERS = {
    "xgboost": {"num_boost_round": 40, "max_depth": 3, "eta": 0.3},
    "lightgbm": {"num_boost_round": 20, "num_leaves": 8, "verbosity": -1},
    "neural": SMALL["neural"],
}
FIRST_MONTH, LAST_MONTH = "2020-01-01", "2026-10-01"

STREETS = pd.DataFrame(
    {
        "street": ["Sveavägen", "Hornsgatan", "Ringvägen"],
        "district": ["Vasastan", "Södermalm", "Södermalm"],
        "level": [1.0, 0.5, 0.6],
        "latitude": [59.345, 59.317, 59.309],
        "longitude": [18.056, 18.052, 18.074],
    }
)

# No street has a history or a station here: the models must do without.
UNKNOWN_FEATURES = ",\n".join(
    f"        null::double as {name}" for name in SURROUNDINGS + HISTORY_FEATURES
)

MARTS_SQL = f"""
    create schema marts;

    create table marts.price_index as
    select
        month::date as period_start,
        50000 + 100 * date_diff('month', date '{FIRST_MONTH}', month)
            as price_index_sek_per_m2,
        2.0 as standard_error_pct,
        3 as sale_count,
        (month + interval 1 month)::date as known_from
    from generate_series(
        date '{FIRST_MONTH}', date '{LAST_MONTH}', interval 1 month
    ) as months (month);

    create table marts.sales as
    with drawn as (
        select
            streets.*,
            period_start as month,
            (1 + 2 * (number % 40))::integer as street_number,
            30 + 5 * (number % 13) as living_area_m2,
            number
        from streets
        cross join marts.price_index
        cross join generate_series(1, 4) as flats (flat)
        cross join lateral (
            select
                flat * 7
                + date_diff('month', date '{FIRST_MONTH}', period_start) as number
        )
    )
    select
        'booli:' || row_number() over (order by month, street, number) as sale_id,
        'booli' as platform,
        null::varchar as url,
        street || ' ' || street_number as address,
        street,
        street_number,
        district,
        'Stockholm' as municipality,
        if(number % 2 = 0, 'Mäklarringen', 'Notar') as agency,
        if(number % 4 = 0, null, 'BRF ' || street) as brf_name,
        round(
            level * living_area_m2
            * (50000 + 100 * date_diff('month', date '{FIRST_MONTH}', month))
        )::bigint as sold_price_sek,
        if(number % 3 = 0, null, round(
            level * living_area_m2 * 0.9
            * (50000 + 100 * date_diff('month', date '{FIRST_MONTH}', month))
        ))::bigint as list_price_sek,
        living_area_m2::double as living_area_m2,
        round(living_area_m2 / 25)::double as rooms,
        -- Now and then a fact is not known, as of the homes people ask about.
        if(number % 5 = 0, null, number % 6)::double as floor,
        if(number % 3 = 0, null, 1900 + number % 100) as construction_year,
        if(number % 4 = 0, null, 50.0 * living_area_m2)::double as fee_sek_per_month,
        if(number % 2 = 0, null, 500.0)::double as operating_cost_sek_per_month,
        latitude + street_number / 100000 as latitude,
        longitude,
        (month + to_days((number % 27)::integer))::date as sold_date
    from drawn;

    alter table marts.sales add column price_per_m2_sek double;
    update marts.sales set price_per_m2_sek = sold_price_sek / living_area_m2;

    create table marts.rejected_sales as
    select 'booli:x' || n as sale_id, 'sold_price_range' as rule, 'too cheap' as reason
    from generate_series(1, 7) as rejected (n);

    create table marts.places as
    select
        'address' as place_level,
        replace(lower(strip_accents(address)), ' ', '') as place_key,
        address, street, street_number, district, municipality,
        avg(latitude) as latitude, avg(longitude) as longitude, count(*) as sale_count
    from marts.sales group by all
    union all
    select
        'street', lower(strip_accents(street)), null, street, null, district,
        municipality, avg(latitude), avg(longitude), count(*)
    from marts.sales group by all
    union all
    select
        'district', lower(strip_accents(district)), null, null, null, district,
        municipality, avg(latitude), avg(longitude), count(*)
    from marts.sales group by all;

    create table marts.imputation_references as
    select
        'district' as reference_level, 'sodermalm' as district_key,
        50.0 as fee_sek_per_m2, null::double as operating_cost_sek_per_m2,
        date '2021-01-01' as known_from;

    create macro marts.features_of(requests) as table
    select
        requests.request_id,
        requests.sold_date,
        lower(strip_accents(
            rtrim(regexp_extract(requests.address, '^[^0-9]*'), ' ')
        )) as street,
        lower(strip_accents(requests.district)) as district,
        requests.agency,
        try_cast(regexp_extract(requests.address, '[0-9]+') as double) as street_number,
        requests.living_area_m2,
        coalesce(requests.rooms, round(requests.living_area_m2 / 25)) as rooms,
        requests.floor,
        requests.construction_year::double as construction_year,
        requests.fee_sek_per_month,
        requests.operating_cost_sek_per_month,
        requests.latitude,
        requests.longitude,
        price_index.price_index_sek_per_m2,
        requests.floor is null as is_floor_imputed,
        requests.fee_sek_per_month is null as is_fee_sek_per_month_imputed,
        requests.construction_year is null as is_construction_year_imputed,
        case when requests.construction_year is null then 'city' else 'own' end
            as construction_year_source,
        requests.sold_date >= date '2026-11-01' as is_cpi_yoy_pct_scenario,
{UNKNOWN_FEATURES}
    from query_table(requests) as requests
    asof left join marts.price_index
        on requests.sold_date >= price_index.known_from;

    create table marts.sale_features as
    select
        sales.sale_id,
        sales.sold_price_sek,
        sales.price_per_m2_sek,
        sales.list_price_sek,
        features.* exclude (request_id)
    from marts.features_of(sale_requests) as features
    inner join marts.sales on features.request_id = sales.sale_id;
"""


def publish_market(data: Path) -> Settings:
    """Publish the market's marts below a data folder; no model is registered."""
    settings = Settings(data_dir=data, threads=1)
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.register("streets", STREETS)
        before, after = MARTS_SQL.split("create table marts.sale_features as")
        connection.execute(before)
        connection.execute(
            "create temp table sale_requests as "
            "select *, sale_id as request_id from marts.sales"
        )
        connection.execute(f"create table marts.sale_features as {after}")
        publish(connection, settings.serving_dir)
    return settings


def register_model(
    settings: Settings,
    workspace: Path,
    model: BoostedModel | None = None,
    *,
    sale_count: int | None = None,
    **metrics: float,
) -> None:
    """Train a model, XGBoost unless given, on the last sales and register it."""
    model = model or XGBoostModel(parameters=PARAMETERS)
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        sales = read_described_sales(connection, settings)
    model.fit(sales.tail(sale_count or len(sales))).save(workspace / model.name)
    FolderRegistry(settings.registry_dir).register(
        registered_name(model.name, model.mode),
        workspace / model.name,
        metrics={"mdape_pct": 5.0, "mape_pct": 6.0, **metrics},
        lineage={"git_commit": "abc1234", "data_snapshot": "tiny"},
        input_schema={"living_area_m2": "double"},
        input_example={"living_area_m2": 50},
    )
