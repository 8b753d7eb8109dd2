"""Pictures of the pages for the README and docs: ``python tests/screenshots.py``.

Takes them from the data folder of the demo (``make demo SERVE=0`` first), in a real
browser, and writes ``docs/screenshots/*.png`` in few colours. Look at each before
committing it.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from visited_pages import running_browser, served_pages

from warehouse.serving import open_snapshot
from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = PROJECT_ROOT / "docs" / "screenshots"
WIDE, PHONE = 1440, 390
SETTLED_MS = 12_000
COLOURS = 128
THEME = re.compile("light and dark|ljust och mörkt|theme", re.IGNORECASE)


@dataclass(frozen=True)
class Shot:
    """A picture: its name, the page's link, what to wait for, and the window."""

    name: str
    link: str
    waits_for: str
    width: int = WIDE
    height: int = 1600
    is_dark: bool = False


def shots(home: str) -> list[Shot]:
    """List the pictures of one home and of the system."""
    value, model = f"valuation?{home}", "monitoring?market=synthetic"
    return [
        Shot("value", value, ".value"),
        Shot("value-whole", value, ".value", height=6000),
        Shot("value-dark-en", f"{value}&lang=en", ".value", is_dark=True),
        Shot("value-phone", value, ".value", PHONE, 2600),
        Shot("value-asked", f"{value}&list_price_sek=6500000", ".value", height=1300),
        Shot("start", "valuation", "button", height=900),
        Shot("refusal", value.replace("=59", "=700"), ".notice", height=900),
        Shot(
            "mistake", value.replace("rooms=2", "rooms=25"), "[role=alert]", WIDE, 900
        ),
        Shot("models", f"{model}&tab=models", "canvas", height=2300),
        Shot("models-dark-en", f"{model}&tab=models&lang=en", "canvas", is_dark=True),
        Shot("models-phone", f"{model}&tab=models", "canvas", PHONE, 2600),
        Shot("latest-sale", f"{model}&tab=latest", "canvas", height=1800),
        Shot("data", f"{model}&tab=data", "canvas", height=2600),
    ]


def a_home(settings: Settings) -> str:
    """Give the query of a home that was sold lately on a street of many sales."""
    with open_snapshot(settings.serving_dir) as snapshot:
        row = snapshot.connection.execute(
            "select address from marts.sales where street = 'Åsögatan' "
            "order by sold_date desc, sale_id limit 1"
        ).fetchone()
    address = row[0] if row else "Åsögatan 40"
    return f"address={address}&living_area_m2=59&rooms=2&floor=2"


def take(browser: Browser, url: str, shot: Shot, folder: Path) -> None:
    """Take a picture, once everything that comes later has come."""
    page = browser.new_page(viewport={"width": shot.width, "height": shot.height})
    page.set_default_timeout(120_000)
    page.goto(f"{url}/{shot.link}")
    page.locator(shot.waits_for).first.wait_for()
    if shot.is_dark:
        darken(page)
    page.wait_for_timeout(SETTLED_MS)
    path = folder / f"{shot.name}.png"
    page.screenshot(path=path)
    page.context.close()
    with Image.open(path) as taken:
        taken.convert("RGB").quantize(COLOURS).save(path, optimize=True)


def darken(page: Page) -> None:
    """Press the switch of the theme."""
    page.get_by_role("button", name=THEME).click()


def main() -> None:
    """Take all pictures, and one of a folder in which nothing is published."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Settings().data)
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = [
        shot
        for shot in shots(a_home(Settings(data_dir=arguments.data)))
        if not arguments.only or shot.name in arguments.only
    ]
    with running_browser() as browser:
        with served_pages(arguments.data, SLUTPRIS_FORWARD_LOG="false") as site:
            for shot in wanted:
                take(browser, site.url, shot, FOLDER)
        if not arguments.only:
            with (
                tempfile.TemporaryDirectory() as empty,
                served_pages(Path(empty)) as site,
            ):
                shot = Shot("empty", "valuation", ".card", height=700)
                take(browser, site.url, shot, FOLDER)


if __name__ == "__main__":
    main()
