"""The tab of model health: champion and challengers, and one model looked at closely.

What belongs here: which cards stand on the tab, the table of models and the worst
misses. What does not: the figures (``ml.valuation.health``), the charts
(``health_charts``, ``ratio_study``) and the public log (``public_log``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import panel as pn
import panel_material_ui as pmui

from ml.dashboards import shell, theme
from ml.dashboards.gate_card import gate_card
from ml.dashboards.health_charts import (
    BIAS,
    MEAN_ERROR,
    MEDIAN_ERROR,
    coverage_card,
    month_cards,
    segment_card,
)
from ml.dashboards.health_words import (
    NONE,
    class_name,
    day,
    figure_text,
    model_name,
    percent_text,
    signed_percent,
    source_of,
)
from ml.dashboards.market_switch import market_of
from ml.dashboards.public_log import public_log_card
from ml.dashboards.ratio_study import study_card
from ml.dashboards.tables import facts, marked_table, sale_link, source_line
from ml.serving_models import ServingRegistry
from ml.valuation import health
from ml.valuation.boosted_model import BlendModel
from ml.valuation.kept_reports import (
    Backtested,
    NoReportError,
    ReportError,
    read_backtest,
)
from ml.valuation.markup import Markup, element, joined
from ml.valuation.request import ModelName
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError
from warehouse.serving import current_snapshot_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml.registry import ModelVersion
    from ml.valuation.health import DistrictPlace, Figures, Standing
    from warehouse.settings import Settings

STANDING_TITLE = Words(
    "Bästa modellen och dess utmanare", "The best model and its challengers"
)
DEFINITION = Words(
    "Bäst är den registrerade modell som har lägst medelfel (MAPE) i den senaste "
    "prövningen månad för månad och som svarat på minst 95\u00a0% av så många "
    "försäljningar som den som svarat på flest.",
    "The best is the registered model with the lowest mean error (MAPE) in the latest "
    "backtest month by month, among those that answered at least 95% of the sales "
    "answered by the one that answered most.",
)
LEAD = Words(
    "Skillnaden mot tvåan, {second}, är {difference} procentenheter.",
    "The difference to the second, {second}, is {difference} percentage points.",
)
LEAD_UNSURE = Words(
    "Skillnaden mot tvåan, {second}, är {difference} procentenheter. Det är mindre än "
    "felmarginalen (95\u00a0%-intervall {low} till {high}), så ordningen kan vara "
    "slump.",
    "The difference to the second, {second}, is {difference} percentage points. That "
    "is less than the margin of error (95% interval {low} to {high}), so the order may "
    "be chance.",
)
LEAD_SURE = Words(
    "Skillnaden mot tvåan, {second}, är {difference} procentenheter "
    "(95\u00a0%-intervall {low} till {high}).",
    "The difference to the second, {second}, is {difference} percentage points (95% "
    "interval {low} to {high}).",
)
NO_CHAMPION = Words(
    "Ingen registrerad modell finns i prövningen, så ingen kan kallas bäst.",
    "No registered model is in the backtest, so none can be called the best.",
)
UNTESTED = Words(
    "Prövningen gäller en annan uppsättning modeller: {names} är registrerade men inte "
    "prövade. Materialisera reports/backtest i Dagster för att pröva dem.",
    "The backtest is of another set of models: {names} are registered but not tested. "
    "Materialize reports/backtest in Dagster to test them.",
)
REMOVED = Words(
    "Prövade men inte registrerade här: {names}. Träna dem med make demo eller i "
    "Dagster.",
    "Tested but not registered here: {names}. Train them with make demo or in Dagster.",
)
REGISTRY_DAMAGED = Words(
    "Registret över modeller kunde inte läsas: {reason}",
    "The registry of models could not be read: {reason}",
)
ROLES = {
    "champion": Words("Bäst", "Best"),
    "challenger": Words("Utmanare", "Challenger"),
    "mark": Words("Jämförelse", "Benchmark"),
}
MODEL = Words("Modell", "Model")
LOOK_AT = Words("Visa modellen", "Show the model")
VERSION = Words("version\u00a0{number}, {date}", "version\u00a0{number}, {date}")
COLUMNS: dict[str, tuple[Words, int]] = {
    "mape_pct": (Words("Medelfel %", "Mean error %"), 2),
    "mdape_pct": (Words("Medianfel %", "Median error %"), 2),
    "within_10_pct": (Words("Inom 10\u00a0%", "Within 10%"), 0),
    "within_20_pct": (Words("Inom 20\u00a0%", "Within 20%"), 0),
    "bias_pct": (Words("Snedhet %", "Bias %"), 2),
    "coverage_90_pct": (Words("Täckning %", "Coverage %"), 1),
    "mean_width_pct": (Words("Bredd %", "Width %"), 1),
    "hit_rate_pct": (Words("Svar %", "Answered %"), 0),
    "n": (Words("n", "n"), 0),
}
"""Figure, heading and decimals of the table of models."""
SHARES = frozenset({"within_10_pct", "within_20_pct"})
"""Figures whose heading is a percentage itself: the cell must say that it is one."""
OF_RANGES = frozenset({"coverage_90_pct", "mean_width_pct"})
EXPLAINED = Words(
    "Täckning är andelen slutpriser som hamnade i värderingens intervall, av 90\u00a0% "
    "utlovade; Bredd är intervallets medelbredd i procent av värdet. Svar är andelen "
    "försäljningar som modellen värderade och n hur många de var.",
    "Coverage is the share of prices that fell in the valuation's range, of 90% "
    "promised; Width is the range's mean width in percent of the value. Answered is "
    "the share of the sales that the model valued, and n is how many they were.",
)
FEWER_RANGES = Words(
    "Där täckning och bredd vilar på färre, för att den första tidens värden inte "
    "fick intervall, står antalet inom parentes.",
    "Where coverage and width rest on fewer, because the first values got no range, "
    "their number is in parentheses.",
)
BLENDED = Words(
    "Blandning väger ihop tre sorters modeller: {parts}.",
    "Blend weighs three kinds of model together: {parts}.",
)
PARTS = {
    "xgboost": Words("XGBoost", "XGBoost"),
    "lightgbm": Words("LightGBM", "LightGBM"),
    "neural": Words("neurala nät", "neural networks"),
}
"""The learners of the blend."""
MARKS = Words(
    "Jämförelserna ({names}) är måttstockar och tävlar inte om att vara bäst.",
    "The benchmarks ({names}) are yardsticks and do not compete to be the best.",
)

MISSES_TITLE = Words("Största missarna", "Worst misses")
MISSES_LEDE = Words(
    "{model}: de {count} värderingar som ligger längst från slutpriset. Värda att "
    "titta på en och en: oftast är det bostaden eller uppgiften som är ovanlig.",
    "{model}: the {count} valuations farthest from the price. Worth looking at one by "
    "one: most often the home or the record is unusual.",
)
# On a phone only the first columns are seen: the error is what one comes for.
MISS_COLUMNS = (
    Words("Adress", "Address"),
    Words("Fel", "Error"),
    Words("Värde", "Value"),
    Words("Slutpris", "Price"),
    Words("Såld", "Sold"),
    Words("m²", "m²"),
    Words("Klass", "Class"),
    Words("Annons", "Listing"),
)
MISS_NUMBERS = {1, 2, 3, 5}
INVENTED = Words("påhittad {number}", "invented {number}")
SHOWN_ID = 12
BELOW = "margin-top: 14px; max-width: 92ch"
"""Of a remark below figures."""


@dataclass(frozen=True)
class Tested:
    """The standing backtest, and what stands in the registry beside it."""

    backtested: Backtested
    figures: dict[str, Figures]
    standing: Standing
    versions: dict[str, ModelVersion]
    places: dict[str, DistrictPlace]
    is_invented: bool
    """Whether the sales are of the synthetic market, and on no site."""


class ModelHealth(pn.viewable.Viewer):
    """One model looked at closely; the champion until another is chosen."""

    def __init__(self, tested: Tested, language: Language) -> None:
        super().__init__()
        self._tested = tested
        self._language: Language = language
        names = list(tested.figures)
        self._chosen = pmui.Select(
            label=LOOK_AT.to(language),
            options={model_name(name, language): name for name in names},
            value=tested.standing.champion or names[0],
            width=280,
            size="small",
            margin=(4, 0, 16, 0),
        )
        self._cards = pn.Column(sizing_mode="stretch_width", margin=0)
        self._chosen.param.watch(self._show, "value")
        self._show()

    def __panel__(self) -> pn.viewable.Viewable:
        """Lay it out."""
        return pn.Column(
            self._chosen, self._cards, sizing_mode="stretch_width", margin=0
        )

    def _show(self, *_: object) -> None:
        tested, language = self._tested, self._language
        model = str(self._chosen.value)
        source = source_of(tested.backtested, language)
        self._cards.objects = [
            _side_by_side(*month_cards(tested.backtested, model, language)),
            _side_by_side(
                coverage_card(tested.backtested, model, language),
                study_card(tested.figures, model, source, language),
            ),
            _side_by_side(
                segment_card(tested.backtested, model, "price_decile", language),
                pn.Column(
                    segment_card(tested.backtested, model, "size", language),
                    segment_card(tested.backtested, model, "building_age", language),
                    sizing_mode="stretch_width",
                    margin=0,
                ),
            ),
            segment_card(tested.backtested, model, "district", language, tested.places),
            misses_card(
                tested.backtested, model, language, is_invented=tested.is_invented
            ),
        ]


def model_health_section(
    settings: Settings, language: Language
) -> pn.viewable.Viewable:
    """Show how the models do, of one data folder; says what is missing."""
    parts: list[pn.viewable.Viewable] = []
    try:
        tested, problems = _tested(settings, language)
    except NoReportError as error:
        title = STANDING_TITLE.to(language)
        parts.append(shell.card(title, lede=error.words.to(language)))
    except ReportError as error:
        parts.append(shell.notice(error.words.to(language)))
    else:
        parts += [shell.notice(problem) for problem in problems]
        parts.append(standing_card(tested, language))
        parts.append(ModelHealth(tested, language).__panel__())
    parts += [card for card in [gate_card(settings, language)] if card is not None]
    parts.append(public_log_card(settings, language))
    return pn.Column(*parts, sizing_mode="stretch_width", margin=0)


def standing_card(tested: Tested, language: Language) -> pn.viewable.Viewable:
    """Show the champion and all models beside it."""
    champion = tested.standing.champion
    lede = (DEFINITION if champion else NO_CHAMPION).to(language)
    top = _champion_html(tested, champion, language) if champion else ""
    html = top + _models_html(tested, language) + _explained_html(tested, language)
    html += source_line(source_of(tested.backtested, language), language)
    return shell.card(STANDING_TITLE.to(language), shell.content(html), lede=lede)


def misses_card(
    backtested: Backtested, model: str, language: Language, *, is_invented: bool
) -> pn.viewable.Viewable:
    """List the valuations farthest from their prices, linked where that is safe."""
    misses = health.worst_misses(backtested, model)
    rows = [
        _miss(row, language, is_invented=is_invented)
        for row in misses.to_dict("records")
    ]
    html = marked_table(MISS_COLUMNS, rows, language, right=MISS_NUMBERS)
    html += source_line(source_of(backtested, language), language)
    html += shell.csv_link(
        misses[_MISS_FIELDS].round(2),
        f"worst-misses-{model}",
        shell.DOWNLOAD.to(language),
    )
    lede = MISSES_LEDE.to(language).format(
        count=len(rows), model=model_name(model, language)
    )
    return shell.card(MISSES_TITLE.to(language), shell.content(html), lede=lede)


_MISS_FIELDS = [
    *("platform", "source_id", "address", "district", "sold_date", "living_area_m2"),
    *("sold_price_sek", "value_sek", "low_sek", "high_sek", "error_pct"),
    *("confidence_class", "url"),
]


def _tested(settings: Settings, language: Language) -> tuple[Tested, list[str]]:
    backtested = read_backtest(settings.reports_dir)
    figures = health.totals(backtested)
    problems = []
    versions: dict[str, ModelVersion] = {}
    try:
        versions = _registered(settings)
    except SlutprisError as error:
        problems.append(REGISTRY_DAMAGED.to(language).format(reason=error))
    standing = health.standing(figures, list(versions))
    problems += _differences(standing, language)
    places = _places(settings, backtested)
    is_invented = market_of(settings.data) == "synthetic"
    tested = Tested(backtested, figures, standing, versions, places, is_invented)
    return tested, problems


def _registered(settings: Settings) -> dict[str, ModelVersion]:
    registry = ServingRegistry(settings)
    names = registry.names()
    return {name: registry.get(name) for name in get_args(ModelName) if name in names}


def _places(settings: Settings, backtested: Backtested) -> dict[str, DistrictPlace]:
    """Place the districts; without a snapshot there is a chart instead of a map."""
    snapshot_id = current_snapshot_id(settings.serving_dir)
    try:
        return health.district_places(backtested, settings.serving_dir, snapshot_id)
    except SlutprisError:
        return {}


def _differences(standing: Standing, language: Language) -> list[str]:
    removed = [name for name in standing.unregistered if name in get_args(ModelName)]
    return [
        words.to(language).format(names=_listed(names, language))
        for words, names in ((UNTESTED, standing.untested), (REMOVED, removed))
        if names
    ]


def _listed(names: Sequence[str], language: Language) -> str:
    return ", ".join(model_name(name, language) for name in names)


def _champion_html(tested: Tested, champion: str, language: Language) -> str:
    figures = tested.figures[champion]
    tiles = facts(
        {
            ROLES["champion"]: model_name(champion, language),
            **{
                words: percent_text(figures[key], COLUMNS[key][1], language)
                for words, key in (
                    (MEAN_ERROR, "mape_pct"),
                    (MEDIAN_ERROR, "mdape_pct"),
                    (COLUMNS["within_10_pct"][0], "within_10_pct"),
                )
            },
            BIAS: signed_percent(figures["bias_pct"], language, COLUMNS["bias_pct"][1]),
        },
        language,
    )
    lead = _lead_text(tested, champion, language)
    return joined(tiles, element("p", lead, class_="small muted", style=BELOW))


def _lead_text(tested: Tested, champion: str, language: Language) -> str:
    """Say how far ahead the best is, and whether that is more than chance."""
    mape = tested.figures[champion]["mape_pct"]
    # One that answered too little may have a lower error: it is no second.
    behind = [
        name
        for name in tested.standing.challengers
        if (tested.figures[name]["mape_pct"] or 0) >= mape
    ]
    if not behind:
        return ""
    second = behind[0]
    said = {"second": model_name(second, language)}
    lead = health.lead(tested.backtested, champion, second)
    if lead is None:
        difference = tested.figures[second]["mape_pct"] - mape
        said["difference"] = theme.number(difference, 2, language)
        return LEAD.to(language).format(**said)
    names = ("difference", "low", "high")
    said |= {
        name: theme.number(value, 2, language)
        for name, value in zip(names, lead, strict=True)
    }
    words = LEAD_UNSURE if lead.low <= 0 else LEAD_SURE
    return words.to(language).format(**said)


def _models_html(tested: Tested, language: Language) -> Markup:
    columns = [MODEL, *(words for words, _ in COLUMNS.values())]
    rows = [_model_row(tested, name, language) for name in tested.figures]
    table = marked_table(columns, rows, language, right=range(1, len(columns)))
    return element("div", table, style="margin-top: 18px")


def _model_row(tested: Tested, name: str, language: Language) -> list[object]:
    said = shell.with_whole_dates(_role(tested, name, language))
    role = element("span", said, class_="muted small")
    title = joined(model_name(name, language), Markup("<br>"), role)
    figures = tested.figures[name]
    cells = {key: _figure(figures, key, language) for key in COLUMNS}
    ranged = len(health.with_range(tested.backtested, name))
    if 0 < ranged < figures["n"]:
        count = theme.number(ranged, 0, language)
        cells |= {key: f"{cells[key]} ({count})" for key in OF_RANGES}
    return [title, *cells.values()]


def _explained_html(tested: Tested, language: Language) -> Markup:
    """Say what the headings and the names in the table of models mean."""
    words = [EXPLAINED.to(language)]
    if any(
        0 < len(health.with_range(tested.backtested, name)) < each["n"]
        for name, each in tested.figures.items()
    ):
        words.append(FEWER_RANGES.to(language))
    if BlendModel.name in tested.figures:
        words.append(BLENDED.to(language).format(parts=_parts_of_blend(language)))
    marks = [name for name in tested.figures if name not in get_args(ModelName)]
    if marks:
        words.append(MARKS.to(language).format(names=_listed(marks, language)))
    return element("p", " ".join(words), class_="small muted", style=BELOW)


def _parts_of_blend(language: Language) -> str:
    return ", ".join(
        f"{PARTS[name].to(language)} {theme.percent(100 * share, 0, language)}"
        for name, share in BlendModel.shares.items()
    )


def _role(tested: Tested, name: str, language: Language) -> str:
    role = "mark"
    if name in tested.versions:
        role = "champion" if name == tested.standing.champion else "challenger"
    said = ROLES[role].to(language)
    version = tested.versions.get(name)
    if version is None:
        return said
    made = VERSION.to(language).format(
        number=version.version, date=version.created_at[:10]
    )
    return f"{said}, {made}"


def _figure(figures: Mapping[str, Any], key: str, language: Language) -> str:
    if key in SHARES:
        return percent_text(figures[key], COLUMNS[key][1], language)
    return figure_text(figures[key], COLUMNS[key][1], language)


def _miss(
    row: Mapping[Any, Any], language: Language, *, is_invented: bool
) -> list[object]:
    confidence = row["confidence_class"]
    is_sure = confidence == confidence
    number = str(row["source_id"])[:SHOWN_ID]
    source = f"{row['platform']} {number}"
    if is_invented:
        source = INVENTED.to(language).format(number=number)
    return [
        f"{row['address'] or NONE}"[: shell.LONGEST_CELL],
        signed_percent(row["error_pct"], language),
        theme.sek(row["value_sek"], 1000),
        theme.sek(row["sold_price_sek"]),
        day(row["sold_date"]),
        figure_text(row["living_area_m2"], 0, language),
        class_name(f"{confidence:.0f}", language) if is_sure else NONE,
        sale_link(row["url"], source),
    ]


def _side_by_side(*cards: pn.viewable.Viewable) -> pn.viewable.Viewable:
    """Put cards beside each other where there is room, else below."""
    return pmui.Grid(
        *(pmui.Grid(card, size={"xs": 12, "lg": 6}) for card in cards),
        container=True,
        # A card keeps its own distance to the one below.
        column_spacing=2.5,
        row_spacing=0,
        sizing_mode="stretch_width",
    )
