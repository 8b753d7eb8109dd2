"""Hedonic features: as of the day, the same in any frame, and what they claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from made_up_sales import made_up_sales, repriced, without_labels

from ml.valuation.described import described, described_sales
from ml.valuation.hedonic import hedonics as module
from ml.valuation.hedonic.days import date_of, days_of, month_start, next_month_start
from ml.valuation.hedonic.groups import NO_GROUP, GroupMeans
from ml.valuation.hedonic.hedonics import HEDONIC_FEATURES, PART_FEATURES, Hedonics
from ml.valuation.hedonic.kept import KeptArrays
from ml.valuation.hedonic.lately import Lately
from ml.valuation.hedonic.masked import (
    MASKED_FEATURES,
    NEVER_SEEN,
    _draw,
    _lately_but,
    examples_of,
    masked_features_of_sales,
    with_masked_examples,
)
from ml.valuation.hedonic.neighbours import (
    ALIKE,
    OWN_VARIANCE,
    SHARED_VARIANCE,
    Points,
    Pool,
    covariance,
)
from ml.valuation.hedonic.ridge import fit_effects
from ml.valuation.hedonic.terms import PARTS, TERMS, class_keys

if TYPE_CHECKING:
    from pathlib import Path

DAY = pd.Timestamp(2016, 4, 15)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return made_up_sales(900)


@pytest.fixture(scope="module")
def hedonics(sales: pd.DataFrame) -> Hedonics:
    return Hedonics(sales)


@pytest.fixture(scope="module")
def homes(sales: pd.DataFrame) -> pd.DataFrame:
    """Homes of the middle of a month, some of whose sales are already known."""
    return without_labels(sales[sales["sold_date"] < DAY].tail(30)).assign(
        sold_date=DAY
    )


def same_bytes(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    return first.to_numpy().tobytes() == second.to_numpy().tobytes()


def test_sales_are_described_as_any_home_is(
    sales: pd.DataFrame, hedonics: Hedonics
) -> None:
    of_sales = hedonics.features_of_sales()
    asked = without_labels(sales.sample(80, random_state=2))

    found = hedonics.features(asked.drop(columns=["sale_id", "list_price_sek"]))

    assert tuple(found) == HEDONIC_FEATURES
    assert found.index.equals(asked.index)
    assert same_bytes(found, of_sales.loc[asked["sale_id"]])
    assert len(of_sales) == len(sales)
    assert found.notna().all(axis=1).any()


def test_there_are_no_features_before_there_are_sales_enough(
    sales: pd.DataFrame, hedonics: Hedonics
) -> None:
    found = hedonics.features_of_sales().loc[sales["sale_id"]]

    has_enough = sales["sold_date"].dt.to_period("M").rank(method="min") > 200
    assert found.isna().all(axis=1).to_numpy().tolist() == (~has_enough).tolist()


def test_prices_of_the_day_and_later_change_nothing(
    sales: pd.DataFrame, hedonics: Hedonics, homes: pd.DataFrame
) -> None:
    is_later = (sales["sold_date"] >= DAY).to_numpy()
    poison = np.random.default_rng(6).uniform(0.1, 10, len(sales))
    poisoned = repriced(sales, sales["sold_price_sek"] * np.where(is_later, poison, 1))
    poisoned["list_price_sek"] *= np.where(is_later, 3, 1)

    found = Hedonics(poisoned).features(homes)

    assert is_later.sum() > 100
    assert same_bytes(found, hedonics.features(homes))


def test_sales_of_the_day_and_later_need_not_be_there(
    sales: pd.DataFrame, hedonics: Hedonics, homes: pd.DataFrame
) -> None:
    earlier = Hedonics(sales[sales["sold_date"] < DAY])

    assert same_bytes(earlier.features(homes), hedonics.features(homes))


def test_a_sale_does_not_describe_itself_but_what_comes_after(
    sales: pd.DataFrame, hedonics: Hedonics
) -> None:
    own = sales[sales["sold_date"] < DAY].iloc[[-1]]
    is_own = sales.index == own.index[0]
    dearer = repriced(sales, sales["sold_price_sek"] * np.where(is_own, 1.3, 1))
    next_door = own.assign(sold_date=own["sold_date"] + pd.Timedelta(days=1))

    found = Hedonics(dearer)

    assert same_bytes(found.features(own), hedonics.features(own))
    before, after = (
        each.features(next_door)["neighbours_log_residual"].item()
        for each in (hedonics, found)
    )
    assert after > before + 0.05


def test_parts_add_up(hedonics: Hedonics, homes: pd.DataFrame) -> None:
    found = hedonics.features(homes)

    whole = found["hedonic_log_premium"]
    assert np.allclose(found[list(PART_FEATURES)].sum(axis=1), whole)
    assert whole.std() > 0.1
    assert (found["hedonic_place_log_premium"] != 0).all()


def test_neighbours_weights_reproduce_their_feature(
    hedonics: Hedonics, homes: pd.DataFrame
) -> None:
    found = hedonics.features(homes)["neighbours_log_residual"]
    for position in range(5):
        home = homes.iloc[[position]]

        neighbours = hedonics.neighbours(home)

        told = (neighbours["weight"] * neighbours["log_residual"]).sum()
        assert told == pytest.approx(found.iloc[position], abs=1e-12)
        assert neighbours["weight"].is_monotonic_decreasing
        assert neighbours["weight"].min() >= 0
        sold = hedonics.sales.iloc[neighbours["row"]]
        assert sold["sale_id"].tolist() == neighbours["sale_id"].tolist()
        assert (sold["sold_date"] < DAY).all()


def test_a_home_without_a_position_has_no_neighbours(
    hedonics: Hedonics, homes: pd.DataFrame
) -> None:
    nowhere = homes.head(3).assign(latitude=[np.nan, np.nan, 59.2], longitude=np.nan)

    found = hedonics.features(nowhere)

    assert (found["neighbours_certainty"] == 0).all()
    assert (found["neighbours_log_residual"] == 0).all()
    assert hedonics.neighbours(nowhere.head(1)).empty
    assert found["hedonic_log_premium"].notna().all()


def test_the_level_follows_prices_before_the_index_does(sales: pd.DataFrame) -> None:
    has_risen = (sales["sold_date"] >= "2016-03-01").to_numpy()
    risen = repriced(sales, sales["sold_price_sek"] * np.where(has_risen, 1.1, 1))
    home = without_labels(sales.head(1)).assign(sold_date=DAY)

    level, usual = (
        Hedonics(each).features(home)["market_log_level"].item()
        for each in (risen, sales)
    )

    assert level - usual == pytest.approx(np.log(1.1), abs=0.03)


def test_the_asking_premium_is_what_homes_fetched_above_it(
    sales: pd.DataFrame, homes: pd.DataFrame
) -> None:
    generous = np.where(sales["agency"] == "Mäklarna", 0.8, 1.0)
    asked = sales.assign(list_price_sek=sales["sold_price_sek"] * 0.9 * generous)

    found = Hedonics(asked).features(homes)

    residual = found["agency_asking_log_residual"].groupby(homes["agency"]).mean()
    above = found["asking_log_premium"].iloc[0] + residual
    # Within the shrinkage towards what all agencies do.
    assert above["Mäklarna"] == pytest.approx(-np.log(0.72), abs=0.05)
    assert above["Bostäder AB"] == pytest.approx(-np.log(0.9), abs=0.05)


def test_two_runs_give_the_same_bytes(
    sales: pd.DataFrame, hedonics: Hedonics, homes: pd.DataFrame
) -> None:
    again = Hedonics(sales.sample(frac=1, random_state=3))

    assert same_bytes(again.features(homes), hedonics.features(homes))


@pytest.fixture
def kept(tmp_path: Path, sales: pd.DataFrame) -> KeptArrays:
    """What an earlier process kept of the sales."""
    found = KeptArrays(tmp_path)
    Hedonics(sales, found).features_of_sales()
    return found


def test_more_months_than_are_held_leave_those_that_are_held(
    sales: pd.DataFrame, homes: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = sorted(homes["sold_date"].unique())
    at_once = Hedonics(sales)
    monkeypatch.setattr(module, "MOST_MARKETS", 4)
    monkeypatch.setattr(module, "HELD_SALES", 0)
    monkeypatch.setattr(module, "MARKETS_IN_PASSING", 2)
    in_passing = Hedonics(sales)
    newest = homes[homes["sold_date"] == days[-1]]
    in_passing.features(newest)
    held = set(in_passing._markets)
    found = in_passing.features(homes)
    assert set(in_passing._markets) == held
    pd.testing.assert_frame_equal(found, at_once.features(homes))


def test_what_was_kept_is_what_would_be_found(
    sales: pd.DataFrame,
    hedonics: Hedonics,
    kept: KeptArrays,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    expected = hedonics.features_of_sales()
    monkeypatch.setattr(module, "fit_effects", refuse)
    monkeypatch.setattr(module.Market, "features", refuse)

    found = Hedonics(sales, kept).features_of_sales()

    assert same_bytes(found, expected)


def test_a_damaged_file_is_made_again(
    sales: pd.DataFrame, hedonics: Hedonics, kept: KeptArrays, tmp_path: Path
) -> None:
    files = sorted(tmp_path.iterdir())
    for number, path in enumerate(files):
        path.write_bytes(path.read_bytes()[: 100 * (number % 2)])

    found = Hedonics(sales, kept).features_of_sales()

    assert same_bytes(found, hedonics.features_of_sales())
    assert sorted(tmp_path.iterdir()) == files


def test_a_price_that_was_set_right_makes_its_months_again_and_no_earlier(
    sales: pd.DataFrame, kept: KeptArrays, tmp_path: Path
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    is_late = sales["sold_date"] >= "2016-06-10"
    changed = repriced(sales, sales["sold_price_sek"].mask(is_late, 2_000_000))

    found = Hedonics(changed, kept).features_of_sales()

    assert same_bytes(found, Hedonics(changed).features_of_sales())
    after = {path.name for path in tmp_path.iterdir()}
    assert len(after) == len(before)
    made = {name.rsplit("-", 1)[0] for name in after - before}
    assert made == {"features-2016-06", "lately-2016-06"}


def test_a_folder_that_cannot_be_written_costs_time_alone(
    sales: pd.DataFrame, hedonics: Hedonics, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")

    found = Hedonics(sales, KeptArrays(in_the_way / "kept")).features_of_sales()

    assert same_bytes(found, hedonics.features_of_sales())


def test_sales_without_an_index_are_left_out(sales: pd.DataFrame) -> None:
    index = sales["price_index_sek_per_m2"].mask(sales["sold_date"] < "2015-06-01")
    known = sales[index.notna()]

    found = Hedonics(sales.assign(price_index_sek_per_m2=index)).features_of_sales()

    assert same_bytes(found, Hedonics(known).features_of_sales())


def test_no_sales_have_no_features(sales: pd.DataFrame) -> None:
    assert Hedonics(sales.head(0)).features_of_sales().shape == (
        0,
        len(HEDONIC_FEATURES),
    )


def test_a_masked_sale_knows_nothing_of_its_square(
    sales: pd.DataFrame, hedonics: Hedonics
) -> None:
    first_day = int(month_start(days_of(pd.Series([DAY])))[0])
    past = hedonics.past[: hedonics.end(first_day)]
    is_hidden = np.zeros(len(sales), dtype=bool)
    is_hidden[: len(past)] = _draw(past, first_day) == NEVER_SEEN
    assert 0 < is_hidden.sum() < len(past) / 2
    factor = np.where(is_hidden, 3, 1)
    poisoned = repriced(hedonics.sales, hedonics.sales["sold_price_sek"] * factor)
    asked = past.sale_id[is_hidden[: len(past)] & (past.day >= first_day)]

    found = masked_features_of_sales(Hedonics(poisoned)).loc[asked]

    clean = masked_features_of_sales(hedonics).loc[asked]
    # What was lately unforeseen of other squares' sales was foretold knowing these.
    others = [name for name in MASKED_FEATURES if name != "masked_lately_log_residual"]
    assert same_bytes(found[others], clean[others])
    assert found.notna().all(axis=None)


def test_a_masked_sale_knows_nothing_lately_unforeseen_of_its_square(
    hedonics: Hedonics,
) -> None:
    first_day = int(month_start(days_of(pd.Series([DAY])))[0])
    recent = hedonics.recent(first_day)
    is_hidden = _draw(hedonics.past[recent], first_day) == NEVER_SEEN
    homes = hedonics.past.homes[hedonics.month(first_day)]

    found = _lately_but(is_hidden, hedonics, first_day).before(homes.points)

    unforeseen = np.where(is_hidden, 9.0, hedonics.unforeseen(recent))
    assert (
        found != hedonics.lately_of(first_day, unforeseen).before(homes.points)
    ).any()
    unforeseen[is_hidden] = np.nan
    expected = hedonics.lately_of(first_day, unforeseen).before(homes.points)
    assert found.tolist() == expected.tolist()


def test_what_was_lately_unforeseen_is_a_mean_of_earlier_sales_that_fades() -> None:
    settled, newest, home = points(20, 1000, 1), points(10, 1055, 2), points(1, 1050, 3)
    unforeseen = np.random.default_rng(4).normal(0, 0.08, 30)
    unforeseen[3] = np.nan

    found = Lately(settled, newest, unforeseen).before(home)

    weight, total, city = 5.0, 0.0, city_mean(settled, newest, unforeseen, home)
    for each, value in zip([*_each(settled), *_each(newest)], unforeseen, strict=True):
        if np.isfinite(value) and each.day < home.day[0]:
            apart_m = np.hypot(
                each.east_m - home.east_m[0], each.north_m - home.north_m[0]
            )
            log_size = (each.log_area - home.log_area[0]) / 0.28
            days = home.day[0] - each.day
            share = np.exp(-apart_m / 1440 - days * np.log(2) / 60 - log_size**2)
            weight, total = weight + share, total + share * (value - city)
    assert found.item() == pytest.approx(total / weight)
    assert found.item() != 0


def test_where_nothing_was_sold_lately_nothing_was_unforeseen() -> None:
    none, home = points(0, 1000, 1), points(1, 1050, 3)

    assert Lately(none, none, np.zeros(0)).before(home).tolist() == [0.0]


def city_mean(
    settled: Points, newest: Points, unforeseen: np.ndarray, home: Points
) -> float:
    days = home.day[0] - np.concatenate([settled.day, newest.day])
    weight = 0.5 ** (days / 60) * (np.isfinite(unforeseen) & (days > 0))
    return (weight * np.nan_to_num(unforeseen)).sum() / (weight.sum() + 5)


def _each(many: Points) -> list[Points]:
    return [many[row] for row in range(len(many))]


def test_masked_sales_are_described_as_strangers(
    sales: pd.DataFrame, hedonics: Hedonics
) -> None:
    found = masked_features_of_sales(hedonics)

    own = hedonics.features_of_sales().loc[found.index, "neighbours_certainty"]
    assert tuple(found) == MASKED_FEATURES
    assert 0.1 < len(found) / len(sales) < 0.4
    assert found["masked_neighbours_certainty"].median() < own.median() * 0.7


def test_masked_sales_are_learnt_from_beside_the_others(
    sales: pd.DataFrame, hedonics: Hedonics
) -> None:
    known = described_sales(sales, hedonics)

    examples = with_masked_examples(known)

    added = examples.iloc[len(sales) :]
    again = known[known["masked_market_log_level"].notna()]
    assert 0 < len(added) == len(again)
    assert added["sale_id"].tolist() == again["sale_id"].tolist()
    assert added["sold_price_sek"].tolist() == again["sold_price_sek"].tolist()
    for name in HEDONIC_FEATURES:
        assert added[name].tolist() == again[f"masked_{name}"].tolist()
    plain = described(sales, hedonics)
    assert with_masked_examples(plain) is plain


def test_sales_before_there_were_hedonic_features_teach_nothing(
    sales: pd.DataFrame, hedonics: Hedonics
) -> None:
    known = described_sales(sales, hedonics)
    is_described = known["hedonic_log_premium"].notna()
    assert 0 < is_described.sum() < len(known)

    examples = examples_of(known)

    assert examples["hedonic_log_premium"].notna().all()
    assert set(examples["sale_id"]) == set(known["sale_id"][is_described])
    few = known[~is_described]
    assert examples_of(few)["sale_id"].tolist() == few["sale_id"].tolist()


def test_effects_solve_the_normal_equations() -> None:
    rng = np.random.default_rng(8)
    keys = np.column_stack([rng.integers(0, 3, 60) * 7, rng.integers(0, 4, 60) - 2])
    period, weight = rng.integers(0, 2, 60), rng.uniform(0.2, 1, 60)
    log_price, shrinkage = rng.normal(0, 0.2, 60), [2.0, 5.0, 3.0]

    effects = fit_effects(keys, period, log_price, weight, shrinkage)

    design, penalty = [], []
    for column, each in zip([*keys.T, period], shrinkage, strict=True):
        classes = np.unique(column)
        design.append((column[:, None] == classes).astype(float))
        penalty += [each] * len(classes)
    indicators = np.concatenate(design, axis=1)
    normal = indicators.T @ (weight[:, None] * indicators) + np.diag(penalty)
    direct = np.linalg.solve(normal, indicators.T @ (weight * log_price))
    assert np.concatenate(effects.values) == pytest.approx(direct[:-2], abs=1e-4)
    assert effects.classes[0].tolist() == [0, 7, 14]
    unseen = effects.of(np.array([[3, -2]]))
    assert unseen[0].tolist() == [0, effects.values[1][0]]


def points(count: int, day: int, seed: int) -> Points:
    rng = np.random.default_rng(seed)
    return Points(
        east_m=rng.uniform(0, 400, count),
        north_m=rng.uniform(0, 400, count),
        day=np.sort(day - rng.integers(0, 20, count)),
        log_area=rng.normal(4, 0.3, count),
        year=np.where(rng.uniform(size=count) < 0.3, np.nan, 1930.0),
        log_fee=rng.normal(3.9, 0.2, count),
    )


def test_neighbours_weigh_what_kriging_gives_them() -> None:
    settled, newest, home = points(20, 1000, 1), points(10, 1030, 2), points(1, 1050, 3)

    near = Pool(settled, newest).neighbours(home)

    known = Pool(settled, newest).points
    among = covariance(known[np.s_[:, None]], known[np.s_[None, :]])
    np.fill_diagonal(among, SHARED_VARIANCE + OWN_VARIANCE)
    to_home = covariance(known, home)
    direct = np.linalg.solve(among, to_home).clip(0)
    found = np.zeros(30)
    found[near.rows[0][near.rows[0] >= 0]] = near.weight[0][near.rows[0] >= 0]
    assert found == pytest.approx(direct)
    assert near.certainty[0] == pytest.approx(direct @ to_home / SHARED_VARIANCE)
    assert 0 < near.certainty[0] < 1


def test_the_nearest_in_steps_are_chosen_and_none_from_the_day_on() -> None:
    settled, newest, home = points(80, 1000, 1), points(70, 1050, 2), points(1, 1045, 3)
    pool = Pool(settled, newest)

    chosen = pool.neighbours(home).rows[0]

    apart = pool.points.steps(ALIKE) - home.steps(ALIKE)
    steps = np.linalg.norm(apart, axis=1)
    steps[pool.points.day >= home.day[0]] = np.inf
    assert sorted(chosen) == sorted(np.argsort(steps)[:50])


def test_group_means_fade_are_shrunk_and_know_only_earlier_days() -> None:
    rng = np.random.default_rng(9)
    days = np.sort(rng.integers(0, 300, 80))
    keys = rng.choice([NO_GROUP, 5, 9], 80)
    values = np.where(rng.uniform(size=80) < 0.2, np.nan, rng.normal(size=80))
    means = GroupMeans(keys, days, values, half_life_days=60, shrinkage_sales=4)
    asked_keys, asked_days = np.array([5, 9, 9, 7, NO_GROUP]), np.array([250] * 5)
    asked_days[1] = 100

    found = means.before(asked_keys, asked_days)

    for key, day, mean in zip(asked_keys, asked_days, found, strict=True):
        told = (keys == key) & (days < day) & np.isfinite(values) & (key != NO_GROUP)
        weight = 0.5 ** ((day - days[told]) / 60)
        expected = (weight * values[told]).sum() / (weight.sum() + 4)
        assert mean == pytest.approx(expected)


def test_classes_are_the_same_numbers_in_any_frame(sales: pd.DataFrame) -> None:
    whole = class_keys(sales)

    alone = class_keys(sales.iloc[[7]])

    assert whole.shape == (len(sales), len(TERMS))
    assert whole.dtype == np.int64
    assert np.array_equal(alone[0], whole[7])
    assert {term.part for term in TERMS} == set(PARTS)


def test_imputed_floors_fees_and_guessed_years_are_unknown_classes(
    sales: pd.DataFrame,
) -> None:
    guessed = sales.head(20).assign(
        is_floor_imputed=True,
        is_fee_sek_per_month_imputed=True,
        construction_year_source="district",
    )

    keys = pd.DataFrame(class_keys(guessed), columns=[term.name for term in TERMS])

    for name in ("floor", "fee", "decade"):
        assert keys[name].nunique() == 1


def test_months_begin_and_end_on_their_days() -> None:
    days = days_of(pd.Series(pd.to_datetime(["2016-02-29", "2016-03-01"])))

    first = month_start(days)

    assert [f"{date_of(day):%Y-%m-%d}" for day in first] == ["2016-02-01", "2016-03-01"]
    assert next_month_start(first[0]) == first[1]
