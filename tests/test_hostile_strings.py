"""Strings that would run, break or drown a page, planted where strangers write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import duckdb
import pytest
from tiny_market import publish_market, register_model
from visited_pages import running_browser, served_pages

from ml.valuation.agency_report import REPORT, VERSION
from warehouse.serving import publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from warehouse.settings import Settings

RUN = "<img src=x onerror=\"window.ran='{place}';alert()\">"
SQL = "'; drop table marts.sales; --"
RIGHT_TO_LEFT = "\u202egnorts\u202c"
LONG = "Lång" * 2_500
STREET = f'{RUN.format(place="street")} "q" \'{SQL} {RIGHT_TO_LEFT}'
AGENCIES = [RUN.format(place="agency"), f'"Kvot" & {SQL}', RIGHT_TO_LEFT, LONG]
DISTRICT = f"{RUN.format(place='district')}söder"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The tiny market, where a stranger named a street, a district and the agencies."""
    settings = publish_market(tmp_path_factory.mktemp("data"))
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        for table in ("sales", "places"):
            connection.execute(
                f"update marts.{table} set district = $district "
                "where district = 'Södermalm'",
                {"district": DISTRICT},
            )
            connection.execute(
                f"update marts.{table} set street = $street, "
                "address = replace(address, 'Ringvägen', $street) "
                "where street = 'Ringvägen'",
                {"street": STREET},
            )
        connection.execute(
            "update marts.sales set address = $street where street = 'Hornsgatan'",
            {"street": STREET},
        )
        connection.execute(
            "update marts.places set place_key = "
            "replace(lower(strip_accents(coalesce(address, street, district))), "
            "' ', '')"
        )
        for number, agency in enumerate(AGENCIES):
            connection.execute(
                "update marts.sales set agency = $agency, brf_name = $agency "
                "where rowid % 4 = $number",
                {"agency": agency, "number": number},
            )
        publish(connection, settings.serving_dir)
    register_model(settings, tmp_path_factory.mktemp("model"))
    _keep_agencies(settings)
    return settings


def _keep_agencies(settings: Settings) -> None:
    records = [
        {
            "agency": agency,
            "district": DISTRICT,
            "sales": 40,
            "effect_pct": 1.0 - number,
            "low_pct": -2.0 - number,
            "high_pct": 2.0,
            "probability_above_mean": 0.5,
            "median_over_value_pct": 1.0,
        }
        for number, agency in enumerate(AGENCIES)
    ]
    content = {
        "made_of": {"version": VERSION},
        "is_enough": True,
        "sales": 160,
        "first_sold_date": "2020-01-01",
        "last_sold_date": "2026-10-01",
        "is_distinguishable_from_chance": False,
        "agency_p_value": 0.5,
        "agencies": records,
        "agencies_by_district": records,
    }
    settings.reports_dir.mkdir(parents=True, exist_ok=True)
    path = settings.reports_dir / REPORT
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[str]:
    with served_pages(settings.data) as served:
        yield served.url


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that fails the test when anything planted in it runs."""
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(90_000)
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append("ran"), dialog.dismiss()))
        yield page
        assert dialogs == []
        assert page.evaluate("window.ran ?? null") is None
        assert page.locator("img[src=x]").count() == 0


def text_of(page: Page) -> str:
    """All that is written on a page, in its shadow roots too."""
    return page.evaluate(
        """() => {
            const said = []
            const walk = node => {
                if (node.nodeType === Node.TEXT_NODE) said.push(node.data)
                if (node.shadowRoot) walk(node.shadowRoot)
                if (!["STYLE", "SCRIPT"].includes(node.tagName))
                    node.childNodes.forEach(walk)
            }
            walk(document.body)
            return said.join("\\n")
        }"""
    )


def wait_for_text(page: Page, text: str) -> str:
    for _ in range(450):
        if text.casefold() in (said := text_of(page)).casefold():
            return said
        page.wait_for_timeout(200)
    raise AssertionError(f"{text!r} is not on the page: {text_of(page)[:2000]}")


def test_planted_names_are_text_in_a_valuation_and_its_sections(
    site: str, page: Page
) -> None:
    home = {"address": "Hornsgatan 11", "living_area_m2": 50, "date": "2024-06-15"}
    page.goto(f"{site}/valuation?{urlencode(home)}")
    wait_for_text(page, "Inget bevis för att en mäklare")
    said = wait_for_text(page, "window.ran='str")
    # areas are titled where a source wrote no capitals
    assert RUN.format(place="district").casefold() in said.casefold()
    assert RUN.format(place="agency") in said
    assert SQL in said
    longest = max(len(line) for line in said.splitlines())
    assert longest < 1_000, "a name of 10 000 characters is shown whole"


def test_planted_names_are_text_among_the_suggestions(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation")
    page.get_by_label("Adress", exact=True).press_sequentially("<img src=x", delay=20)
    page.get_by_role("option").first.wait_for()
    suggested = page.get_by_role("option").first.inner_text()
    assert "<img src=x onerror" in suggested.casefold()


@pytest.mark.parametrize("typed", [RUN.format(place="typed"), SQL, LONG])
def test_what_a_link_holds_is_text(site: str, page: Page, typed: str) -> None:
    query = {
        "address": typed[:2_000],
        "living_area_m2": typed[:200],
        "agency": typed[:99],
    }
    page.goto(f"{site}/valuation?{urlencode(query)}")
    said = wait_for_text(page, "Boarea")
    page.get_by_role("alert").first.wait_for()
    assert "Traceback" not in said


def test_a_file_of_planted_cells_is_text(site: str, page: Page, tmp_path: Path) -> None:
    cell = RUN.format(place="cell").replace('"', '""')
    rows = [
        f'Adress;Boarea;"{cell}"',
        f'"{cell}";"{cell}";=cmd()',
        f"{LONG};50;{SQL}",
        f"Sveavägen 11;50;{RIGHT_TO_LEFT}",
    ]
    batch = tmp_path / "<img src=x onerror=alert()>.csv"
    batch.write_text("\n".join(rows), encoding="utf-8")
    page.goto(f"{site}/valuation")
    page.get_by_role("tab", name="Värdera en fil").click()
    page.locator("input[type=file]").set_input_files(batch)
    said = wait_for_text(page, "Rader att rätta")
    assert "Boarea m² går inte att läsa: ”<img src=x onerror" in said
    assert "LångLång" in said
    assert LONG[:300] not in said
    with page.expect_download() as download:
        page.get_by_role("button", name="Ladda ner som CSV").click()
    written = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert ";'=cmd();" in written


@pytest.mark.parametrize("language", ["sv", "en"])
def test_planted_names_are_text_on_the_monitoring_page(
    site: str, page: Page, language: str
) -> None:
    page.goto(f"{site}/monitoring?lang={language}")
    page.get_by_role("tab").first.wait_for()
    for number in range(page.get_by_role("tab").count()):
        page.get_by_role("tab").nth(number).click()
        page.wait_for_timeout(1_500)
    assert "Traceback" not in text_of(page)
