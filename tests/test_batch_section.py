from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from openpyxl import load_workbook
from tiny_market import publish_market, register_model
from visited_pages import running_browser, served_pages

from ml.dashboards.batch_section import template
from ml.valuation.batch import given_fields
from ml.valuation.batch_files import read_table
from ml.valuation.batch_output import as_csv, as_excel
from ml.valuation.request import ValuationRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from ml.valuation.words import Language

HOMES = """\
Adress;Boarea;Rum;Avgift;Datum
Sveavägen 11;52,5;2;3 200 kr;2024-06-15
Sveavägen 11;5;2;3 200 kr;2024-06-15
Hornsgatan 11;50;två;;2024-06-15
Hornsgatan 11;700;2;;2024-06-15
"""


@pytest.mark.parametrize("language", ["sv", "en"])
def test_the_template_is_a_file_that_can_be_valued(language: Language) -> None:
    frame = template(language)
    files = {"csv": as_csv(frame, language), "xlsx": as_excel(frame)}
    for ending, content in files.items():
        table = read_table(f"template.{ending}", content)
        assert table.unused_headings == []
        requests = [ValuationRequest.of(**row) for row in given_fields(table.frame)]
        assert requests[0].living_area_m2 == 52.5
        assert requests[1].floor == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    with served_pages(settings.data) as served:
        yield served.url


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(90_000)
        yield page


@pytest.fixture
def page(browser_page: Page, site: str) -> Page:
    """The tab where files are valued."""
    browser_page.goto(f"{site}/valuation")
    browser_page.get_by_role("tab", name="Värdera en fil").click()
    browser_page.locator("input[type=file]").wait_for(state="attached")
    return browser_page


def test_a_file_with_two_bad_rows_is_valued_and_they_are_explained(
    page: Page, tmp_path: Path
) -> None:
    batch = tmp_path / "hem.csv"
    batch.write_text(HOMES, encoding="utf-8")
    page.locator("input[type=file]").set_input_files(batch)
    page.locator(".counts").wait_for()
    counts = [text.split() for text in page.locator(".counts div").all_inner_texts()]
    assert [count[0] for count in counts] == ["1", "1", "2"]
    page.locator(".problems").wait_for()
    problems = page.locator(".problems tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in problems] == ["3", "4"]
    assert "ska vara 10 till 800, det står 5" in problems[0]
    assert "Rum går inte att läsa: ”två”" in problems[1]
    with page.expect_download() as download:
        page.get_by_role("button", name="Ladda ner som Excel").click()
    content = Path(download.value.path()).read_bytes()
    sheet = load_workbook(io.BytesIO(content)).active
    headings, *rows = sheet.iter_rows(values_only=True)
    valued = [dict(zip(headings, row, strict=True)) for row in rows]
    assert [each["Värde kr"] is None for each in valued] == [False, True, True, True]
    assert download.value.suggested_filename == "hem-värderade.xlsx"


def test_a_file_too_large_is_refused_before_it_is_sent(
    page: Page, tmp_path: Path
) -> None:
    batch = tmp_path / "stor.csv"
    batch.write_bytes(b"x" * 6_000_000)
    page.locator("input[type=file]").set_input_files(batch)
    alert = page.get_by_role("alert").filter(has_text="MB")
    assert "Filen är 6,0 MB; högst 5,0 MB går att ladda upp" in alert.inner_text()
    # the page goes on: the next file is valued
    small = tmp_path / "hem.csv"
    small.write_text(HOMES, encoding="utf-8")
    page.locator("input[type=file]").set_input_files(small)
    page.locator(".counts").wait_for()


def test_the_field_is_reached_and_opened_by_keyboard(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    field = page.locator("input[type=file]")
    with page.expect_file_chooser() as chooser:
        field.press("Enter")
    assert not chooser.value.is_multiple()
    assert field.evaluate("node => node.getRootNode().activeElement === node")


def test_what_is_printed_has_no_form_and_no_buttons(page: Page, site: str) -> None:
    page.goto(
        f"{site}/valuation?address=Sveav%C3%A4gen+11&living_area_m2=50&date=2024-06-15"
    )
    page.locator(".value").first.wait_for()
    page.emulate_media(media="print")
    page.locator(".value").first.wait_for()
    page.get_by_role("button").first.wait_for(state="hidden")
    assert page.get_by_label("Boarea m²").is_hidden()
    assert page.get_by_role("tab", name="Värdera en fil").is_hidden()
    assert len(page.pdf(prefer_css_page_size=True)) > 10_000
    page.emulate_media(media="screen")
    assert page.get_by_label("Boarea m²").is_visible()
