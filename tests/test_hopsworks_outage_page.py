"""The valuation page in a browser, with models from a cluster that goes away.

The own registry is emptied once the model is published, so that only the copy that was
fetched from the cluster can answer.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hopsworks_cluster_under_test import address_of
from impatient_client import workers_polling_often
from tiny_market import publish_market, register_model

from ml.folder_registry import FolderRegistry
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.registry import HopsworksRegistry
from ml.valuation.publishing import publish_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from fake_hopsworks import FakeCluster
    from playwright.sync_api import Page

    from warehouse.settings import Settings

pytestmark = pytest.mark.hopsworks

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-sync"]
HOME = "address=Sveav%C3%A4gen+11&living_area_m2=50&date=2024-06-15"
DEADLINE_S = 30
"""Who waited for a cluster that stalls would wait so long, and fail."""
START_S = 120
SERVED_COPY = "serving the copy of xgboost version 1"


class Site(NamedTuple):
    """A server of the page, and what it writes to its log."""

    address: str
    log: Path

    def says(self, text: str, within_s: float) -> bool:
        until = time.monotonic() + within_s
        while text not in self.log.read_text("utf-8"):
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True


Met = Callable[[Site], bool]
"""Whether a server has met an outage."""


@pytest.fixture(scope="module")
def settings(
    running_cluster: FakeCluster, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A data folder whose only model was published to the cluster and removed here."""
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    cluster = Cluster(address_of(running_cluster, tmp_path_factory.mktemp("own")))
    own = FolderRegistry(settings.registry_dir)
    with workers_polling_often():
        publish_model("xgboost", own, HopsworksRegistry(cluster))
    cluster.close()
    shutil.rmtree(settings.registry_dir)
    return settings


@contextmanager
def served(settings: Settings, fake: FakeCluster, log: Path) -> Iterator[Site]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["--address", "127.0.0.1", "--port", str(port)]
    variables = fake.env() | {
        "SLUTPRIS_DATA": str(settings.data),
        "SLUTPRIS_THREADS": "1",
        "HOPSWORKS_SERVING_DEADLINE_S": str(DEADLINE_S),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "panel", "serve"),
                *("ml/dashboards/valuation.py", *where),
            ],
            cwd=Path(__file__).parents[1],
            env=os.environ | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, process)
        yield Site(f"http://127.0.0.1:{port}/valuation", log)
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens; its first visitor is the browser."""
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return
        time.sleep(0.1)
    raise AssertionError("panel serve did not answer")


@pytest.fixture(scope="module")
def site(
    settings: Settings,
    running_cluster: FakeCluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The page, started while the cluster was well."""
    log = tmp_path_factory.mktemp("log") / "first.txt"
    with served(settings, running_cluster, log) as site:
        yield site


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


class Answer(NamedTuple):
    """A value as a visitor reads it, and which data and model it was made of."""

    value: str
    made_of: str


def opened(page: Page, site: Site) -> Answer:
    """What a visitor who comes by a link is told."""
    page.goto(f"{site.address}?{HOME}")
    return shown(page)


def shown(page: Page) -> Answer:
    value = page.locator(".value").first
    value.wait_for()
    made_of = page.locator("[data-made-of]").first.get_attribute("data-made-of")
    return Answer(value.inner_text(), made_of or "")


def asked_again(page: Page, living_area_m2: int) -> Answer:
    """Type another area, ask, and wait for another value."""
    from playwright.sync_api import expect

    before = shown(page).value
    page.get_by_label("Boarea").first.fill(str(living_area_m2))
    page.get_by_role("button", name="Värdera", exact=True).click()
    value = page.locator(".value").first
    expect(value).not_to_have_text(before, timeout=60_000, use_inner_text=True)
    return shown(page)


@contextmanager
def ends_in_time() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < DEADLINE_S


@contextmanager
def port_closed(fake: FakeCluster) -> Iterator[Met]:
    """Nobody listens, as the log of who asks says at once."""
    fake.stop()
    yield lambda site: site.says(SERVED_COPY, DEADLINE_S)
    fake.start()


@contextmanager
def stalling(fake: FakeCluster) -> Iterator[Met]:
    """The port takes connections and says nothing, as behind a lost route."""
    fake.stop()
    with socket.create_server((fake.host, fake.port)) as silent:
        silent.settimeout(DEADLINE_S)
        yield lambda _: silent.accept() is not None
    fake.start()


def make_due(settings: Settings) -> None:
    """Let it be long since the cluster was asked."""
    for asked in settings.fetched_models_dir.glob(".asked-*"):
        os.utime(asked, (0, 0))


def test_visitors_are_served_what_was_fetched_from_the_cluster(
    site: Site, settings: Settings, page: Page
) -> None:
    answer = opened(page, site)
    assert "kr" in answer.value
    assert answer.made_of.endswith("xgboost 1")
    assert not settings.registry_dir.exists()
    assert FolderRegistry(settings.fetched_models_dir).numbers("xgboost") == [1]


@pytest.mark.parametrize("outage", [port_closed, stalling])
def test_visitors_are_served_the_last_good_model_while_the_cluster_is_away(
    site: Site,
    settings: Settings,
    running_cluster: FakeCluster,
    page: Page,
    tmp_path: Path,
    outage: Callable[[FakeCluster], AbstractContextManager[Met]],
) -> None:
    before = opened(page, site)
    with outage(running_cluster) as is_met:
        with ends_in_time():
            larger = asked_again(page, 60)
        assert larger.value != before.value
        assert larger.made_of == before.made_of
        make_due(settings)
        with served(settings, running_cluster, tmp_path / "log.txt") as fresh:
            with ends_in_time():
                assert opened(page, fresh) == before
            assert is_met(fresh)  # the cluster was asked, aside
