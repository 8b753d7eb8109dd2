"""The markets behind the replica: the synthetic one, and that of a file."""

from __future__ import annotations

from collections import Counter
from datetime import date
from statistics import median, pstdev
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import REAL_DATA_DIR

from scrapy_project.replica.sales_file import FIRST_RESERVED_ID, file_market
from scrapy_project.replica.synthetic import city_level_sek_per_m2, synthetic_market
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy_project.replica.market import Market, Sale

TODAY = date(2026, 6, 30)
ROWS = {
    "platform": ["booli"] * 4,
    "source_id": ["501", "501", "503", None],
    "url": [None, "https://www.booli.se/annons/501", None, None],
    "address": ["Provgatan 1", "Provgatan 1", "Testgränd 2", "Testgränd 3"],
    "area": ["Södermalm", "Södermalm", None, "Utkanten"],
    "municipality": ["Stockholm", "Stockholm", None, "Nacka"],
    "sold_date": [date(2014, 3, day) for day in (1, 2, 3, 4)],
    "sold_price": [3_200_000.0, 3_250_000.0, 2_000_000.0, 4_000_000.0],
    "list_price": [3_000_000.0, 3_000_000.0, 0.0, None],
    "living_area": [52.0, 52.0, 34.5, 80.0],
    "operating_cost_year": [None, 6_000.0, None, None],
    "agency": ["Tegel", None, "Fasad", "Tegel"],
}


@pytest.fixture(scope="module")
def market() -> Market:
    return synthetic_market(7, TODAY)


def dirt_share(market: Market, kind: str) -> float:
    counts = Counter(d for sale in market.sales if sale.truth for d in sale.truth.dirt)
    return counts[kind] / len(market.sales)


def is_typed_right(sale: Sale) -> bool:
    return sale.truth is not None and not {"price_typo", "area_typo"} & {
        *sale.truth.dirt
    }


def write_sales(path: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table({**ROWS, **columns}), path)
    return path


def test_same_seed_gives_same_sales_and_another_seed_others(market: Market) -> None:
    assert synthetic_market(7, TODAY).sales == market.sales
    assert synthetic_market(8, TODAY).sales != market.sales


@pytest.mark.parametrize("later", [date(2026, 7, 31), date(2027, 3, 15)])
def test_later_day_adds_sales_and_changes_none(market: Market, later: date) -> None:
    extended = synthetic_market(7, later)
    assert extended.sales[-len(market.sales) :] == market.sales
    added = extended.sales[: -len(market.sales)]
    assert added
    assert all(TODAY < sale.sold_date <= later for sale in added)


def test_sales_have_unique_ids_and_span_from_2012_to_today(market: Market) -> None:
    assert len(market.by_booli_id) == len(market.sales)
    assert 5_500 < len(market.sales) < 6_500
    assert market.sales[-1].sold_date < date(2012, 1, 15)
    assert date(2026, 6, 15) < market.sales[0].sold_date <= TODAY


@pytest.mark.parametrize(
    ("year", "low", "high"),
    [(2012, 42_000, 55_000), (2017, 65_000, 85_000), (2024, 65_000, 85_000)],
)
def test_median_price_per_m2_is_plausible(
    market: Market, year: int, low: int, high: int
) -> None:
    levels = [
        sale.sold_price_sek / sale.living_area_m2
        for sale in market.sales
        if sale.sold_date.year == year and is_typed_right(sale)
    ]
    assert low < median(levels) < high


def test_city_level_falls_in_2018_and_after_march_2022() -> None:
    assert city_level_sek_per_m2(2018, 6) < 0.94 * city_level_sek_per_m2(2017, 9)
    fall = city_level_sek_per_m2(2023, 2) / city_level_sek_per_m2(2022, 3)
    assert 0.83 < fall < 0.88
    assert city_level_sek_per_m2(2012, 1) == 46_000
    assert city_level_sek_per_m2(2030, 1) > city_level_sek_per_m2(2027, 1)


def test_inner_city_costs_more_than_the_outer_suburbs(market: Market) -> None:
    def level(district: str) -> float:
        return median(
            sale.price_per_m2_sek
            for sale in market.sales
            if sale.district == district and sale.sold_date.year >= 2020
        )

    assert level("Vasastan") > 1.5 * level("Årsta") > 1.5 * level("Rågsved")


def test_noise_is_about_seven_percent(market: Market) -> None:
    noise = [sale.truth.noise_log for sale in market.sales if sale.truth]
    assert 0.065 < pstdev(noise) < 0.08
    assert abs(median(noise)) < 0.01


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("no_list_price", 0.20, 0.27),
        ("no_floor", 0.06, 0.10),
        ("no_fee", 0.02, 0.04),
        ("no_address", 0.001, 0.006),
        ("price_typo", 0.0002, 0.003),
        ("area_typo", 0.0002, 0.003),
        ("construction_year_typo", 0.0002, 0.003),
        ("soft_hyphen", 0.005, 0.02),
        ("no_break_space", 0.005, 0.03),
        ("hard_hyphen", 0.001, 0.02),
    ],
)
def test_dirt_is_present_at_its_rate(
    market: Market, kind: str, low: float, high: float
) -> None:
    assert low < dirt_share(market, kind) < high


def test_price_types_first_prices_and_known_homes_have_their_shares(
    market: Market,
) -> None:
    count = len(market.sales)
    bids = sum(sale.sold_price_type == "Sista bud" for sale in market.sales)
    known = sum(sale.residence_id is not None for sale in market.sales)
    asked = [sale for sale in market.sales if sale.list_price_sek is not None]
    changed = sum(sale.first_price_sek != sale.list_price_sek for sale in asked)
    assert 0.03 < bids / count < 0.05
    assert 0.60 < known / count < 0.70
    assert 0.11 < changed / len(asked) < 0.17


def test_floors_areas_and_rooms_come_in_all_kinds(market: Market) -> None:
    assert {sale.floor for sale in market.sales} >= {None, -1.0, 0.0, 0.5, 1.5, 3.0}
    assert any(sale.living_area_m2 % 1 for sale in market.sales)
    assert any(sale.additional_area_m2 for sale in market.sales)
    assert {sale.rooms for sale in market.sales} >= {1.0, 1.5, 2.0, 2.5}
    assert any(sale.has_half_signs and (sale.rooms or 0) % 1 for sale in market.sales)


def test_homes_are_sold_again_after_a_while_and_some_are_for_sale(
    market: Market,
) -> None:
    repeats = [sales for sales in market.by_residence_id.values() if len(sales) > 1]
    assert len(repeats) > 500
    gaps = [(a.sold_date - b.sold_date).days for a, b, *_ in repeats]
    assert min(gaps) > 365
    assert any(residence in market.by_residence_id for residence in market.ads)
    assert all(ad.published <= TODAY < ad.sale.sold_date for ad in market.ads.values())


def test_price_typo_is_tenfold_and_the_truth_is_kept(market: Market) -> None:
    wrong = [s for s in market.sales if s.truth and "price_typo" in s.truth.dirt]
    for sale in wrong:
        assert sale.truth
        assert sale.sold_price_sek in (
            sale.truth.true_price_sek * 10,
            sale.truth.true_price_sek // 10,
        )


def test_no_flat_is_sold_before_its_house_is_built(market: Market) -> None:
    for sale in market.sales:
        assert sale.truth
        assert sale.truth.true_construction_year < sale.sold_date.year


@pytest.mark.parametrize("count", [0, 20_000])
def test_impossible_number_of_sales_per_month_is_refused(count: int) -> None:
    with pytest.raises(SlutprisError, match="--sales-per-month"):
        synthetic_market(7, TODAY, count)


def test_every_row_of_a_file_becomes_a_sale_with_an_id_of_its_own(
    tmp_path: Path,
) -> None:
    market, notes = file_market(write_sales(tmp_path / "sales.parquet"), TODAY)
    ids = [sale.booli_id for sale in reversed(market.sales)]
    assert ids == [FIRST_RESERVED_ID, 501, 503, FIRST_RESERVED_ID + 3]
    assert market.sales[0].url == f"/annons/{FIRST_RESERVED_ID + 3}"
    assert len(notes) == 1
    assert "2 rows" in notes[0]


def test_what_a_file_lacks_stays_missing(tmp_path: Path) -> None:
    market, _ = file_market(write_sales(tmp_path / "sales.parquet"), TODAY)
    nacka, unlisted, sold, _ = market.sales
    assert sold.operating_cost_sek_per_month == 500
    assert sold.price_per_m2_sek == 62_500
    assert (unlisted.list_price_sek, unlisted.district) == (None, None)
    assert unlisted.municipality is None
    assert nacka.municipality == "Nacka"
    assert (nacka.floor, nacka.rooms, nacka.latitude) == (None, None, None)
    assert all(1 in {area.area_id for area in sale.areas} for sale in market.sales)
    assert [s.agency and s.agency.agency_id for s in market.sales] == [
        7002,
        7001,
        None,
        7002,
    ]


def test_sales_of_a_file_after_today_are_not_shown_but_told(tmp_path: Path) -> None:
    path = write_sales(tmp_path / "sales.parquet")
    market, notes = file_market(path, date(2014, 3, 2))
    assert len(market.sales) == 2
    assert "2 sales lie after 2014-03-02" in notes[-1]


def test_file_with_a_missing_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    pq.write_table(pa.table({"address": ["Provgatan 1"], "sold_price": [1.0]}), path)
    with pytest.raises(SlutprisError, match="lacks the columns source_id, url, sold_d"):
        file_market(path, TODAY)


def test_file_with_dates_as_words_is_refused(tmp_path: Path) -> None:
    path = write_sales(tmp_path / "sales.parquet", sold_date=["i förrgår"] * 4)
    with pytest.raises(SlutprisError, match="sold_date date32"):
        file_market(path, TODAY)


def test_row_without_a_price_is_named(tmp_path: Path) -> None:
    path = write_sales(tmp_path / "sales.parquet", sold_price=[1e6, None, 1e6, 1e6])
    with pytest.raises(SlutprisError, match="row 2: no sold_price"):
        file_market(path, TODAY)


@pytest.mark.skipif(not REAL_DATA_DIR.is_dir(), reason=f"no {REAL_DATA_DIR}")
def test_every_real_sale_is_in_the_market() -> None:
    path = REAL_DATA_DIR / "sales_booli_2012_2016.parquet"
    market, notes = file_market(path, TODAY)
    assert len(market.sales) == len(market.by_booli_id) == 48_098
    assert "9 rows repeat" in notes[0]
