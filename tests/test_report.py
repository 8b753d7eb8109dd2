from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from test_segments import predictions

from ml.valuation.backtest import Backtest
from ml.valuation.bootstrap import differences
from ml.valuation.markup import element, joined, link
from ml.valuation.report import best_model, write_report
from ml.valuation.segments import summarise

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '<script>alert("hej")</script>'
PROVENANCE = {
    "created_at": "2026-11-23T10:00:00+00:00",
    "git_commit": None,
    "start": "2016-01",
    "end": "2016-03",
    "mode": "before_listing",
    "rows": 1234,
    "data_fingerprint": "ab" * 32,
    "held_out_districts": ["fruangen", HOSTILE],
}


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text; void tags are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def scraped(model: str, spread: float) -> pd.DataFrame:
    count = 60
    noise = np.random.default_rng(3).normal(0, spread, count)
    rows = predictions(
        count,
        model=model,
        sold_date=pd.to_datetime(["2016-01-10", "2016-02-10", "2016-03-10"] * 20),
        address=[HOSTILE, *["Sveavägen 98"] * 59],
        url=[f"javascript:{HOSTILE}", *['https://x.se/"><b>'] * 59],
        confidence_class=6,
    )
    noise[0] += 1
    rows["value_sek"] = rows["sold_price_sek"] * np.exp(noise)
    return rows.assign(
        low_sek=rows["value_sek"] * 0.9, high_sek=rows["value_sek"] * 1.1
    )


@pytest.fixture(scope="module")
def backtest() -> Backtest:
    rows = pd.concat([scraped("seed_recipe", 0.1), scraped("xgboost", 0.05)])
    rows = rows.reset_index(drop=True)
    return Backtest(summarise(rows), differences(rows), rows, PROVENANCE)


@pytest.fixture(scope="module")
def written(backtest: Backtest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_report(backtest, tmp_path_factory.mktemp("report") / "new")


@pytest.fixture(scope="module")
def page(written: list[Path]) -> str:
    return written[0].read_text(encoding="utf-8")


def test_page_comes_with_a_plot_of_each_protocol(written: list[Path]) -> None:
    assert [path.name for path in written] == [
        "report.html",
        "predicted_against_actual_rolling_monthly.png",
    ]
    assert written[1].read_bytes().startswith(b"\x89PNG")


def test_page_asks_nothing_of_any_server(page: str) -> None:
    tags = Tags(page)

    assert not tags.open
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags.tags}
    sources = [a["src"] for _, a in tags.tags if "src" in a]
    assert [str(source)[:22] for source in sources] == ["data:image/png;base64,"]
    assert "url(" not in page
    assert "@import" not in page


def test_scraped_text_is_text(page: str) -> None:
    assert "<script" not in page
    assert HOSTILE in Tags(page).words
    addresses = {a["href"] for tag, a in Tags(page).tags if tag == "a"}
    assert addresses == {'https://x.se/"><b>'}


def test_bands_are_shown_with_what_lies_in_and_out(page: str) -> None:
    tags = Tags(page)

    assert "COD (5 till 15)" in tags.words
    assert "PRB (\u22120,05 till 0,05)" in tags.words
    marked = {a.get("class") for tag, a in tags.tags if tag == "span"}
    assert {"in", "out"} <= marked


def test_figures_are_written_as_swedes_do(page: str, backtest: Backtest) -> None:
    best = next(r for r in backtest.results if r["model"] == "xgboost")

    assert f"{best['mape_pct']:.2f}".replace(".", ",") in page
    assert re.search("1\u00a0234 försäljningar", page)
    assert "fruangen" in page


def test_best_model_answers_for_nearly_all_sales() -> None:
    totals = [
        {"model": "xgboost", "n": 100, "mape_pct": 6.0},
        {"model": "seed_recipe", "n": 98, "mape_pct": 8.0},
        {"model": "last_sale_indexed", "n": 20, "mape_pct": 5.0},
        {"model": "broken", "n": 0, "mape_pct": None},
    ]

    assert best_model(totals) == "xgboost"


def test_model_that_answered_nothing_is_shown_with_dashes(
    backtest: Backtest, tmp_path: Path
) -> None:
    silent = backtest.predictions.assign(model="silent", value_sek=np.nan)
    rows = pd.concat([backtest.predictions, silent], ignore_index=True)

    page, _ = write_report(
        Backtest(summarise(rows), differences(rows), rows, PROVENANCE), tmp_path
    )

    assert "silent" in page.read_text(encoding="utf-8")


def test_element_escapes_text_and_attributes_but_not_elements() -> None:
    made = element("p", "a < b", element("b", "&"), title='"', class_="x", id=None)

    assert made == '<p title="&quot;" class="x">a &lt; b<b>&amp;</b></p>'
    assert joined("<", made).startswith("&lt;<p")


@pytest.mark.parametrize("address", ["javascript:x", "/bostad/1", None, float("nan")])
def test_only_a_web_address_is_linked_to(address: object) -> None:
    assert link(address, "<källa>") == "&lt;källa&gt;"
