from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from tiny_market import PARAMETERS, publish_market, register_model
from visited_pages import running_browser, served_pages

from ml.dashboards import theme
from ml.valuation.boosted_model import BlendModel
from warehouse.serving import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from warehouse.settings import Settings

HOME = "address=Sveav%C3%A4gen+11&living_area_m2=50&date=2024-06-15"

TOO_WIDE = """
() => {
    const wide = [];
    const walk = node => {
        for (const child of node.children || []) {
            const box = child.getBoundingClientRect();
            if (box.width > 0 && box.right > 361) wide.push(child.className);
            // a table that scrolls and a map's frame cut off what they hold
            if (child.matches(".scroll, .bk-CartesianFrame")) continue;
            if (child.shadowRoot) walk(child.shadowRoot);
            walk(child);
        }
    };
    walk(document.body);
    return wide;
}
"""
"""Names what reaches beyond a window of 360 pixels."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    blend = BlendModel(parameters=PARAMETERS)
    register_model(settings, tmp_path_factory.mktemp("blend"), blend)
    return settings


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[str]:
    """The address of the pages, served over the tiny market."""
    with served_pages(settings.data) as served:
        yield served.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a real browser, of a visitor who was never here before."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    yield page
    page.context.close()


def fill(page: Page, address: str, living_area: str) -> None:
    page.get_by_label("Adress").fill(address)
    page.get_by_label("Boarea m²").fill(living_area)


def expect_in_view(page: Page, selector: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_be_in_viewport(timeout=10_000)


def expect_value(field: Locator, text: str) -> None:
    from playwright.sync_api import expect

    expect(field).to_have_value(text)


def click_value(page: Page) -> None:
    page.get_by_role("button", name="Värdera", exact=True).click()


def test_a_typo_is_mended_and_the_home_is_chosen_by_keyboard(
    site: str, page: Page
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/valuation")
    page.get_by_text("Vad är lägenheten värd?").wait_for()
    page.get_by_label("Adress").press_sequentially("sveavgen 11", delay=30)
    page.get_by_role("option", name="Sveavägen 11").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("BRF Sveavägen").wait_for()
    assert page.get_by_label("Adress").input_value() == "Sveavägen 11"
    page.get_by_title("Det här är lägenheten").first.click()
    page.get_by_text("Det här är inte angivet").wait_for()
    area = page.get_by_label("Boarea m²")
    assert float(area.input_value()) >= 30
    area.press("Enter")
    page.locator(".value").wait_for()
    assert "address=Sveav" in page.url
    elsewhere = [url for url in asked if not url.startswith((site, "data:", "blob:"))]
    assert elsewhere == []


def test_the_fee_is_the_house_s_usual_one_until_another_is_given(
    site: str, page: Page
) -> None:
    page.goto(f"{site}/valuation")
    page.get_by_label("Adress").press_sequentially("Sveavägen 11", delay=30)
    page.get_by_role("option", name="Sveavägen 11").first.click()
    page.get_by_text("Känt om huset").wait_for()
    area, fee = page.get_by_label("Boarea m²"), page.get_by_label("Avgift kr/mån")
    assert fee.input_value() == ""
    area.fill("50")
    area.blur()
    page.get_by_text("efter husets vanliga avgift").wait_for()
    of_50_m2 = int(fee.input_value().replace("\u00a0", ""))
    area.fill("100")
    area.blur()
    expect_value(fee, f"{theme.number(2 * of_50_m2)}")
    fee.fill("4000")
    area.fill("70")
    area.blur()
    page.get_by_text("efter husets vanliga avgift").wait_for(state="detached")
    assert fee.input_value() == "4000"


def test_a_link_is_valued_at_once_by_every_model(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation?{HOME}&rooms=2")
    # 50 m2 at the level of May 2024, 55 200 SEK
    page.locator(".value").wait_for()
    assert page.locator(".value").inner_text().startswith("2\u00a0")
    assert page.get_by_label("Rum").input_value() == "2"
    page.locator(".models li", has_text="Blandning").get_by_text("kr").first.wait_for()
    page.get_by_text("Varför just det värdet").wait_for()


def test_a_bad_link_names_its_mistakes_and_keeps_the_rest(
    site: str, page: Page
) -> None:
    page.goto(f"{site}/valuation?{HOME}&rooms=25&model=oracle&lang=en")
    alert = page.get_by_role("alert")
    alert.get_by_text("Rooms must be 1–20, you wrote 25.").wait_for()
    assert "There is no model “oracle”" in alert.inner_text()
    page.get_by_label("Rooms").fill("2")
    page.get_by_role("button", name="Value it", exact=True).click()
    page.locator(".value").wait_for()
    assert "model=xgboost" in page.url
    assert "lang=en" in page.url


def test_an_asking_price_without_its_model_is_told(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation?{HOME}&list_price_sek=2995000")
    page.get_by_text("är inte registrerad (xgboost_listed)").wait_for()
    assert page.locator(".value").count() == 1
    price = page.get_by_label("Utgångspris kr, om du vet").input_value()
    assert price == "2\u00a0995\u00a0000"


@pytest.mark.parametrize("given", ["9" * 5_000, "²", "nan"])
def test_what_only_looks_like_a_number_in_a_link_is_a_mistake_that_is_told(
    site: str, page: Page, given: str
) -> None:
    page.goto(f"{site}/valuation?{HOME}&list_price_sek={given}")
    said = page.get_by_role("alert").filter(has_text="Utgångspris ska vara")
    assert len(said.inner_text()) < 300
    assert page.locator(".value").count() == 0


def test_a_refusal_gives_its_reason_and_no_value(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation?{HOME.replace('=50', '=700')}")
    page.locator(".notice", has_text="Ingen såld bostad").wait_for()
    assert page.locator(".value").count() == 0


def test_a_visitor_s_mistake_is_named_and_can_be_mended(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation")
    fill(page, "Qqqqgatan", "5")
    click_value(page)
    alert = page.get_by_role("alert")
    alert.get_by_text("Boarea ska vara 10–800\u00a0m², du skrev 5.").wait_for()
    page.get_by_label("Boarea m²").fill("50,5")
    click_value(page)
    alert.get_by_text("finns inte bland de kända").wait_for()
    page.get_by_role("button", name="Hornsgatan", exact=True).click()
    alert.wait_for(state="hidden")
    click_value(page)
    page.locator(".place").wait_for()
    assert "Hornsgatan" in page.locator(".place").inner_text()


def test_nothing_is_cut_off_on_a_narrow_phone(site: str, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(f"{site}/valuation")
    fill(page, "Sveavägen 11", "50")
    click_value(page)
    page.locator(".value").wait_for()
    # the value lies below the form, so the page goes there by itself
    expect_in_view(page, ".value")
    page.get_by_text("Det ersätter inte en mäklares värdering").wait_for()
    # A chart takes the width of its card some frames after it is drawn.
    for _ in range(40):
        if not (wide := page.evaluate(TOO_WIDE)):
            break
        page.wait_for_timeout(500)
    assert wide == []


def made_of(page: Page) -> str:
    row = page.locator(".models li[data-made-of]").first
    return row.get_attribute("data-made-of") or ""


def value_until(page: Page, is_there: Callable[[], bool]) -> None:
    """Value again and again, as a visitor does while something is published."""
    for _ in range(60):
        click_value(page)
        page.wait_for_timeout(1000)
        if is_there():
            return
    raise AssertionError("the page never noticed")


def test_a_session_goes_on_when_something_is_published_or_broken(
    site: str, settings: Settings, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{site}/valuation?{HOME}")
    page.locator(".value").wait_for()
    old = made_of(page)
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute("update marts.sales set agency = 'Ny' where rooms = 1")
        newer = publish(connection, settings.serving_dir).snapshot_id
    value_until(page, lambda: made_of(page).startswith(newer))
    assert not old.startswith(newer)
    register_model(settings, tmp_path / "two", mdape_pct=1.0)
    files = (settings.registry_dir / "xgboost" / "2").rglob("*")
    largest = max(files, key=lambda path: path.stat().st_size * path.is_file())
    largest.write_bytes(b"tampered with")
    notice = page.get_by_text("Nyare uppgifter finns men kunde inte läsas")
    value_until(page, lambda: notice.count() > 0)
    assert made_of(page).startswith(newer)
    # a new visitor is served all the same
    page.goto(f"{site}/valuation?{HOME}")
    page.locator(".value").wait_for()


def test_without_data_the_pages_say_what_to_run(tmp_path: Path, page: Page) -> None:
    with served_pages(tmp_path) as served:
        for name in ("valuation", "monitoring"):
            page.goto(f"{served.url}/{name}")
            page.get_by_text("make demo").first.wait_for()
