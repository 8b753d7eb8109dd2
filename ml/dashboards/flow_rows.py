"""What the rows hold: how many pass each stage, what is rejected, missing and placed.

What belongs here: the cards on rows and their values. What does not: how the flow runs
(``flow_now``) and how the sales drift (``flow_drift``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml.dashboards import shell, theme
from ml.dashboards.charts import Line, month_bars, time_chart
from ml.dashboards.flow_charts import Layer, NumberedBar, numbered_bars, stacked_months
from ml.dashboards.flow_now import missing_card, records, said, subtitle
from ml.dashboards.flow_words import (
    COLUMNS,
    PLACES,
    RULE_MEANINGS,
    RULES,
    STAGES,
    named,
)
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from typing import Any

    import panel as pn

    from ml.dashboards.charts import Write
    from ml.dashboards.flow_state import Flow

LAYER_COLOURS = (theme.TEAL, theme.AMBER, theme.BLUE, theme.RED, theme.MUTED)
"""Of the commonest rules, and the last for all the others."""
FEWEST_SALES = 30
"""Of a year whose missing values are drawn; a newer one with fewer says little."""
SHOWN_YEARS = 6

STAGES_TITLE = Words("Rader, steg för steg", "Rows, stage by stage")
STAGES_LEDE = Words(
    "{observations} observationer = {accepted} godkända + {rejected} bortvalda. Utan "
    "upprepningar är de {deduplicated} = {accepted} godkända + {flagged} underkända. "
    "Alla godkända har egenskaper: {features}.",
    "{observations} observations = {accepted} accepted + {rejected} rejected. Without "
    "repeats they are {deduplicated} = {accepted} accepted + {flagged} that "
    "failed a rule. All accepted have features: {features}.",
)
NOT_RECONCILED = Words(
    "Talen går inte ihop. Kör dbt-bygget igen; dess tester säger var rader tappas.",
    "The numbers do not add up. Run the dbt build again; its tests say where rows are "
    "lost.",
)
STAGES_SOURCE = Words(
    "marts.stage_counts; regeln att ingen rad försvinner: docs/decisions/0003",
    "marts.stage_counts; the rule that no row is lost: docs/decisions/0003",
)
STAGE, ROWS = Words("Steg", "Stage"), Words("Rader", "Rows")

REJECTED_TITLE = Words("Bortvalda observationer", "Rejected observations")
REJECTED_LEDE = Words(
    "{n} observationer är fel i sig och valdes bort, var och en med en regel.",
    "{n} observations are wrong in themselves and were rejected, each by a rule.",
)
REPEATED_LEDE = Words(
    "{n} till är äldre observationer eller dubbletter av försäljningar som är kvar.",
    "{n} more are older observations or duplicates of sales that are kept.",
)
REJECTED_CHART = Words(
    "Bortvalda per försäljningsmånad, utom upprepningar (antal)",
    "Rejected by month of sale, excluding repeats (count)",
)
RULES_TITLE = Words("Reglerna", "The rules")
NONE_REJECTED = Words("Inget är bortvalt.", "Nothing is rejected.")
REJECTED_SOURCE = Words(
    "marts.rejections_by_month och marts.rejected_sales",
    "marts.rejections_by_month and marts.rejected_sales",
)
OTHER_RULES = Words("Övriga regler", "Other rules")
RULE, MEANING = Words("Regel", "Rule"), Words("Varför", "Why")
COUNT, LAST_MONTH = Words("Antal", "Count"), Words("Senast", "Latest")
SHARE = Words("Andel %", "Share %")
EXAMPLE = Words("Ett exempel (på engelska)", "An example")
MONTH = Words("Månad", "Month")

MISSING_TITLE = Words("Saknade värden", "Missing values")
MISSING_LEDE = Words(
    "Andel av försäljningarna {year} som saknar värdet i källan. Det som behövs av "
    "modellerna ersätts med en gissning (imputeras) och markeras.",
    "Share of the sales of {year} whose source lacks the value. What the models need "
    "is replaced by a guess (imputed), and flagged.",
)
MISSING_OR_IMPUTED = Words(
    "Saknas, och vad som imputeras, procent av försäljningarna",
    "Missing, and what is imputed, percent of sales",
)
NEVER_MISSING = Words("Saknas aldrig: {names}.", "Never missing: {names}.")
MISSING_CHART = Words(
    "Saknas {year}, procent av försäljningarna", "Missing in {year}, percent of sales"
)
BY_YEAR = Words("Saknas per år, procent", "Missing by year, percent")
MISSING_SOURCE = Words("marts.missing_values", "marts.missing_values")
COLUMN, YEAR = Words("Uppgift", "Field"), Words("År", "Year")
MISSING, IMPUTED = Words("Saknas", "Missing"), Words("Imputerat", "Imputed")
SALES = Words("Försäljningar", "Sales")
NOT_IMPUTED = Words("imputeras inte", "not imputed")
ALL_IMPUTED = Words("allt imputerat", "all imputed")
PART_IMPUTED = Words("{pct} imputerat", "{pct} imputed")

PLACED_TITLE = Words(
    "Hur exakt bostäderna är placerade", "How exactly homes are placed"
)
PLACED_LEDE = Words(
    "{pct} av försäljningarna har en position ur källan. Resten placeras av den egna "
    "geokodaren, av tidigare försäljningar på adressen, eller i gatans eller områdets "
    "mitt. Osäkerheten är den radie som rymmer den sanna platsen i 95 fall av 100.",
    "{pct} of the sales have a position from their source. The others are placed by "
    "our own geocoder, by earlier sales of the address, or in the middle of the street "
    "or the district. The uncertainty is the radius that holds the true place 95 times "
    "of 100.",
)
ALL_PLACED = Words(
    "Alla försäljningar har en position ur källan.",
    "All sales have a position from their source.",
)
PLACED_CHART = Words(
    "Hur försäljningarna är placerade, procent", "How the sales are placed, percent"
)
PLACED_SOURCE = Words(
    "marts.geocoding_precision; graderna förklaras i docs/geocoding.md",
    "marts.geocoding_precision; docs/geocoding.md explains the degrees",
)
PLACED, BY_GEOCODER = Words("Placerad", "Placed"), Words("Av geokodaren", "By geocoder")
MEDIAN_M = Words("Osäkerhet, median m", "Uncertainty, median m")
HIGHEST_M = Words("Osäkerhet, största m", "Uncertainty, largest m")
UNCERTAINTY = Words("osäkerhet {m} m", "uncertainty {m} m")
YES, NO = Words("ja", "yes"), Words("nej", "no")

SALES_TITLE = Words("Försäljningar per månad", "Sales by month")
SALES_SOURCE = Words("marts.sales, godkända", "marts.sales, accepted")
INDEX_TITLE = Words(
    "Prisindex, kronor per kvadratmeter", "Price index, SEK per square metre"
)
INDEX_LEDE = Words(
    "Stadens prisnivå, från den dag den blev känd.",
    "The city's price level, from the day it was known.",
)
INDEX_SOURCE = Words("marts.price_index", "marts.price_index")
INDEX = Words("Prisindex", "Price index")


def stages_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Draw the rows of each stage, and say how they add up."""
    stages = flow.tables.get("stage_counts")
    if stages is None:
        return missing_card(STAGES_TITLE, "marts.stage_counts", language)
    counts = dict(zip(stages["stage"], stages["row_count"].map(int), strict=True))
    written = {stage: theme.number(n, 0, language) for stage, n in counts.items()}
    bars = [
        NumberedBar(
            named(STAGES, stage, language),
            float(n),
            written[stage],
            f"{named(STAGES, stage, language)}: {written[stage]}",
            is_marked=stage in ("flagged", "rejected", "quarantined"),
        )
        for stage, n in counts.items()
    ]
    table = pd.DataFrame(
        {
            STAGE.to(language): [bar.name for bar in bars],
            ROWS.to(language): list(counts.values()),
        }
    )
    words = STAGES_LEDE if add_up(counts) else NOT_RECONCILED
    return shell.chart_card(
        STAGES_TITLE.to(language),
        numbered_bars(bars, write=_writer(language), title=STAGES_TITLE.to(language)),
        language=language,
        lede=words.to(language).format(**written),
        source=STAGES_SOURCE.to(language),
        table=table,
        file_name="stages",
    )


def add_up(counts: dict[str, int]) -> bool:
    """Say whether no row is lost between any two stages."""
    return (
        counts["observations"] == counts["accepted"] + counts["rejected"]
        and counts["deduplicated"] == counts["accepted"] + counts["flagged"]
        and counts["features"] == counts["accepted"]
    )


def rejections_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Draw what each rule took over time, and explain every rule."""
    found = flow.tables.get("rejections_by_month")
    if found is None:
        return missing_card(REJECTED_TITLE, "marts.rejections_by_month", language)
    if found.empty:
        return shell.card(REJECTED_TITLE.to(language), said(NONE_REJECTED.to(language)))
    repeated = found.loc[found["is_repeated"], "rejected_count"].sum()
    total = found["rejected_count"].sum() - repeated
    lede = " ".join(
        words.to(language).format(n=theme.number(count, 0, language))
        for words, count in ((REJECTED_LEDE, total), (REPEATED_LEDE, repeated))
        if count or words is REJECTED_LEDE
    )
    wrong = found[~found["is_repeated"] & found["sold_month"].notna()]
    return shell.card(
        REJECTED_TITLE.to(language),
        *(_rejections_chart(wrong, language) if len(wrong) else []),
        subtitle(RULES_TITLE, language),
        shell.content(
            shell.table_html(
                _rule_table(found, flow.tables.get("examples"), language),
                right=[COUNT.to(language), LAST_MONTH.to(language)],
            )
        ),
        lede=lede,
    )


def missing_values_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Draw what the newest year's sales lack, with the years before in a table."""
    found = flow.tables.get("missing_values")
    if found is None or found.empty:
        return missing_card(MISSING_TITLE, "marts.missing_values", language)
    year = shown_year(found)
    newest = found[found["sold_year"] == year].sort_values(
        ["missing_pct", "column_name"], ascending=[False, True]
    )
    lacking = newest[newest["missing_pct"] > 0]
    lede = MISSING_LEDE.to(language).format(year=year)
    whole = [
        named(COLUMNS, name, language).lower()
        for name in newest["column_name"]
        if name not in set(lacking["column_name"])
    ]
    if whole:
        lede += f" {NEVER_MISSING.to(language).format(names=', '.join(whole))}"
    title = MISSING_CHART.to(language).format(year=year)
    return shell.card(
        MISSING_TITLE.to(language),
        subtitle(MISSING_OR_IMPUTED, language),
        *shell.chart_parts(
            numbered_bars(
                [_missing_bar(row, language) for row in records(lacking)],
                write=lambda value: theme.percent(value, 0, language),
                title=title,
            ),
            language=language,
            source=MISSING_SOURCE.to(language),
            table=_missing_table(found, language),
            file_name="missing_values",
        ),
        subtitle(BY_YEAR, language),
        shell.content(_years_html(found, list(lacking["column_name"]), language)),
        lede=lede,
    )


def shown_year(missing: pd.DataFrame) -> int:
    """Choose the newest year with sales enough, else the newest."""
    enough = missing[missing["sale_count"] >= FEWEST_SALES]
    return int((enough if len(enough) else missing)["sold_year"].max())


def placed_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Draw how exactly the homes of the sales are placed."""
    found = flow.tables.get("geocoding_precision")
    if found is None:
        return missing_card(PLACED_TITLE, "marts.geocoding_precision", language)
    own = found.loc[found["placed_by"] == "source", "sale_pct"].sum()
    words = ALL_PLACED if round(own, 1) >= 100 else PLACED_LEDE
    bars = [_placed_bar(row, language) for row in records(found)]
    return shell.chart_card(
        PLACED_TITLE.to(language),
        numbered_bars(
            bars,
            write=lambda value: theme.percent(value, 0, language),
            title=PLACED_CHART.to(language),
        ),
        language=language,
        lede=words.to(language).format(pct=theme.percent(own, 1, language)),
        source=PLACED_SOURCE.to(language),
        table=_placed_table(found, language),
        file_name="geocoding_precision",
    )


def market_cards(flow: Flow, language: Language) -> list[pn.viewable.Viewable]:
    """Draw the sales of each month and the price index: what all else rests on."""
    cards = []
    sales, index = flow.tables.get("sales_per_month"), flow.tables.get("price_index")
    if sales is not None and len(sales):
        chart = month_bars(
            _days(sales["month"]),
            sales["sale_count"].tolist(),
            title=SALES_TITLE.to(language),
            language=language,
            write=_writer(language),
        )
        table = sales.assign(month=sales["month"].dt.strftime("%Y-%m")).set_axis(
            [MONTH.to(language), SALES.to(language)], axis=1
        )
        cards.append(
            shell.chart_card(
                SALES_TITLE.to(language),
                chart,
                language=language,
                source=SALES_SOURCE.to(language),
                table=table,
                file_name="sales_per_month",
            )
        )
    if index is not None and len(index):
        cards.append(_index_card(index, language))
    return cards


def _index_card(index: pd.DataFrame, language: Language) -> pn.viewable.Viewable:
    name = INDEX.to(language)
    line = Line(
        name, _days(index["known_from"]), index["price_index_sek_per_m2"].tolist()
    )
    table = pd.DataFrame(
        {
            MONTH.to(language): index["known_from"].dt.strftime("%Y-%m-%d"),
            INDEX_TITLE.to(language): index["price_index_sek_per_m2"].round(),
        }
    )
    return shell.chart_card(
        INDEX_TITLE.to(language),
        time_chart(
            line,
            title=INDEX_TITLE.to(language),
            language=language,
            write=theme.sek,
            height=240,
            from_zero=True,
        ),
        language=language,
        lede=INDEX_LEDE.to(language),
        source=INDEX_SOURCE.to(language),
        table=table,
        file_name="price_index",
    )


def _rejections_chart(
    wrong: pd.DataFrame, language: Language
) -> list[pn.viewable.Viewable]:
    counts = monthly_counts(wrong)
    layers = [
        Layer(
            OTHER_RULES.to(language) if rule == "" else named(RULES, rule, language),
            counts[rule].tolist(),
            colour,
        )
        for rule, colour in zip(counts, LAYER_COLOURS, strict=False)
    ]
    table = counts.rename(
        columns=lambda rule: (
            named(RULES, rule, language) if rule else OTHER_RULES.to(language)
        )
    )
    table.insert(0, MONTH.to(language), [f"{each:%Y-%m}" for each in table.index])
    chart = stacked_months(
        list(counts.index),
        layers,
        title=REJECTED_CHART.to(language),
        language=language,
        write=_writer(language),
    )
    return [
        subtitle(REJECTED_CHART, language),
        *shell.chart_parts(
            chart,
            language=language,
            source=REJECTED_SOURCE.to(language),
            table=table,
            file_name="rejections_by_month",
        ),
    ]


def monthly_counts(wrong: pd.DataFrame) -> pd.DataFrame:
    """Count by month and rule, every month between the first and the last.

    The commonest rules have a column each; the others share the column ``""``.
    """
    shown = len(LAYER_COLOURS) - 1
    totals = wrong.groupby("rule")["rejected_count"].sum()
    common = totals.sort_values(ascending=False, kind="stable").index[:shown]
    rule = wrong["rule"].where(wrong["rule"].isin(common), "")
    counts = wrong.pivot_table(
        index="sold_month",
        columns=rule,
        values="rejected_count",
        aggfunc="sum",
        fill_value=0,
    )
    months = pd.date_range(counts.index.min(), counts.index.max(), freq="MS")
    order = [name for name in [*common, ""] if name in counts]
    counts = counts.reindex(months, fill_value=0)[order].astype(float)
    return counts.set_axis(_days(pd.Series(months)), axis=0)


def _rule_table(
    found: pd.DataFrame, examples: pd.DataFrame | None, language: Language
) -> pd.DataFrame:
    reasons = {} if examples is None else dict(examples.itertuples(index=False))
    by_rule = found.groupby("rule").agg(
        count=("rejected_count", "sum"), latest=("sold_month", "max")
    )
    rows = [
        {
            RULE.to(language): named(RULES, rule, language),
            COUNT.to(language): theme.number(row["count"], 0, language),
            LAST_MONTH.to(language): (
                "–" if pd.isna(row["latest"]) else f"{row['latest']:%Y-%m}"
            ),
            MEANING.to(language): named(RULE_MEANINGS, rule, language),
            EXAMPLE.to(language): reasons.get(rule),
        }
        for rule, row in by_rule.sort_values("count", ascending=False).iterrows()
    ]
    return pd.DataFrame(rows)


def _missing_bar(row: Mapping[str, Any], language: Language) -> NumberedBar:
    name = named(COLUMNS, row["column_name"], language)
    missing = theme.percent(row["missing_pct"], 1, language)
    if pd.isna(row["imputed_pct"]):
        more = NOT_IMPUTED.to(language)
    elif row["imputed_pct"] >= row["missing_pct"]:
        more = ALL_IMPUTED.to(language)
    else:
        imputed = theme.percent(row["imputed_pct"], 1, language)
        more = PART_IMPUTED.to(language).format(pct=imputed)
    label = f"{name}: {MISSING.to(language).lower()} {missing}, {more}"
    # In two lines: beside the bars, a phone has no room for one.
    number = f"{missing}\n{more}"
    return NumberedBar(name, float(row["missing_pct"]), number, label)


def _missing_table(found: pd.DataFrame, language: Language) -> pd.DataFrame:
    return pd.DataFrame(
        {
            COLUMN.to(language): [
                named(COLUMNS, name, language) for name in found["column_name"]
            ],
            YEAR.to(language): found["sold_year"],
            SALES.to(language): found["sale_count"],
            MISSING.to(language): found["missing_count"],
            f"{MISSING.to(language)} %": found["missing_pct"].round(2),
            f"{IMPUTED.to(language)} %": found["imputed_pct"].round(2),
        }
    )


def _years_html(found: pd.DataFrame, order: list[str], language: Language) -> str:
    years = sorted(found["sold_year"].unique())[-SHOWN_YEARS:]
    wide = found.pivot_table(
        index="column_name", columns="sold_year", values="missing_pct"
    )
    rows = [
        {COLUMN.to(language): named(COLUMNS, name, language)}
        | {str(y): theme.percent(wide.loc[name, y], 1, language) for y in years}
        for name in order
    ]
    return shell.table_html(pd.DataFrame(rows), right=[str(year) for year in years])


def _placed_bar(row: Mapping[str, Any], language: Language) -> NumberedBar:
    name = named(PLACES, row["placed_by"], language)
    share = theme.percent(row["sale_pct"], 1, language)
    metres = row["median_uncertainty_m"]
    number = share
    if not pd.isna(metres):
        sure = UNCERTAINTY.to(language).format(m=theme.number(metres, 0, language))
        number = f"{share}, {sure}"
    return NumberedBar(name, float(row["sale_pct"]), number, f"{name}: {number}")


def _placed_table(found: pd.DataFrame, language: Language) -> pd.DataFrame:
    return pd.DataFrame(
        {
            PLACED.to(language): [
                named(PLACES, each, language) for each in found["placed_by"]
            ],
            BY_GEOCODER.to(language): [
                (YES if each else NO).to(language) for each in found["is_geocoded"]
            ],
            SALES.to(language): found["sale_count"],
            SHARE.to(language): found["sale_pct"].round(2),
            MEDIAN_M.to(language): found["median_uncertainty_m"].round(),
            HIGHEST_M.to(language): found["highest_uncertainty_m"].round(),
        }
    )


def _writer(language: Language) -> Write:
    return lambda value: theme.number(value, 0, language)


def _days(dates: pd.Series) -> list[dt.date]:
    return [pd.Timestamp(each).date() for each in dates]
