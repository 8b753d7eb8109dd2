"""Agencies in the area of a home: what their sales fetched over the values.

What belongs here: the section's chart and words. What does not: the figures
(``ml.valuation.agencies``), and when they are made (``ml.valuation.agency_report``).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml.dashboards import shell, theme
from ml.dashboards.charts import Chart, interval_rows
from ml.dashboards.written import titled
from ml.valuation.agencies import SMALL_DISTRICTS
from ml.valuation.agency_report import read_agency_report
from ml.valuation.agency_table import CAVEAT, verdict
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from panel.viewable import Viewable

    from ml.valuation.valuation import Valuation
    from warehouse.settings import Settings

SHOWN_AGENCIES = 12
FEWEST_IN_CITY, FEWEST_IN_DISTRICT = 20, 3
LONGEST_NAME, IN_ROW = 60, 40
"""Characters of an agency's name in text, and beside its row with the count."""

TITLE_DISTRICT = Words("Mäklare: {district}", "Agencies: {district}")
TITLE_CITY = Words("Mäklare i Stockholm", "Agencies in Stockholm")
LEDE = Words(
    "Slutpris mot värde per mäklare: hur mycket över eller under snittmäklaren, "
    "justerat för område, månad, storlek och värde. Ju färre försäljningar, desto "
    "närmare snittet dras skattningen. Strecket är ett intervall som i nio fall av tio "
    "rymmer mäklarens egen nivå; inom parentes står antalet försäljningar.",
    "Sold price against value by agency: how much above or below the mean agency, "
    "adjusted for area, month, size and value. The fewer the sales, the closer to the "
    "mean an estimate is drawn. The bar holds the agency's own level nine times in "
    "ten; the number of sales stands in brackets.",
)
NONE_IN_DISTRICT = Words(
    "I området {district} finns ingen värderad försäljning med känd mäklare, så här "
    "visas hela staden.",
    "No valued sale with a known agency lies in {district}, so the whole city is "
    "shown.",
)
FEW_IN_DISTRICT = Words(
    "I området {district} är för få försäljningar värderade för att jämföra mäklare, "
    "så här visas hela staden.",
    "Too few valued sales in {district} to compare agencies there, so the whole city "
    "is shown.",
)
NO_REPORT = Words(
    "Jämförelsen av mäklare är inte gjord än. Materialisera reports/agencies i "
    "Dagster, eller kör make demo, och ladda om sidan.",
    "Agencies have not been compared yet. Materialize reports/agencies in Dagster, or "
    "run make demo, and reload the page.",
)
TOO_FEW = Words(
    "Bara {sales} värderade försäljningar har en känd mäklare; {needed} behövs för en "
    "jämförelse. Med fler månader eller fler lästa annonser blir den möjlig.",
    "Only {sales} valued sales have a known agency; {needed} are needed to compare. "
    "More months or more listings read will make it possible.",
)
SOURCE = Words(
    "hela stadens {sales} försäljningar {first} till {last}, värderade av modeller som "
    "varken sett försäljningen eller mäklaren",
    "the whole city's {sales} sales from {first} to {last}, valued by models that saw "
    "neither the sale nor the agency",
)
MORE = Words(
    "De {count} mäklarna med flest försäljningar visas; alla finns i tabellen.",
    "The {count} agencies with most sales are shown; all are in the table.",
)
AGENCY, SALES = Words("Mäklare", "Agency"), Words("Försäljningar", "Sales")
OVER, LOW, HIGH = (
    Words("Över snittet %", "Above the mean %"),
    Words("Lägst %", "Low %"),
    Words("Högst %", "High %"),
)
UNSHRUNK = Words("Slutpris över värde, median %", "Price over value, median %")
CHANCE_ABOVE = Words("Sannolikhet över snittet %", "Probability above the mean %")
LABEL = Words(
    "{agency}: {effect} % ({low} till {high}), {sales} försäljningar",
    "{agency}: {effect}% ({low} to {high}), {sales} sales",
)
CHART = Words("mäklare", "agencies")


@dataclass(frozen=True)
class Area:
    """Whose agencies are shown, and why not those asked for."""

    title: Words
    district: str
    records: list[dict[str, Any]]
    note: Words | None = None


def agency_section(
    valuation: Valuation | None, settings: Settings, language: Language
) -> Viewable:
    """Show the agencies of a home's area, else of the city."""
    report = read_agency_report(settings)
    district = valuation.place.district if valuation else None
    if report is None:
        return shell.card(TITLE_CITY.to(language), shell.notice(NO_REPORT.to(language)))
    if not report["is_enough"]:
        said = TOO_FEW.to(language).format(
            sales=theme.number(report["sales"]),
            needed=theme.number(report["needed_sales"]),
        )
        return shell.card(TITLE_CITY.to(language), shell.notice(said))
    return _card(area_of(report, district), report, language)


def area_of(report: dict[str, Any], district: str | None) -> Area:
    """Choose the district's agencies if they can be compared, else the city's."""
    city = Area(TITLE_CITY, "", report["agencies"])
    if district is None:
        return city
    found = [
        each
        for each in report["agencies_by_district"]
        if each["district"].casefold() == district.casefold() != SMALL_DISTRICTS
    ]
    enough = [each for each in found if each["sales"] >= FEWEST_IN_DISTRICT]
    if len(enough) < 2:
        note = FEW_IN_DISTRICT if found else NONE_IN_DISTRICT
        return Area(TITLE_CITY, district, report["agencies"], note)
    return Area(TITLE_DISTRICT, enough[0]["district"], enough)


def shown_agencies(area: Area, *, is_ranked: bool = True) -> list[dict[str, Any]]:
    """Give the agencies with most sales, the highest first.

    Unless ``is_ranked``, when the order may be chance, the one with most sales first.
    """
    fewest = FEWEST_IN_CITY if area.title is TITLE_CITY else FEWEST_IN_DISTRICT
    enough = [each for each in area.records if each["sales"] >= fewest]
    largest = sorted(
        enough or area.records, key=lambda each: (-each["sales"], each["agency"])
    )[:SHOWN_AGENCIES]
    if not is_ranked:
        return largest
    return sorted(largest, key=lambda each: (-each["effect_pct"], each["agency"]))


def _card(area: Area, report: dict[str, Any], language: Language) -> Viewable:
    shown = shown_agencies(area, is_ranked=report["is_distinguishable_from_chance"])
    place = _cut(titled(area.district, language))
    source = SOURCE.to(language).format(
        sales=theme.number(report["sales"]),
        first=report["first_sold_date"],
        last=report["last_sold_date"],
    )
    parts = shell.chart_parts(
        _chart(shown, language),
        language=language,
        source=source,
        table=agency_frame(area.records, language),
        file_name=f"slutpris-{CHART.to(language)}",
    )
    said = [verdict(report, language)]
    if len(shown) < len(area.records):
        said.append(MORE.to(language).format(count=len(shown)))
    note = area.note.to(language).format(district=place) if area.note else ""
    return shell.card(
        area.title.to(language).format(district=place),
        *([shell.notice(note)] if note else []),
        shell.content(f"<p>{escape(' '.join(said))}</p>"),
        *parts,
        shell.notice(CAVEAT.to(language)),
        lede=LEDE.to(language),
    )


def _chart(shown: list[dict[str, Any]], language: Language) -> Chart:
    return interval_rows(
        [_in_row(each) for each in shown],
        [each["effect_pct"] for each in shown],
        [each["low_pct"] for each in shown],
        [each["high_pct"] for each in shown],
        [_label(each, language) for each in shown],
        write=lambda value: _tick(value, language),
        title=CHART.to(language),
    )


def _in_row(each: dict[str, Any]) -> str:
    """Name an agency and count its sales, which no line end parts from the name."""
    return f"{_cut(each['agency'], IN_ROW)}{theme.NBSP}({each['sales']})"


def _tick(value: float, language: Language) -> str:
    sign = "+" if value > 0 else ""
    gap = theme.NBSP if language == "sv" else ""
    return f"{sign}{theme.plain(value, language)}{gap}%"


def _label(each: dict[str, Any], language: Language) -> str:
    effect, low, high = (
        theme.signed(each[name], 1, language)
        for name in ("effect_pct", "low_pct", "high_pct")
    )
    return LABEL.to(language).format(
        agency=_cut(each["agency"]),
        effect=effect,
        low=low,
        high=high,
        sales=theme.number(each["sales"]),
    )


def agency_frame(records: list[dict[str, Any]], language: Language) -> pd.DataFrame:
    """Give all the agencies of an area, for the table and the file."""
    columns = {
        AGENCY: [each["agency"] for each in records],
        SALES: [each["sales"] for each in records],
        OVER: [round(each["effect_pct"], 1) for each in records],
        LOW: [round(each["low_pct"], 1) for each in records],
        HIGH: [round(each["high_pct"], 1) for each in records],
        CHANCE_ABOVE: [round(100 * each["probability_above_mean"]) for each in records],
        UNSHRUNK: [round(each["median_over_value_pct"], 1) for each in records],
    }
    return pd.DataFrame({words.to(language): cells for words, cells in columns.items()})


def _cut(name: str, longest: int = LONGEST_NAME) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
