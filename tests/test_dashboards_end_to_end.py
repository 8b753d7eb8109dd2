"""What a visitor does on the two pages, in a real browser, on the demo's data in small.

Each test is a part of the pages. What is shown is compared with the marts and with the
valuer that the command line asks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pandas as pd
import pytest
from running_pipeline import demo_data
from visited_pages import running_browser, served_pages

from ml.dashboards import theme
from ml.dashboards.answer import rounded
from ml.valuation.agency_report import read_agency_report
from ml.valuation.confidence import CLASS_NAMES
from ml.valuation.request import ValuationRequest
from ml.valuation.value import Valuer
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page
    from running_pipeline import Pipeline

    from ml.valuation.valuation import Valuation
    from warehouse.settings import Settings

LONG_MS = 60_000
MODELS = {"XGBoost": "xgboost", "AutoGluon": "autogluon", "Blandning": "blend"}
HOME_SQL = """
    select address, living_area_m2, rooms, floor, fee_sek_per_month
    from marts.sales
    where regexp_matches(address, '^[A-Za-zÅÄÖåäö]{8,} [0-9]+$')
        and floor between 1 and 4 and rooms is not null
        and fee_sek_per_month is not null and sold_date <= '2026-06-30'
    order by sold_date desc, sale_id limit 1
"""
KNOWN_SQL = """
    select count(*), arg_max(living_area_m2, sold_date), max(sold_date)
    from marts.sales where address = ?
"""
LATEST_SALE_SQL = """
    select address, sold_price_sek from marts.sales
    where sold_date = (select max(sold_date) from marts.sales)
"""
CRAWL_SQL = """
    select page_count, new_sale_count from marts.crawl_runs
    order by started_at desc limit 1
"""
TILE = (
    b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;"
)


@dataclass(frozen=True)
class Home:
    """A home of the market, as a visitor would tell it."""

    address: str
    living_area_m2: float
    rooms: float
    floor: float
    fee_sek_per_month: float

    @property
    def fields(self) -> dict[str, str]:
        facts = {name: f"{value:g}" for name, value in self.numbers().items()}
        return {"address": self.address, **facts, "date": "2026-06-30"}

    def numbers(self) -> dict[str, float]:
        return {name: value for name, value in vars(self).items() if name != "address"}


@pytest.fixture(scope="module")
def settings(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return demo_data(pipeline, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[str]:
    """The address of the pages, served over the demo's data in small."""
    with served_pages(settings.data) as site:
        yield site.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def valuer(settings: Settings) -> Valuer:
    """The valuer of the command line, over the folder that is served."""
    return Valuer(settings)


@pytest.fixture(scope="module")
def home(valuer: Valuer) -> Home:
    return Home(*valuer.connection().execute(HOME_SQL).fetchall()[0])


@pytest.fixture(scope="module")
def value(valuer: Valuer, home: Home) -> Valuation:
    return valuer.value(ValuationRequest.of(**home.fields))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own."""
    page = new_page(browser)
    yield page
    page.close()


@pytest.fixture(scope="module")
def answered(browser: Browser, site: str, home: Home) -> Page:
    """A page that shows a home's valuation, asking price and all sections."""
    page = new_page(browser)
    page.goto(f"{site}/valuation?{urlencode(home.fields | ASKED)}")
    page.get_by_text(re.compile("^Mäklare(:| i) ")).first.wait_for()
    return page


ASKED = {"list_price_sek": "3000000"}


def new_page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(LONG_MS)
    return page


def shows(found: Locator, text: str | re.Pattern[str]) -> None:
    """Wait until a part says something."""
    from playwright.sync_api import expect

    expect(found).to_contain_text(text, timeout=LONG_MS)


def changes(found: Locator, before: str) -> None:
    """Wait until a part says something else than before."""
    from playwright.sync_api import expect

    expect(found).not_to_have_text(before, timeout=LONG_MS)


def hidden(found: Locator) -> None:
    """Wait until a part is not seen."""
    from playwright.sync_api import expect

    expect(found).to_be_hidden(timeout=LONG_MS)


def amount(text: str) -> int:
    """Read an amount as the page writes it: ``−35 000 kr``."""
    digits = re.sub(r"[^\d−]", "", text.split("kr")[0])
    return int(digits.replace(theme.MINUS, "-"))


def card(page: Page, title: str) -> Locator:
    """The card with a heading."""
    heading = page.get_by_role("heading", name=title, exact=True)
    return page.locator(".MuiPaper-root", has=heading)


def amounts(rows: Locator, column: int) -> list[int]:
    cells = [row.locator("td").nth(column).inner_text() for row in rows.all()]
    return [amount(cell) for cell in cells]


def asked_of(url: str) -> ValuationRequest:
    """Read the request that a shareable link holds, as anybody would."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    fields = {n: v for n, v in query.items() if n in ValuationRequest.model_fields}
    return ValuationRequest.of(**fields)


# 1. The form


def test_an_address_with_a_typo_is_found_filled_in_and_valued(
    site: str, page: Page, home: Home, valuer: Valuer
) -> None:
    page.goto(f"{site}/valuation")
    field = page.get_by_role("combobox", name="Adress")
    field.press_sequentially(home.address[:3] + home.address[4:], delay=20)
    page.get_by_role("option", name=home.address).first.click()
    shows(page.locator("p", has_text="Känt om huset"), "försäljning")
    assert field.input_value() == home.address
    page.get_by_title("Det här är lägenheten").first.click()
    count, newest_m2, _ = (
        valuer.connection().execute(KNOWN_SQL, [home.address]).fetchall()[0]
    )
    assert count >= 1
    area = page.get_by_label("Boarea m²")
    shows(
        page.get_by_role("status").filter(has_text="inte angivet"),
        "Driftskostnad: antas",
    )
    assert area.input_value() == theme.plain(newest_m2)
    page.get_by_label("Rum", exact=True).fill("")
    page.get_by_label("Rum", exact=True).blur()
    shows(
        page.get_by_role("status").filter(has_text="inte angivet"), "Antal rum: antas"
    )
    page.get_by_role("button", name="Värdera", exact=True).click()
    page.locator(".value").wait_for()
    request = asked_of(page.url)
    assert request.address == home.address
    assert request.rooms is None
    shown = page.locator(".value").inner_text()
    assert amount(shown) == round(valuer.value(request).value_sek, -4)


# 2. The answer


def test_the_answer_gives_value_range_class_and_both_models_with_their_times(
    answered: Page, value: Valuation, valuer: Valuer
) -> None:
    assert amount(answered.locator(".value").inner_text()) == round(value.value_sek, -4)
    ends = answered.locator(".range .ends span").all_inner_texts()
    assert [end.split("\u00a0kr")[0] for end in ends] == [
        rounded(value.low_sek or 0),
        rounded(value.high_sek or 0),
    ]
    level = value.confidence_class
    assert level
    shows(answered.locator(".sure"), CLASS_NAMES[level].sv)
    shows(answered.locator(".per-m2"), theme.sek(value.value_sek_per_m2, 100))
    shows(answered.locator(".card").first, "Värde 2026-06-30")
    for title, model in MODELS.items():
        row = answered.locator(".models li[data-value]", has_text=title)
        asked = value.request.model_copy(update={"model": model})
        given = row.get_attribute("data-value")
        assert given == str(valuer.value(asked).value_sek)
        assert re.fullmatch(
            r"svar på \d+,\d\d\u00a0s", row.locator(".took").inner_text()
        )


def test_a_home_beyond_what_is_known_is_refused_with_its_reason(
    site: str, page: Page, home: Home
) -> None:
    fields = home.fields | {"living_area_m2": "700"}
    page.goto(f"{site}/valuation?{urlencode(fields)}")
    shows(page.locator(".notice").first, "Ingen såld bostad")
    assert page.locator(".value").count() == 0


# 3. Why


def test_the_reasons_add_up_to_the_value_the_largest_first(
    answered: Page, value: Valuation
) -> None:
    rows = answered.locator(".reasons tbody tr")
    given = [
        amount(text) for text in answered.locator(".reasons .amount").all_inner_texts()
    ]
    base, *parts, total = given
    assert len(parts) == rows.count() - 2 >= 3
    assert base + sum(parts) == total == value.value_sek
    sizes = [abs(part) for part in parts]
    assert sizes == sorted(sizes, reverse=True)


def test_the_weights_of_the_comparables_reproduce_their_estimate(
    answered: Page, value: Valuation
) -> None:
    estimate = value.comparables_estimate
    assert estimate is not None
    shows(answered.locator(".adds-up"), theme.sek(estimate.estimate_sek))
    with answered.expect_download() as saved:
        answered.get_by_role("link", name="Ladda ner alla med exakta vikter").click()
    table = pd.read_csv(saved.value.path())
    assert len(table) == len(value.comparables) + 1
    weights, adjusted = table["Vikt"], table["Omräknat pris"]
    assert weights.sum() == pytest.approx(1)
    assert (weights * adjusted).sum() == pytest.approx(estimate.estimate_sek, abs=1)


def test_the_map_is_drawn_without_a_network_and_tiles_are_fetched_when_asked_for(
    answered: Page, site: str
) -> None:
    asked: list[str] = []
    answered.on("request", lambda request: asked.append(request.url))
    answered.route(
        re.compile("tile.openstreetmap.org"),
        lambda route: route.fulfill(body=TILE, content_type="image/gif"),
    )
    shown = card(answered, "Jämförda försäljningar")
    box = shown.locator("canvas").first.bounding_box()
    assert box is not None
    assert box["width"] > 300
    assert box["height"] > 200
    assert not [url for url in asked if "openstreetmap" in url]
    with answered.expect_request(re.compile("tile.openstreetmap.org")):
        shown.get_by_role("switch").or_(shown.get_by_role("checkbox")).click()
    elsewhere = [url for url in asked if not url.startswith((site, "data:", "blob:"))]
    assert all("openstreetmap.org" in url for url in elsewhere)


# 4. Through time


BY_DAY = "tbody tr:not(.narrow)"
"""The rows of all figures; a phone has the parts in rows of their own."""


def test_other_days_are_answered_with_the_price_level_apart(
    answered: Page, value: Valuation
) -> None:
    rows = card(answered, "Om den hade sålts en annan dag").locator(BY_DAY)
    rows.first.wait_for()
    others = sorted(value.at_other_dates, key=lambda other: other.date)
    assert amounts(rows, 0) == [other.value_sek for other in others]
    differences = [other.difference_sek for other in others]
    # each is rounded by itself, so that the parts add up
    assert amounts(rows, 1) == pytest.approx(differences, abs=1)
    parts = zip(amounts(rows, 2), amounts(rows, 3), strict=True)
    assert [level + rest for level, rest in parts] == amounts(rows, 1)


def test_the_curve_has_every_month_and_the_scenario_follows_its_sliders(
    answered: Page, value: Valuation
) -> None:
    shown = card(answered, "Värdet i tiden")
    with answered.expect_download() as saved:
        shown.get_by_role("link", name="Ladda ner som CSV").click()
    curve = pd.read_csv(saved.value.path())
    assert curve["Värdet"].iloc[0] == value.value_sek
    assert len(curve) >= 24
    assert (curve["Lägst"] < curve["Värdet"]).all()
    outcome = shown.locator(".outcome")
    before = outcome.inner_text()
    slider = shown.get_by_role("slider", name="Styrränta om ett år")
    for _ in range(8):
        slider.press("ArrowRight")
    changes(outcome, before)
    shown.get_by_role("button", name="Återställ till dagens siffror").click()
    shows(outcome, before)


# 5. What if


def test_another_floor_differs_by_what_a_second_valuation_says(
    answered: Page, value: Valuation, valuer: Valuer, home: Home
) -> None:
    shown = card(answered, "Tänk om")
    floor = home.floor + 4
    shown.get_by_label("Våning", exact=True).fill(f"{floor:g}")
    shown.get_by_role("button", name="Räkna om").click()
    request = value.request.model_copy(update={"floor": floor})
    other = valuer.value(request).value_sek
    difference = other - value.value_sek
    assert difference != 0
    said = f"Då är bostaden värd {theme.sek(other, 1000)}: "
    shows(shown.locator(".answer"), said + theme.signed_sek(difference, 1000))


def test_an_asking_price_gives_the_value_once_listed(
    answered: Page, value: Valuation, valuer: Valuer
) -> None:
    row = answered.locator(".models li", has_text="När den är annonserad")
    asked = {"mode": "listed", "list_price_sek": 3_000_000.0}
    listed = valuer.value(value.request.model_copy(update=asked))
    shows(row.locator(".amount"), rounded(listed.value_sek))


# 6. Agencies


def test_agencies_are_compared_with_their_sales_and_what_it_does_not_prove(
    answered: Page, settings: Settings
) -> None:
    report = read_agency_report(settings)
    assert report is not None
    assert report["is_enough"]
    shown = answered.locator(".MuiPaper-root", has_text="Inget bevis för")
    shows(shown, theme.number(report["sales"]))
    with answered.expect_download() as saved:
        shown.get_by_role("link", name="Ladda ner som CSV").click()
    table = pd.read_csv(saved.value.path())
    sales = {each["agency"]: each["sales"] for each in report["agencies"]}
    assert dict(zip(table.iloc[:, 0], table.iloc[:, 1], strict=True)) == sales
    # drawn together as far as chance alone explains them, so perhaps all to zero
    assert (table.iloc[:, 3] <= table.iloc[:, 2]).all()
    assert (table.iloc[:, 2] <= table.iloc[:, 4]).all()


# 7. A file, a link, paper


def test_a_file_is_valued_and_its_two_bad_rows_are_explained(
    site: str, page: Page, home: Home, valuer: Valuer, tmp_path: Path
) -> None:
    good = f"{home.address};{home.living_area_m2:g};{home.rooms:g};2026-06-30"
    file = tmp_path / "hem.csv"
    file.write_text(
        f"Adress;Boarea;Rum;Datum\n{good}\n{home.address};5;2;2026-06-30\n"
        f"{good}\nQqqqgatan 7;50;2;2026-06-30\n"
    )
    page.goto(f"{site}/valuation")
    page.get_by_role("tab", name="Värdera en fil").click()
    page.get_by_label("Välj fil").set_input_files(file)
    shows(
        page.locator(".counts"), re.compile(r"2\s*värderade.*2\s*rader med fel", re.S)
    )
    shows(page.get_by_role("row", name=re.compile("^3 Boarea")), "10 till 800")
    shows(page.get_by_role("row", name=re.compile("^5 Adress")), "Qqqqgatan 7")
    for _ in ("once", "and once more"):
        with page.expect_download() as saved:
            page.get_by_role("button", name="Ladda ner som CSV").click()
    table = pd.read_csv(saved.value.path(), sep=";", decimal=",")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Ladda ner som Excel").click()
    sheet = pd.read_excel(saved.value.path())
    request = ValuationRequest.of(
        address=home.address,
        living_area_m2=home.living_area_m2,
        rooms=home.rooms,
        date="2026-06-30",
    )
    worth = valuer.value(request).value_sek
    for found in (table, sheet):
        assert found["Värde kr"].fillna(0).tolist() == [worth, 0, worth, 0]
        assert found["Fel i raden"].str.contains("10 till 800").tolist()[1]


def test_a_link_opened_by_another_visitor_shows_the_same_value_in_either_language(
    answered: Page, page: Page, home: Home, value: Valuation
) -> None:
    page.goto(answered.url)
    shown = answered.locator(".value").inner_text()
    shows(page.locator(".value"), shown)
    page.get_by_role("button", name="English").click()
    shows(page.locator(".range"), "Nine in ten final prices")
    assert page.locator(".value").inner_text() == shown
    assert "lang=en" in page.url
    assert page.locator("html").get_attribute("lang") == "en"
    area = page.get_by_label("Living area m²").input_value()
    assert area == theme.plain(home.living_area_m2, "en")
    page.get_by_role("heading", name="Why this value").wait_for()
    total = page.locator(".reasons tr.total .amount")
    assert amount(total.inner_text()) == value.value_sek


def test_the_page_goes_to_paper_with_its_answer(answered: Page) -> None:
    assert answered.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    answered.emulate_media(media="print")
    hidden(answered.get_by_role("button", name="Värdera", exact=True))
    shows(answered.locator(".value"), "kr")
    answered.emulate_media(media="screen")


# 8. Model health


@pytest.fixture(scope="module")
def monitoring(browser: Browser, site: str) -> Page:
    page = new_page(browser)
    page.goto(f"{site}/monitoring")
    page.get_by_text("Den öppna loggen över värderingar").wait_for()
    return page


def test_the_champion_is_the_registered_model_with_the_lowest_error(
    monitoring: Page, settings: Settings
) -> None:
    report = json.loads((settings.reports_dir / "backtest.json").read_text())
    errors = {
        row["model"]: row["mape_pct"]
        for row in report["results"]
        if row["segment"] == "all" and row["model"] in MODELS.values()
    }
    best = min(errors, key=lambda name: errors[name])
    names = {model: title for title, model in MODELS.items()}
    shows(monitoring.locator(".facts").first, names[best])
    shows(monitoring.locator(".facts").first, theme.percent(errors[best], 2))
    assert monitoring.get_by_text("Utmanare, version 1").count() == len(MODELS) - 1
    study = card(monitoring, "Lika rätt för alla bostäder?")
    for measure in ("COD", "PRD", "PRB", "MKI"):
        shows(study, measure)


# 9. The latest sale, and the switch


def test_the_latest_sale_has_the_price_of_the_mart(
    monitoring: Page, settings: Settings
) -> None:
    monitoring.get_by_role("tab", name="Senast sålda").click()
    monitoring.get_by_text("De senaste försäljningarna", exact=True).wait_for()
    with connect(settings.warehouse_path, read_only=True) as warehouse:
        newest = dict(warehouse.execute(LATEST_SALE_SQL).fetchall())
    shown = card(monitoring, "Senaste försäljningen")
    address = shown.locator("p").first.inner_text()
    fetched = shown.locator(".facts div", has_text="slutpris").first.inner_text()
    assert amount(fetched) == newest[address]
    for title in MODELS:
        assert shown.get_by_role("row", name=title).count() == 1


def test_the_switch_says_what_is_missing_and_that_synthetic_sales_are_invented(
    site: str, page: Page
) -> None:
    page.goto(f"{site}/monitoring?market=real&tab=latest")
    page.get_by_text("SLUTPRIS_DATA=MAPP scrapy crawl booli").wait_for()
    banner = page.get_by_text("Syntetisk marknad: alla försäljningar")
    assert banner.count() == 0
    page.get_by_role("button", name="Syntetisk marknad").click()
    banner.wait_for()
    page.get_by_text("De senaste försäljningarna", exact=True).wait_for()
    assert "market=synthetic" in page.url


# 10. Data health


def test_data_health_tells_the_last_crawl_and_its_counts_reconcile(
    monitoring: Page, settings: Settings
) -> None:
    monitoring.get_by_role("tab", name="Dataflödet").click()
    stages = card(monitoring, "Rader, steg för steg")
    stages.wait_for()
    with connect(settings.warehouse_path, read_only=True) as warehouse:
        pages, new = warehouse.execute(CRAWL_SQL).fetchall()[0]
        cards, accepted, rejected = (
            warehouse.execute(f"select count(*) from {table}").fetchall()[0][0]
            for table in ("raw.sale_cards", "marts.sales", "marts.rejected_sales")
        )
    crawl = card(monitoring, "Senaste crawlen")
    said = f"{theme.number(pages)} sidor, {theme.number(new)} nya försäljningar"
    shows(crawl, said)
    assert cards == accepted + rejected
    written = [theme.number(count) for count in (cards, accepted, rejected)]
    sentence = "{} observationer = {} godkända + {} bortvalda".format(*written)
    shows(stages.locator(".lede"), sentence)
    shows(card(monitoring, "dbt-tester"), "godkändes")
