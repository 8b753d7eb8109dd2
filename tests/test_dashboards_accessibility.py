"""What axe-core finds on the pages, and the pages by keyboard alone.

Each look is a page in a state, a language, a theme and a width; not all of each with
all of the others, but each somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from running_pipeline import demo_data
from visited_pages import running_browser, served_pages

from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from running_pipeline import Pipeline

    from warehouse.settings import Settings

LONG_MS = 60_000
WIDE, NARROW = 1440, 390
ADDRESS_SQL = """
    select address from marts.sales
    where regexp_matches(address, '^[A-Za-zÅÄÖåäö]{8,} [0-9]+$')
    group by address order by count(*) desc, address limit 1
"""


@dataclass(frozen=True)
class Look:
    """A page in a state, and the text that is there once all of it is."""

    name: str
    path: str
    last_text: str
    width: int = WIDE
    theme: str = "default"
    language: str = "sv"
    has_home: bool = False
    tab: str = ""

    def url(self, site: str, address: str) -> str:
        query = {"lang": self.language, "theme": self.theme}
        if self.has_home:
            query |= {
                "address": address,
                "living_area_m2": "52",
                "rooms": "2",
                "floor": "2",
                "list_price_sek": "3000000",
                "date": "2026-06-30",
            }
        joint = "&" if "?" in self.path else "?"
        return f"{site}/{self.path}{joint}{urlencode(query)}"


VALUED = "Beräknat av XGBoost"
PROBLEMS = "valuation?address=Qqqqgatan&living_area_m2=5&rooms=99"
LOOKS = (
    Look("empty", "valuation", "Vad är lägenheten värd?"),
    Look("answer", "valuation", VALUED, has_home=True),
    Look(
        "answer on a phone, dark, in English",
        "valuation",
        "Worked out by XGBoost",
        NARROW,
        "dark",
        "en",
        has_home=True,
    ),
    Look("problems", PROBLEMS, "du skrev 99"),
    Look("problems, dark, on a phone", PROBLEMS, "du skrev 99", NARROW, "dark"),
    Look(
        "file",
        "valuation",
        "Template to fill in",
        WIDE,
        "dark",
        "en",
        tab="Value a file",
    ),
    Look("models", "monitoring?tab=models", "Den öppna loggen över värderingar"),
    Look(
        "models, dark, on a phone",
        "monitoring?tab=models",
        "The public log of valuations",
        NARROW,
        "dark",
        "en",
    ),
    Look("latest sale", "monitoring?tab=latest", "Felens fördelning", NARROW),
    Look(
        "data",
        "monitoring?tab=data",
        "Hur exakt bostäderna är placerade",
        WIDE,
        "dark",
    ),
)


@pytest.fixture(scope="module")
def settings(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return demo_data(pipeline, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def address(settings: Settings) -> str:
    with connect(settings.warehouse_path, read_only=True) as warehouse:
        return warehouse.execute(ADDRESS_SQL).fetchall()[0][0]


@pytest.fixture(scope="module")
def site(settings: Settings) -> Iterator[str]:
    """The address of the pages, served over the demo's data in small."""
    with served_pages(settings.data) as site:
        yield site.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": WIDE, "height": 900})
    page.set_default_timeout(LONG_MS)
    yield page
    page.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds, each with its rule, its place and what to do."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']} ({node['impact']}) at {_place(node)}: "
        f"{node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]


def _place(node: dict[str, Any]) -> str:
    """Write where a node lies: its selectors, through the shadow roots around it."""
    parts = [
        part if isinstance(part, str) else " >> ".join(part) for part in node["target"]
    ]
    return f"{' '.join(parts)} ({node['html'][:120]})"


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_axe_finds_nothing_whatever_its_impact(
    site: str, page: Page, address: str, look: Look
) -> None:
    page.set_viewport_size({"width": look.width, "height": 900})
    page.goto(look.url(site, address))
    if look.tab:
        page.get_by_role("tab", name=look.tab).click()
    page.get_by_text(look.last_text).first.wait_for()
    page.wait_for_function(f"() => !({SKELETONS})()")
    assert page.locator("html").get_attribute("lang") == look.language
    is_dark = "dark" in (page.locator("html").get_attribute("class") or "")
    assert is_dark == (look.theme == "dark")
    assert page.get_by_role("heading", level=1).count() == 1
    assert violations(page) == []


def test_axe_sees_into_the_parts_of_a_page(site: str, page: Page) -> None:
    page.goto(f"{site}/valuation")
    heading = page.get_by_role("heading", name="Vad är lägenheten värd?")
    heading.wait_for()
    heading.evaluate(
        "heading => { heading.style.color = '#dddddd';"
        " heading.style.background = '#ffffff' }"
    )
    (found,) = violations(page)
    assert found.startswith("color-contrast")


def test_a_home_is_found_filled_in_and_valued_by_keyboard_alone(
    site: str, page: Page, address: str
) -> None:
    page.goto(f"{site}/valuation")
    page.get_by_role("combobox", name="Adress").wait_for()
    tab_to(page, "Adress")
    page.keyboard.type(address, delay=20)
    page.get_by_role("option", name=address).first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("Känt om huset").wait_for()
    tab_to(page, "Det här är lägenheten")
    page.keyboard.press("Enter")
    page.get_by_text("Det här är inte angivet").wait_for()
    tab_to(page, "Rum")
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    tab_to(page, "Modell")
    page.keyboard.press("Enter")
    page.get_by_role("option", name="AutoGluon").wait_for()
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    # at once: the list that fades away must not take the focus with it
    tab_to(page, "Värdera")
    page.keyboard.press("Enter")
    page.locator(".value").wait_for()
    assert "rooms=3" in page.url
    assert "model=autogluon" in page.url


SKELETONS = """() => {
  const waits = root => [...root.querySelectorAll("*")].some(node =>
    (node.matches(".skeleton") && node.getBoundingClientRect().width > 0)
    || (node.shadowRoot && waits(node.shadowRoot)))
  return waits(document)
}"""
FOCUSED = """() => {
  let focused = document.activeElement
  while (focused?.shadowRoot?.activeElement)
    focused = focused.shadowRoot.activeElement
  if (!focused) return ["", false]
  const root = focused.getRootNode()
  const by = (focused.getAttribute("aria-labelledby") || "").split(" ")
  const named = by.map(id => id && root.getElementById(id)?.textContent || "")
  const label = focused.labels?.[0]?.textContent
  const name = focused.getAttribute("aria-label") || label || named.join(" ").trim()
    || focused.title || focused.textContent || ""
  const box = focused.getBoundingClientRect()
  return [name.trim(), box.width > 0 && box.height > 0]
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so; all on the way is visible."""
    passed = []
    for _ in range(60):
        page.keyboard.press("Tab")
        found, is_visible = page.evaluate(FOCUSED)
        passed.append(found)
        if found == name:
            assert is_visible
            return
    raise AssertionError(f"Tab never came to {name}: {passed}")
