"""Pictures of the pages for the README and docs: ``python tests/screenshots.py``.

Takes them from the data folder of the demo (``make demo SERVE=0`` first), in a real
browser, and writes ``docs/screenshots/*.png`` in few colours. Look at each before
committing it.

``python tests/screenshots.py --every pictures`` takes every page and state instead, in
both languages and themes, on a wide screen and on a phone, in its whole length, cut
into pieces that can be looked at.
"""

from __future__ import annotations

import argparse
import itertools
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageChops
from visited_pages import running_browser, served_pages

from warehouse.serving import open_snapshot
from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = PROJECT_ROOT / "docs" / "screenshots"
WIDE, PHONE = 1440, 390
SETTLED_MS = 8_000
COLOURS = 256
TALLEST = 14_000
"""Of a window that shows a page in its whole length, pixels."""
SLICE = 1500
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
        Shot("value-dark-en", f"{value}&lang=en", ".value", is_dark=True),
        Shot("value-phone", value, ".value", PHONE, 2600),
        Shot("value-asked", f"{value}&list_price_sek=6500000", ".value", height=1300),
        Shot("start", "valuation", "button", height=900),
        Shot("refusal", value.replace("=59", "=700"), ".notice", height=900),
        Shot(
            "mistake", value.replace("rooms=2", "rooms=25"), "[role=alert]", WIDE, 1250
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


def states(home: str) -> list[Shot]:
    """List every page and state, each once: wide, light, in Swedish."""
    value, model = f"valuation?{home}", "monitoring?market=synthetic"
    return [
        Shot("value", value, ".value"),
        Shot("value-asked", f"{value}&list_price_sek=6500000", ".value"),
        Shot("value-autogluon", f"{value}&model=autogluon", ".value"),
        Shot("start", "valuation?", "button"),
        Shot("refusal", value.replace("=59", "=700"), ".notice"),
        Shot("mistake", value.replace("rooms=2", "rooms=25"), "[role=alert]"),
        Shot("models", f"{model}&tab=models", "canvas"),
        Shot("latest", f"{model}&tab=latest", "canvas"),
        Shot("data", f"{model}&tab=data", "canvas"),
    ]


def empty_states() -> list[Shot]:
    """List the pages of a folder in which nothing is published."""
    return [
        Shot("empty", "valuation?", ".card"),
        Shot("empty-monitoring", "monitoring?market=synthetic", ".card"),
    ]


def every_look(state: Shot) -> list[Shot]:
    """Show a state in both languages and themes, wide and on a phone."""
    return [
        replace(
            state,
            name=f"{state.name}-{language}-{'dark' if is_dark else 'light'}-{width}",
            link=f"{state.link}&lang={language}",
            width=width,
            height=TALLEST,
            is_dark=is_dark,
        )
        for language, is_dark, width in itertools.product(
            ("sv", "en"), (False, True), (WIDE, PHONE)
        )
    ]


def cut(path: Path) -> None:
    """Cut a tall picture into pieces, without the empty end of its page."""
    with Image.open(path) as taken:
        whole = taken.convert("RGB")
    ground = Image.new("RGB", whole.size, whole.getpixel((0, whole.height - 1)))
    box = ImageChops.difference(whole, ground).getbbox()
    end = min(whole.height, (box[3] if box else 0) + 40)
    for number, top in enumerate(range(0, end, SLICE)):
        piece = whole.crop((0, top, whole.width, min(end, top + SLICE)))
        piece.save(path.with_stem(f"{path.stem}-{number}"))
    path.unlink()


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


def shrink(path: Path) -> None:
    """Save a picture in few colours, as small as it gets."""
    with Image.open(path) as taken:
        # Of the methods, this one keeps the few red and orange marks.
        few = taken.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    few.save(path, optimize=True)


def darken(page: Page) -> None:
    """Press the switch of the theme."""
    page.get_by_role("button", name=THEME).click()


def take_for_docs(data: Path, only: list[str]) -> None:
    """Take the pictures of the docs, and one of an empty folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = [
        shot
        for shot in shots(a_home(Settings(data_dir=data)))
        if not only or shot.name in only
    ]
    with running_browser() as browser:
        with served_pages(data, SLUTPRIS_FORWARD_LOG="false") as site:
            for shot in wanted:
                take(browser, site.url, shot, FOLDER)
                shrink(FOLDER / f"{shot.name}.png")
        if not only or "empty" in only:
            with (
                tempfile.TemporaryDirectory() as empty,
                served_pages(Path(empty)) as site,
            ):
                shot = Shot("empty", "valuation", ".card", height=700)
                take(browser, site.url, shot, FOLDER)
                shrink(FOLDER / f"{shot.name}.png")


def take_every_one(data: Path, only: list[str], folder: Path) -> None:
    """Take every page and state in every look into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    home = a_home(Settings(data_dir=data))
    with tempfile.TemporaryDirectory() as empty, running_browser() as browser:
        for where, of_it in ((data, states(home)), (Path(empty), empty_states())):
            wanted = [state for state in of_it if not only or state.name in only]
            looks = [look for state in wanted for look in every_look(state)]
            with served_pages(where, SLUTPRIS_FORWARD_LOG="false") as site:
                for look in looks:
                    take(browser, site.url, look, folder)
                    cut(folder / f"{look.name}.png")


def main() -> None:
    """Take the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Settings().data)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--every", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.every:
        take_every_one(arguments.data, arguments.only, arguments.every)
    else:
        take_for_docs(arguments.data, arguments.only)


if __name__ == "__main__":
    main()
