"""The monitoring page: its tabs, the switch of markets, and what it says of faults."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import panel as pn
import pytest
from tiny_market import publish_market, register_model
from tiny_reports import write_backtest, write_scored_log
from visited_pages import running_browser, served_pages

from ml.champions import Champions
from ml.dashboards import theme
from ml.dashboards.health_charts import district_map
from ml.dashboards.health_words import source_of
from ml.dashboards.latest_sale import latest_sale_section
from ml.dashboards.market_switch import (
    banners,
    market_of,
    own_market,
    settings_of,
    what_to_run,
)
from ml.dashboards.model_health import model_health_section
from ml.dashboards.ratio_study import study_card
from ml.dashboards.tables import sale_link
from ml.valuation import health
from ml.valuation.health import DistrictPlace, Estimate, SegmentHealth
from ml.valuation.kept_reports import read_backtest
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Sales taken for real, with reports; in it a synthetic market without any."""
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    synthetic = settings.synthetic_data
    shutil.copytree(settings.serving_dir, synthetic / "serving", symlinks=True)
    shutil.copytree(settings.registry_dir, synthetic / "registry")
    (synthetic / "demo.json").write_text('{"market": "synthetic"}')
    write_backtest(settings)
    write_scored_log(settings)
    return settings


@pytest.fixture
def spoilt(market: Settings, tmp_path: Path) -> Settings:
    """A folder of its own for a test that damages what lies in it."""
    folder = tmp_path / "data"
    shutil.copytree(market.data, folder, symlinks=True)
    return Settings(data_dir=folder, threads=1)


def shown(section: pn.viewable.Viewable) -> str:
    """All markup of a section, as it is sent."""
    return "".join(str(pane.object) for pane in section.select(pn.pane.HTML))


# The switch


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        (None, "real"),
        ('{"market": "synthetic"}', "synthetic"),
        ('{"market": "sales-0123456789ab"}', "real"),
        ('{"market": ', None),
        ("[]", None),
        ("{}", None),
    ],
)
def test_a_folder_holds_what_the_demo_says_it_does(
    tmp_path: Path, marker: str | None, expected: str | None
) -> None:
    if marker is not None:
        (tmp_path / "demo.json").write_text(marker)
    assert market_of(tmp_path) == expected


def test_a_side_leads_to_the_folder_that_holds_such_a_market(
    market: Settings, tmp_path: Path
) -> None:
    assert own_market(market) == "real"
    assert settings_of(market, "real") is market
    synthetic = settings_of(market, "synthetic")
    assert synthetic is not None
    assert synthetic.data == market.synthetic_data

    demo = market.over(market.synthetic_data)
    assert own_market(demo) == "synthetic"
    assert settings_of(demo, "synthetic") is demo
    assert settings_of(demo, "real") is None
    assert settings_of(market.over(tmp_path), "synthetic") is None


def test_real_sales_are_never_shown_as_synthetic(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data", synthetic_data_dir=tmp_path / "other"
    )
    (tmp_path / "other").mkdir()
    assert settings_of(settings, "synthetic") is None


def test_a_side_without_data_says_what_to_run(market: Settings) -> None:
    assert "scrapy crawl booli" in "".join(what_to_run(market, "real", "sv"))
    said = "".join(what_to_run(market, "synthetic", "en"))
    # A command that is copied must not end in a full stop.
    assert f">SLUTPRIS_DATA={market.synthetic_data} make demo SERVE=0</code>" in said


def test_invented_sales_are_said_to_be_so_and_real_ones_are_not(
    market: Settings, tmp_path: Path
) -> None:
    synthetic = market.over(market.synthetic_data)
    assert "påhittade" in str(banners(synthetic, "sv")[0].object)
    assert "invented" in str(banners(synthetic, "en")[0].object)
    assert banners(market, "sv") == []
    (tmp_path / "demo.json").write_text("{")
    assert "demo.json" in str(banners(market.over(tmp_path), "sv")[0].object)


# What is said of faults


def test_a_damaged_report_is_named_and_the_rest_of_the_tab_stands(
    spoilt: Settings,
) -> None:
    (spoilt.reports_dir / "backtest.json").write_text(f'{{"{HOSTILE}')
    html = shown(model_health_section(spoilt, "sv"))
    assert "backtest.json" in html
    assert "ta bort" in html
    assert "Gjorda före försäljningen" in html


def test_a_damaged_log_is_named_and_the_models_stand(spoilt: Settings) -> None:
    (spoilt.reports_dir / "scored_valuations.parquet").write_bytes(b"PAR1")
    html = shown(model_health_section(spoilt, "en"))
    assert "scored_valuations.parquet" in html
    assert "The best model and its challengers" in html


def test_a_report_of_other_models_says_which_are_not_tested(
    spoilt: Settings,
) -> None:
    write_backtest(spoilt, {"blend": 1.0, "seed_recipe": 1.1})
    html = shown(model_health_section(spoilt, "sv"))
    assert "XGBoost är registrerade men inte prövade" in html
    assert "Prövade men inte registrerade här: Blandning" in html
    assert "ingen kan kallas bäst" in html


def test_a_tampered_registry_is_told_and_the_report_still_shown(
    spoilt: Settings,
) -> None:
    version = next((spoilt.registry_dir / "xgboost").iterdir())
    for path in version.glob("*.json"):
        path.write_text("{")
    html = shown(model_health_section(spoilt, "sv"))
    assert "Registret över modeller kunde inte läsas" in html
    assert "Föregångarens recept" in html


def test_how_far_ahead_the_best_is_stands_beside_its_margin(spoilt: Settings) -> None:
    write_backtest(spoilt, {"xgboost": 1.02, "blend": 1.03})
    shutil.copytree(spoilt.registry_dir / "xgboost", spoilt.registry_dir / "blend")
    assert "margin of error" not in shown(model_health_section(spoilt, "en"))
    report = spoilt.reports_dir / "backtest.json"
    content = json.loads(report.read_text())
    compared = {
        "protocol": "rolling_monthly",
        "metric": "mape_pct",
        "model": "blend",
        "other": "xgboost",
        "difference": 0.04,
        "low": -0.25,
        "high": 0.34,
        "low_by_month": None,
        "high_by_month": None,
    }
    report.write_text(json.dumps(content | {"differences": [compared]}))
    html = shown(model_health_section(spoilt, "en"))
    assert "Blend, is 0.04 percentage points. That is less than the margin" in html
    assert "interval −0.25 to 0.34" in html


def test_a_coverage_of_fewer_sales_says_of_how_many(spoilt: Settings) -> None:
    rows = write_backtest(spoilt)
    path = spoilt.reports_dir / "backtest_predictions.parquet"
    is_first = (rows["model"] == "blend") & (rows["sold_date"] < "2026-09-01")
    rows.loc[is_first, ["low_sek", "high_sek"]] = None
    rows.to_parquet(path, index=False)
    rest = int(((rows["model"] == "blend") & ~is_first).sum())
    html = shown(model_health_section(spoilt, "sv"))
    assert html.count(f" ({rest})</td>") == 2
    assert "står antalet inom parentes" in html
    backtested = read_backtest(spoilt.reports_dir)
    ranged = health.with_range(backtested, "blend")
    assert f"sep 2026–okt 2026, {rest} försäljningar" in source_of(
        backtested, "sv", ranged
    )


def test_invented_sales_are_not_said_to_come_from_a_site(spoilt: Settings) -> None:
    assert "Annons" in shown(model_health_section(spoilt, "sv"))
    assert "påhittad" not in shown(model_health_section(spoilt, "sv"))
    (spoilt.data / "demo.json").write_text('{"market": "synthetic"}')
    html = shown(model_health_section(spoilt, "sv"))
    assert '<td class="number">påhittad ' in html
    assert "booli " not in html.split("Största missarna")[1]


def test_the_map_says_how_much_it_leaves_out_and_what_may_be_chance(
    spoilt: Settings,
) -> None:
    section = model_health_section(spoilt, "sv")
    assert "stadsdelar, med " in shown(section)
    sure = SegmentHealth("a", 20, *[Estimate(5.0, 3.0, 7.0)] * 3)
    unsure = SegmentHealth("b", 5, *[Estimate(5.0, -3.0, 13.0)] * 3)
    places = {name: DistrictPlace(name, 59.3, 18.0) for name in "ab"}
    made = district_map([sure, unsure], places, "sv").figure
    (dots,) = (each for each in made.renderers if "edge" in each.data_source.data)
    data = dots.data_source.data
    assert data["fill"] == [0.8, 0.0]
    assert data["colour"] == [theme.RED, theme.MUTED]
    # four times the sales, four times the area
    assert data["size"][0] == pytest.approx(2 * data["size"][1])


def test_the_table_of_the_ratio_study_is_written_as_the_language_is(
    market: Settings,
) -> None:
    figures = {"xgboost": {"cod": 6.1, "prd": 1.0, "prb": 0.0114, "mki": 0.995}}
    figures["xgboost"]["n"] = 118
    html = shown(study_card(figures, "xgboost", "", "sv"))
    for text in ("6,1", "1,000", "0,011", "0,995"):
        assert f'<td class="right number">{text}</td>' in html


def test_the_latest_sales_say_how_their_values_came_about(market: Settings) -> None:
    html = shown(latest_sale_section(market.over(market.synthetic_data), "en"))
    recent = html.split("The latest sales")[1]
    assert "all afterwards." in recent
    assert "trained on th" in recent
    assert "the backtest" not in recent.split("Download")[0]
    assert "the models that answer now" in recent
    assert "The backtest of XGBoost, Aug–Oct 2026: " in shown(
        latest_sale_section(market, "en")
    )


def test_the_version_that_answers_is_told_with_who_decided(spoilt: Settings) -> None:
    champions = Champions.of(spoilt)
    html = shown(model_health_section(spoilt, "en"))
    assert "None: the newest answers until one is judged." in html
    champions.promote("xgboost", by="Ada", reason=HOSTILE)
    html = shown(model_health_section(spoilt, "en"))
    assert "version 1, the first, by Ada: " in html
    assert HOSTILE not in html


def test_without_a_snapshot_the_models_are_shown_without_a_map(
    spoilt: Settings,
) -> None:
    shutil.rmtree(spoilt.serving_dir)
    html = shown(model_health_section(spoilt, "sv"))
    assert "Snedhet efter stadsdel" in html
    assert "Bäst" in html


def test_an_empty_log_says_how_to_fill_it(market: Settings) -> None:
    synthetic = market.over(market.synthetic_data)
    html = shown(model_health_section(synthetic, "sv"))
    assert "python -m ml.valuation.forward_log" in html
    assert "make demo" in html


def test_months_of_few_sales_and_models_without_ranges_are_shown(
    spoilt: Settings,
) -> None:
    path = spoilt.reports_dir / "backtest_predictions.parquet"
    rows = write_backtest(spoilt)
    few = rows.groupby("model").head(2).assign(low_sek=None, high_sek=None)
    few.to_parquet(path, index=False)
    html = shown(model_health_section(spoilt, "sv"))
    assert "XGBoost gav inga intervall" in html
    assert "Ingen grupp har så många som 5" in html


# What is scraped


def test_hostile_text_of_a_report_is_shown_as_text(spoilt: Settings) -> None:
    rows = write_backtest(spoilt)
    rows = rows.assign(address=HOSTILE, district=HOSTILE, url=f"javascript:{HOSTILE}")
    rows.to_parquet(spoilt.reports_dir / "backtest_predictions.parquet", index=False)
    report = spoilt.reports_dir / "backtest.json"
    content = json.loads(report.read_text()) | {"created_at": HOSTILE}
    report.write_text(json.dumps(content))
    for section in (model_health_section, latest_sale_section):
        html = shown(section(spoilt, "sv"))
        assert "<img" not in html
        assert "javascript:" not in html
    assert "&lt;img" in shown(model_health_section(spoilt, "sv"))


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://www.booli.se/annons/1", True),
        ("https://www.hemnet.se/salda/1", True),
        ("https://www.booli.se.example.com/", False),
        ("http://www.booli.se/annons/1", False),
        ("javascript:alert(1)", False),
        ("/bostad/1", False),
        (None, False),
        (float("nan"), False),
    ],
)
def test_only_pages_of_the_known_sites_are_linked_to(
    url: object, is_link: bool
) -> None:
    shown = str(sale_link(url, "<b>"))
    assert ('rel="noopener"' in shown) == is_link
    assert not is_link or "<b>" not in shown


# In a browser, against a real server


@pytest.fixture(scope="module")
def site(market: Settings) -> Iterator[str]:
    """The address of the page, served over the tiny market."""
    with served_pages(market.data) as served:
        yield f"{served.url}/monitoring"


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        yield page


@pytest.fixture
def page(browser_page: Page) -> Page:
    """A page of a real browser, wide, that has visited nothing of this test's."""
    browser_page.set_default_timeout(20_000)
    browser_page.goto("about:blank")
    browser_page.set_viewport_size({"width": 1280, "height": 900})
    return browser_page


def test_the_models_come_first_and_other_tabs_when_they_are_opened(
    site: str, page: Page
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site)
    page.get_by_text("Bästa modellen och dess utmanare").wait_for()
    assert page.get_by_role("row", name="XGBoost Bäst").count() == 1
    assert page.get_by_text("De senaste försäljningarna").count() == 0
    page.get_by_role("tab", name="Senast sålda").click()
    page.get_by_text("De senaste försäljningarna").wait_for()
    assert "tab=latest" in page.url
    root = site.removesuffix("/monitoring")
    elsewhere = [url for url in asked if not url.startswith((root, "data:", "blob:"))]
    assert elsewhere == []


def test_an_odd_link_still_opens_a_page_whose_tabs_work(site: str, page: Page) -> None:
    page.goto(f"{site}?tab=²&market={'9' * 5_000}")
    page.get_by_role("tab", name="Senast sålda").click()
    page.wait_for_url("**tab=latest**")


def test_another_model_is_looked_at_when_it_is_chosen(site: str, page: Page) -> None:
    page.goto(site)
    page.get_by_text("Medianfelet (MdAPE) och medelfelet (MAPE)").wait_for()
    page.get_by_label("Visa modellen").click()
    page.get_by_role("option", name="Föregångarens recept").click()
    lede = "över noll värderar Föregångarens recept för högt"
    page.get_by_text(lede).wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Ladda ner som CSV").first.click()
    saved = pd.read_csv(download.value.path())
    assert download.value.suggested_filename == "error-by-month-seed_recipe.csv"
    assert saved["Månad"].tolist() == ["2026-08", "2026-09", "2026-10"]
    assert saved["Medianfel %"].tolist() == [10.0, 10.0, 10.0]


def test_what_was_logged_before_the_sale_stands_apart_and_as_text(
    site: str, page: Page
) -> None:
    page.goto(site)
    page.get_by_text("Gjorda före försäljningen").wait_for()
    page.get_by_text("Gjorda i efterhand").wait_for()
    assert page.get_by_text("Sveavägen <b>99</b>").count() == 1


def test_the_latest_sale_shows_what_each_model_said_and_what_it_fetched(
    site: str, page: Page, market: Settings
) -> None:
    page.goto(f"{site}?tab=latest&lang=en")
    page.get_by_text("Distribution of errors").wait_for()
    assert page.get_by_text("sold price", exact=True).count() == 1
    tags = page.locator(".tag").all_inner_texts()
    assert set(tags) <= {"backtest", "before the sale", "afterwards"}
    # The three models of the latest sale, then each of the latest sales.
    assert len(tags) == 3 + 20
    assert "kr" in page.get_by_role("row", name="XGBoost").first.inner_text()


def test_the_switch_leads_to_the_synthetic_market_and_back(
    site: str, page: Page
) -> None:
    page.goto(site)
    page.get_by_text("Bästa modellen och dess utmanare").wait_for()
    banner = page.get_by_text("Syntetisk marknad: alla försäljningar")
    assert banner.count() == 0
    page.get_by_role("button", name="Syntetisk marknad").click()
    banner.wait_for()
    page.get_by_text("Ingen jämförelse av modellerna finns ännu").wait_for()
    assert "market=synthetic" in page.url
    page.get_by_role("button", name="Riktiga försäljningar").click()
    page.get_by_role("row", name="XGBoost Bäst").wait_for()
    assert banner.count() == 0


def test_a_link_opens_its_side_of_the_switch_and_its_language(
    site: str, page: Page
) -> None:
    page.goto(f"{site}?market=synthetic&tab=latest&lang=en")
    page.get_by_text("Synthetic market: every sale").wait_for()
    page.get_by_text("Afterwards: the value was computed now").first.wait_for()


def test_nothing_is_wider_than_a_narrow_phone(site: str, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for tab, last in (("models", "Största missarna"), ("latest", "Felens fördelning")):
        page.goto(f"{site}?tab={tab}")
        page.get_by_text(last).wait_for()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        card = page.locator("h2").last.bounding_box()
        assert card is not None
        assert card["x"] + card["width"] <= 390
