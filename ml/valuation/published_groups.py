"""The feature groups and the view that housing publishes, column by column.

What belongs here: what is published of housing, and the SQL that reads it. What does
not: publishing it (``publishing``), and what any feature means (the mart's own
descriptions).
"""

from __future__ import annotations

from ml.feature_groups import Feature, FeatureGroupSpec, FeatureViewSpec

LABELS = ("sold_price_sek", "price_per_m2_sek", "sold_price_norm")

APARTMENT_FEATURES = FeatureGroupSpec(
    name="apartment_features",
    version=1,
    description="What a model sees of every accepted sale, as it was known on the day "
    "of the sale, with labels beside it. One row per sale.",
    primary_key=("sale_id",),
    event_time="sold_date",
    features=(
        Feature("sale_id", "string", 96),
        Feature("sold_price_sek", "bigint"),
        Feature("price_per_m2_sek", "double"),
        Feature("list_price_sek", "bigint"),
        Feature("sold_price_norm", "double"),
        Feature("sold_date", "date"),
        Feature("street", "string", 128),
        Feature("district", "string", 128),
        Feature("agency", "string", 200),
        Feature("brf", "string", 200),
        Feature("street_number", "double"),
        Feature("living_area_m2", "double"),
        Feature("rooms", "double"),
        Feature("floor", "double"),
        Feature("construction_year", "double"),
        Feature("fee_sek_per_month", "double"),
        Feature("operating_cost_sek_per_month", "double"),
        Feature("latitude", "double"),
        Feature("longitude", "double"),
        Feature("metro_distance_m", "double"),
        Feature("commuter_rail_distance_m", "double"),
        Feature("centre_distance_m", "double"),
        Feature("city_district", "string", 128),
        Feature("grid_cell", "string", 32),
        Feature("is_street_number_imputed", "boolean"),
        Feature("is_rooms_imputed", "boolean"),
        Feature("is_floor_imputed", "boolean"),
        Feature("is_construction_year_imputed", "boolean"),
        Feature("is_fee_sek_per_month_imputed", "boolean"),
        Feature("is_operating_cost_sek_per_month_imputed", "boolean"),
        Feature("is_latitude_imputed", "boolean"),
        Feature("is_brf_name_imputed", "boolean"),
        Feature("position_source", "string", 16),
        Feature("floor_source", "string", 16),
        Feature("construction_year_source", "string", 16),
        Feature("brf_name_source", "string", 16),
        Feature("sold_year_fraction", "double"),
        Feature("sold_month_sin", "double"),
        Feature("sold_month_cos", "double"),
        Feature("gdp_growth_yoy_pct", "double"),
        Feature("unemployment_pct", "double"),
        Feature("policy_rate_pct", "double"),
        Feature("cpi_yoy_pct", "double"),
        Feature("is_gdp_growth_yoy_pct_scenario", "boolean"),
        Feature("is_unemployment_pct_scenario", "boolean"),
        Feature("is_policy_rate_pct_scenario", "boolean"),
        Feature("is_cpi_yoy_pct_scenario", "boolean"),
        Feature("price_index_sek_per_m2", "double"),
        Feature("quality_log_premium", "double"),
        Feature("comparables_log_residual", "double"),
        Feature("comparables_log_spread", "double"),
        Feature("comparables_weight", "double"),
        Feature("comparables_distance_m", "double"),
        Feature("building_log_residual", "double"),
        Feature("building_sale_count", "double"),
        Feature("building_days_since_sale", "double"),
        Feature("street_log_residual", "double"),
        Feature("street_sale_count", "double"),
        Feature("street_days_since_sale", "double"),
        Feature("brf_log_residual", "double"),
        Feature("brf_sale_count", "double"),
        Feature("brf_days_since_sale", "double"),
        Feature("previous_sale_log_ratio", "double"),
        Feature("previous_sale_days", "double"),
        Feature("fee_log_ratio", "double"),
        Feature("street_number_norm", "double"),
        Feature("living_area_norm", "double"),
        Feature("rooms_norm", "double"),
        Feature("sold_date_norm", "double"),
        Feature("fee_norm", "double"),
        Feature("operating_cost_norm", "double"),
        Feature("floor_norm", "double"),
        Feature("construction_year_norm", "double"),
        Feature("latitude_norm", "double"),
        Feature("longitude_norm", "double"),
        Feature("unemployment_norm", "double"),
        Feature("policy_rate_norm", "double"),
    ),
    # A sale has one day; a corrected day replaces the row of the wrong one.
    keeps_history=False,
)
APARTMENT_FEATURES_SQL = "select * from marts.sale_features"

RAW_SALES = FeatureGroupSpec(
    name="raw_sales",
    version=1,
    description="Every observation of a sale, as a search page or a file said it, "
    "before any cleaning. One row per sale and time it was observed.",
    primary_key=("sale_id",),
    event_time="observed_at",
    features=(
        Feature("sale_id", "string", 96),
        Feature("observed_at", "timestamp"),
        Feature("source", "string", 8),
        Feature("content_sha256", "string", 64),
        Feature("url", "string", 500),
        Feature("address", "string", 300),
        Feature("area", "string", 300),
        Feature("municipality", "string", 100),
        Feature("object_type", "string", 100),
        Feature("agency", "string", 300),
        Feature("brf_name", "string", 300),
        Feature("energy_class", "string", 40),
        Feature("sold_price_type", "string", 40),
        Feature("sold_date", "date"),
        Feature("sold_price_sek", "bigint"),
        Feature("list_price_sek", "bigint"),
        Feature("living_area_m2", "double"),
        Feature("rooms", "double"),
        Feature("floor", "double"),
        Feature("construction_year", "int"),
        Feature("fee_sek_per_month", "double"),
        Feature("operating_cost_sek_per_year", "double"),
        Feature("days_active", "int"),
        Feature("latitude", "double"),
        Feature("longitude", "double"),
    ),
)
"""Both sources of sales in one shape: cards of search pages and rows of files.

The raw tables rather than the predecessor's one file of 21 columns, because they are
what a parser or a cleaning rule can be mended from. Pages of homes stay out: they are
observations of homes, not of sales, and their payload is kept in the warehouse.
"""

RAW_SALES_SQL = """
    select
        'booli:' || booli_id as sale_id,
        observed_at,
        'card' as source,
        content_sha256,
        url,
        street_address as address,
        descriptive_area_name as area,
        municipality_name as municipality,
        object_type,
        null::varchar as agency,
        null::varchar as brf_name,
        null::varchar as energy_class,
        sold_price_type,
        sold_date,
        sold_price_sek,
        list_price_sek,
        living_area_m2,
        rooms,
        floor,
        null::integer as construction_year,
        fee_sek_per_month::double as fee_sek_per_month,
        null::double as operating_cost_sek_per_year,
        days_active,
        latitude,
        longitude
    from raw.sale_cards
    union all by name
    select
        platform || ':' || source_id as sale_id,
        'file' as source,
        null::integer as days_active,
        * exclude (platform, source_id, has_own_id, file_sha256, row_number)
    from raw.landed_sales
"""
RAW_SALES_FILE = "raw_sales.parquet"

APARTMENTS = FeatureViewSpec(
    name="apartments",
    version=1,
    description="What models learn from: every feature of a sale, and its price.",
    group=APARTMENT_FEATURES.name,
    group_version=APARTMENT_FEATURES.version,
    features=tuple(APARTMENT_FEATURES.column_names),
    labels=LABELS,
)
