-- noqa: disable=layout.indent
{#
Incremental models: each is rebuilt from the month of the earliest change it has not seen.

A value of the warehouse depends on nothing after its own day (design decision 6), so a
sale that is new, late or corrected can only move what is dated on its day or later. That
day is all there is to know: older rows are kept, the others are deleted and inserted.
`intermediate.rebuilds` remembers which changes a model has seen and by which code; when
any SQL, seed or variable of the project has changed, the model is rebuilt whole.
#}

{#
The first day to rebuild in this model, as a literal; before all days on a full refresh,
after all of them when nothing changed. Whole months, so that half-months, months and
what is summed in them are rebuilt whole. Duplicates look some days ahead of a sale.
#}
{% macro rebuild_from(days_before=0) -%}
    {%- if execute and is_incremental() -%}
        {%- set query -%}
            select
                coalesce(
                    cast(
                        date_trunc(
                            'month',
                            min(changed_from)
                            - interval '{{ var("duplicate_days") }} days'
                        ) - interval '{{ days_before }} days' as date
                    ),
                    date 'infinity'
                )::varchar
            from {{ rebuild_schema() }}.int_sale_observations
            where loaded_at > (
                select coalesce(
                    arg_max(seen_until, finished_at), timestamp '-infinity'
                )
                from {{ rebuild_schema() }}.rebuilds
                where model = '{{ this.identifier }}'
            )
        {%- endset -%}
        date '{{ run_query(query).columns[0].values()[0] }}'
    {%- else -%}
        date '-infinity'
    {%- endif -%}
{%- endmacro %}

{# Whether a row is of the days to rebuild. Rows without a date are few: always. #}
{% macro is_rebuilt(date, days_before=0) -%}
    coalesce({{ date }}, date 'infinity') >= {{ rebuild_from(days_before) }}
{%- endmacro %}

{# Before an incremental model is built: make room for what is rebuilt. #}
{% macro delete_rebuilt() -%}
    {%- set column = model.config.get('meta', {}).get('rebuilt_by') -%}
    {%- if execute and column and is_incremental() -%}
        delete from {{ this }} where {{ is_rebuilt(column) }}
    {%- endif -%}
{%- endmacro %}

{# After any model is built: it has seen what its inputs had seen. #}
{% macro record_rebuild() -%}
    {%- if execute -%}
    {%- set inputs = [] -%}
    {%- for node in model.depends_on.nodes -%}
        {%- do inputs.append("'" ~ node.split('.')[2] ~ "'") -%}
    {%- endfor -%}
    insert into {{ rebuild_schema() }}.rebuilds
    select
        '{{ this.identifier }}' as model,
        '{{ code_sha256() }}' as code_sha256,
        coalesce(
            min(seen_until),
            {{ run_started_at_utc() }}
        ) as seen_until,
        (
            select
                greatest(
                    get_current_timestamp() at time zone 'UTC',
                    coalesce(
                        max(finished_at) + interval 1 microsecond,
                        timestamp '-infinity'
                    )
                )
            from {{ rebuild_schema() }}.rebuilds
        ) as finished_at
    from (
        select arg_max(seen_until, finished_at) as seen_until
        from {{ rebuild_schema() }}.rebuilds
        where model in ({{ (inputs or ["''"]) | join(', ') }})
        group by model
    )
    {%- endif -%}
{%- endmacro %}

{#
When this run of dbt began: one number for all that it writes. After all that was seen
before, also where the clock has been set back since.
#}
{% macro run_started_at_utc() -%}
    {%- if execute -%}
        (
            select this_run.started_at
            from {{ rebuild_schema() }}.this_run
        )
    {%- else -%}
        timestamp '-infinity'
    {%- endif -%}
{%- endmacro %}

{% macro create_rebuilds() -%}
    create schema if not exists {{ rebuild_schema() }};
    create table if not exists {{ rebuild_schema() }}.rebuilds (
        model varchar not null,
        code_sha256 varchar not null,
        seen_until timestamp not null,
        finished_at timestamp not null
    );
    create or replace table {{ rebuild_schema() }}.this_run as
    select
        greatest(
            timestamp '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}',
            coalesce(
                max(seen_until) + interval 1 microsecond, timestamp '-infinity'
            )
        ) as started_at
    from {{ rebuild_schema() }}.rebuilds
{%- endmacro %}

{% macro rebuild_schema() -%}
    {{ target.database }}.intermediate
{%- endmacro %}

{#
Of every model, seed, macro and variable of the project, and of what landed beside the
sales: what an incremental model was built by. Any may change any value: none is left out.
#}
{% macro code_sha256() -%}
    {%- set sources = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type in ['model', 'seed'] -%}
            {%- do sources.append(node.name ~ node.checksum.checksum) -%}
            {%- do sources.append(node.raw_code) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for macro in context[project_name].values() -%}
        {%- do sources.append(macro.macro.macro_sql) -%}
    {%- endfor -%}
    {%- set code = sources | sort | join('\n') -%}
    {%- set names = modules.re.findall("var\\(['\"](\\w+)['\"]", code) -%}
    {%- set values = [] -%}
    {%- for name in names | unique | sort -%}
        {%- do values.append(name ~ '=' ~ var(name, none)) -%}
    {%- endfor -%}
    {{- local_md5(code ~ values | join('\n') ~ landed_references()) -}}
{%- endmacro %}

{# When the user's own figures and places landed last: they may move any sale. #}
{% macro landed_references() -%}
    {%- set query -%}
        select list(newest order by newest)::varchar
        from (
            select max(loaded_at) as newest from {{ source('raw', 'stops') }}
            union all
            select max(loaded_at) from {{ source('raw', 'district_polygons') }}
            union all
            select max(loaded_at)
            from {{ source('raw', 'landed_economy_observations') }}
            union all
            select max(geocoded_at) from {{ source('raw', 'geocoded_addresses') }}
        )
    {%- endset -%}
    {%- if execute -%}
        {{- run_query(query).columns[0].values()[0] -}}
    {%- endif -%}
{%- endmacro %}

{#
As dbt's own, and also when this model was built by other code than there is now.
#}
{% macro should_full_refresh() %}
    {%- set asked = config.get('full_refresh') -%}
    {%- if asked is none -%}
        {%- set asked = flags.FULL_REFRESH -%}
    {%- endif -%}
    {%- do return(asked or is_built_by_other_code()) -%}
{% endmacro %}

{% macro is_built_by_other_code() %}
    {%- if not execute -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- set log = adapter.get_relation(target.database, 'intermediate', 'rebuilds') -%}
    {%- if log is none -%}
        {%- do return(true) -%}
    {%- endif -%}
    {%- set query -%}
        select arg_max(code_sha256, finished_at)
        from {{ rebuild_schema() }}.rebuilds
        where model = '{{ this.identifier }}'
    {%- endset -%}
    {%- do return(run_query(query).columns[0].values()[0] != code_sha256()) -%}
{% endmacro %}
