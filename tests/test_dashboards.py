from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_market import publish_market, register_model

from ml.dashboards import theme
from ml.dashboards.store import (
    HomeForm,
    ValuationStore,
    as_number,
    city,
    value_curve,
    warm_valuer,
)
from ml.dashboards.svg_charts import Mark, TimeChart, bars, nice_ticks
from ml.dashboards.valuation_result import city_html, result_html
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from warehouse.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings


@pytest.fixture
def store(settings: Settings) -> ValuationStore:
    store = ValuationStore(warm_valuer(settings))
    store.form.param.update(
        address="Sveavägen 11", living_area_m2="50", date=date(2024, 6, 15)
    )
    return store


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (theme.sek(3_250_000), "3\u00a0250\u00a0000\u00a0kr"),
        (theme.sek(3_254_999, 10_000), "3\u00a0250\u00a0000\u00a0kr"),
        (theme.number(-1234.5, 1), "\u22121\u00a0234,5"),
        (theme.plain(52.50), "52,5"),
        (theme.plain(100), "100"),
        (theme.million_sek(5_060_000), "5,1\u00a0mkr"),
        (theme.signed(3.25, 1), "+3,2"),
        (theme.signed(-0.04, 1), "0,0"),
        (theme.month(date(2026, 10, 1)), "okt 2026"),
    ],
)
def test_numbers_are_written_as_swedish_does(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("52,5", "52.5"),
        (" 3 200 kr/mån", "3200"),
        ("3\u00a0200 kr", "3200"),
        ("52 m²", "52"),
        ("\u22121", "-1"),
        ("", ""),
        ("3 tr", "3"),
        ("bv", "0"),
        ("stor", "stor"),
    ],
)
def test_a_number_is_read_as_it_is_typed(typed: str, read: str) -> None:
    assert as_number(typed) == read


def test_a_valued_form_holds_the_valuation(store: ValuationStore) -> None:
    store.value()
    assert store.problems == {}
    assert store.valuation is not None
    assert store.valuation.value_sek == pytest.approx(50 * 55_200, rel=0.03)


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("living_area_m2", "5", "Boarea ska vara 10–800\u00a0m², du skrev 5."),
        ("living_area_m2", "", "Boarea saknas."),
        ("living_area_m2", "stor", "Boarea ska vara ett tal, du skrev ”stor”."),
        ("rooms", "25", "Antal rum ska vara 1–20, du skrev 25."),
        ("floor", "-4", "Våning ska vara \u22123–35, du skrev \u22124."),
        (
            "fee_sek_per_month",
            "70 000",
            "Avgift ska vara 0–60\u00a0000\u00a0kr/mån, du skrev 70\u00a0000.",
        ),
        ("address", "", "Adress saknas."),
        ("address", "Sveavägen 999", "Gatunumret ska vara 0–500, du skrev 999."),
    ],
)
def test_a_bad_field_is_refused_in_plain_swedish(
    store: ValuationStore, field: str, typed: str, said: str
) -> None:
    setattr(store.form, field, typed)
    store.value()
    assert list(store.problems.values()) == [said]
    assert store.valuation is None


def test_an_unknown_address_is_answered_with_suggestions(
    store: ValuationStore,
) -> None:
    store.form.address = "Sveavgn"
    store.value()
    assert "”Sveavgn” finns inte" in store.problems["address"]
    assert store.suggestions[0] == "Sveavägen"


def test_a_model_that_is_not_registered_is_said(store: ValuationStore) -> None:
    store.form.model = "autogluon"
    store.value()
    assert "autogluon" in store.problems["model"]


def test_an_empty_form_asks_for_address_and_area() -> None:
    with pytest.raises(SlutprisError, match=r"address is missing.*living_area_m2"):
        HomeForm().request()


def test_every_visitor_shares_one_valuer_until_something_is_new(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    settings = publish_market(tmp_path / "data")
    register_model(settings, tmp_path / "one")
    first = warm_valuer(settings)
    assert warm_valuer(settings) is first
    register_model(settings, tmp_path / "two", mdape_pct=1.0)
    assert warm_valuer(settings) is not first
    assert warm_valuer(settings).served_model("xgboost").version.version == 2


def test_the_curve_passes_through_the_value_and_goes_on_dashed(
    store: ValuationStore,
) -> None:
    store.form.date = date(2026, 11, 20)
    store.value()
    valuation = store.valuation
    assert valuation is not None
    line, dashed = value_curve(city(store.valuer).index, valuation)
    assert line[-1] == (date(2026, 11, 1), pytest.approx(valuation.value_sek))
    assert dashed[-1] == (date(2027, 11, 20), line[-1][1])


def test_the_result_shows_value_range_dates_and_sales(store: ValuationStore) -> None:
    store.form.date = date(2026, 11, 20)
    store.value()
    valuation = store.valuation
    assert valuation is not None
    html = result_html(valuation, store.valuer)
    assert theme.number(round(valuation.value_sek, -4)) in html
    assert html.count("framskrivning") == 1
    assert "Dagen före invasionen av Ukraina" in html
    shown, left_out = valuation.comparables[:10], valuation.comparables[10:]
    assert left_out
    assert all(str(sale.sold_date) in html for sale in shown)
    assert f"Och {len(left_out)} till" in html


def test_the_result_says_how_sure_it_is_in_words(store: ValuationStore) -> None:
    store.value()
    assert store.valuation is not None
    html = result_html(store.valuation, store.valuer)
    assert "Något osäker" in html
    assert "Två av tre bostäder säljs inom 15 % från värdet." in html


def test_a_refused_value_says_so_plainly(store: ValuationStore) -> None:
    store.form.living_area_m2 = "700"
    store.value()
    assert store.valuation is not None
    html = result_html(store.valuation, store.valuer)
    assert "Ingen värdering" in html
    assert "Boarean ligger utanför de bostäder vi har sett säljas." in html
    assert "Nio av tio" not in html


def test_what_a_visitor_types_is_escaped(store: ValuationStore) -> None:
    store.form.address = "Sveavägen 11 <img src=x>"
    store.value()
    assert store.valuation is not None
    assert "<img" not in result_html(store.valuation, store.valuer)


def test_before_the_first_valuation_the_city_is_shown(store: ValuationStore) -> None:
    html = city_html(city(store.valuer))
    assert "jan 2020" in html
    assert "Prisnivån i Stockholm" in html


def test_ticks_are_round_and_enclose_the_values() -> None:
    assert nice_ticks(4.4, 6.9) == [4, 4.5, 5, 5.5, 6, 6.5, 7]
    assert nice_ticks(0, 1830) == [0, 500, 1000, 1500, 2000]
    assert len(nice_ticks(5.0, 5.0)) >= 2


def test_an_extrapolated_mark_is_hollow() -> None:
    line = [(date(2020, 1, 1), 1.0), (date(2021, 1, 1), 2.0)]
    known = TimeChart(line, [Mark(date(2021, 1, 1), 2.0, "känd")]).svg()
    ahead = TimeChart(line, [Mark(date(2022, 1, 1), 2.0, "sedan", True)]).svg()
    assert 'fill="var(--accent)" stroke="var(--accent)"' in known
    assert 'fill="var(--panel-surface-color)" stroke="var(--amber)"' in ahead


def test_a_month_without_sales_has_a_bar_of_no_height() -> None:
    svg = bars([(date(2020, 1, 1), 0), (date(2020, 2, 1), 10)], "Försäljningar")
    assert 'height="0.0"' in svg


# In a browser, against a real server


def serve(data: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pages = ["ml/dashboards/valuation.py", "ml/dashboards/monitoring.py"]
    where = ["--address", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "panel", "serve", *pages, *where],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"SLUTPRIS_DATA": str(data), "SLUTPRIS_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{address}/valuation", timeout=30).close()
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "panel serve ended"
            time.sleep(0.1)
        else:
            return process, address
    process.kill()
    raise AssertionError("panel serve did not answer")


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[str]:
    """The address of the pages, served over the tiny market."""
    process, address = serve(settings.data)
    yield address
    process.kill()
    process.wait()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a real browser that remembers what it asked the network for."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def fill(page: Page, address: str, living_area: str) -> None:
    page.get_by_label("Adress").fill(address)
    page.keyboard.press("Escape")
    page.get_by_label("Boarea m²").fill(living_area)


def expect_in_view(page: Page, selector: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_be_in_viewport(timeout=10_000)


def click_value(page: Page) -> None:
    page.get_by_role("button", name="Värdera").click()


def test_a_visitor_types_an_address_and_gets_a_value(site: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/valuation")
    page.get_by_text("Vad är lägenheten värd?").wait_for()
    fill(page, "Sveavägen 11", "50")
    click_value(page)
    shown = page.locator(".value").inner_text()
    # 50 m2 at the October 2026 level of 58 100 SEK
    assert shown.startswith(("2\u00a08", "2\u00a09"))
    assert page.get_by_label("Adress").input_value() == "Sveavägen 11"
    assert page.locator(".dates li").count() == 4
    elsewhere = [url for url in asked if not url.startswith((site, "data:", "blob:"))]
    assert elsewhere == []


def test_a_visitor_picks_an_address_from_the_list(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation")
    page.get_by_label("Adress").press_sequentially("hornsg", delay=30)
    page.get_by_role("option", name="Hornsgatan", exact=True).click()
    page.get_by_label("Boarea m²").fill("50")
    click_value(page)
    assert "Södermalm" in page.locator(".place").inner_text()


def test_a_visitor_s_mistake_is_named_and_can_be_mended(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation")
    fill(page, "Sveavgn", "5")
    click_value(page)
    alert = page.get_by_role("alert")
    alert.get_by_text("Boarea ska vara 10–800\u00a0m², du skrev 5.").wait_for()
    page.get_by_label("Boarea m²").fill("50,5")
    click_value(page)
    alert.get_by_text("finns inte bland de kända").wait_for()
    page.get_by_role("button", name="Sveavägen", exact=True).click()
    alert.wait_for(state="hidden")
    click_value(page)
    assert "Sveavägen" in page.locator(".place").inner_text()


def test_nothing_is_cut_off_on_a_narrow_phone(site: str, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(f"{site}/valuation")
    fill(page, "Sveavägen 11", "50")
    click_value(page)
    page.locator(".value").wait_for()
    # the value lies below the form, so the page goes there by itself
    expect_in_view(page, ".value")
    too_wide = page.evaluate(
        """() => {
            const wide = [];
            const walk = node => {
                for (const child of node.children || []) {
                    const box = child.getBoundingClientRect();
                    if (box.width > 0 && box.right > 361) wide.push(child.className);
                    if (child.shadowRoot) walk(child.shadowRoot);
                    walk(child);
                }
            };
            walk(document.body);
            return wide;
        }"""
    )
    assert too_wide == []


def test_the_monitoring_page_opens_from_the_valuation_page(
    site: str, page: Page
) -> None:
    page.goto(f"{site}/valuation")
    page.get_by_role("link", name="Drift").click()
    page.get_by_role("tab", name="Modellernas hälsa").wait_for()
    assert "/monitoring" in page.url


def test_without_data_the_pages_say_what_to_run(tmp_path: Path, page: Page) -> None:
    process, address = serve(tmp_path)
    try:
        for name in ("valuation", "monitoring"):
            page.goto(f"{address}/{name}")
            page.get_by_text("make demo").first.wait_for()
    finally:
        process.kill()
        process.wait()
