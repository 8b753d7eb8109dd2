from __future__ import annotations

import datetime as dt
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from made_up_sales import SMALL, described_made_up_sales, without_labels

from ml.valuation.boosted_model import BlendModel, BoostedModel, PlainXGBoostModel
from ml.valuation.explain import Explanation, Reference, explained
from ml.valuation.features import (
    FEATURES,
    LISTED_FEATURES,
    MARKET_LEVEL,
    PLAIN_FEATURES,
    FeatureEncoding,
)
from ml.valuation.log_contributions import (
    BASE,
    by_group,
    feature_log_contributions,
    group_log_contributions,
    typical_home,
)
from ml.valuation.models import XGBoostModel
from ml.valuation.reason_groups import (
    FEATURE_NAMES,
    GROUPS,
    RECALIBRATION,
    fact_text,
    feature_label,
    group_of,
    group_text,
)
from warehouse.errors import SlutprisError

NEWEST = pd.Timestamp(2016, 4, 1)
NBSP = "\u00a0"


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return described_made_up_sales()


@pytest.fixture(scope="module")
def past(sales: pd.DataFrame) -> pd.DataFrame:
    return sales[sales["sold_date"] < NEWEST]


@pytest.fixture(scope="module")
def homes(sales: pd.DataFrame) -> pd.DataFrame:
    return without_labels(sales[sales["sold_date"] >= NEWEST]).head(40)


@pytest.fixture(scope="module")
def model(past: pd.DataFrame) -> XGBoostModel:
    return XGBoostModel(parameters=SMALL).fit(past)


@pytest.fixture(scope="module")
def plain(past: pd.DataFrame) -> PlainXGBoostModel:
    return PlainXGBoostModel(parameters=SMALL).fit(past)


@pytest.fixture(scope="module")
def blend(past: pd.DataFrame) -> BlendModel:
    return BlendModel(parameters=SMALL).fit(past)


@pytest.fixture(params=["model", "plain", "blend"])
def each_model(request: pytest.FixtureRequest) -> BoostedModel:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def reference(past: pd.DataFrame) -> Reference:
    return Reference.of_sales(past, 60_000.0, dt.date(2015, 1, 15))


@pytest.fixture(scope="module")
def explanations(
    model: XGBoostModel, homes: pd.DataFrame, reference: Reference
) -> list[Explanation]:
    logs = feature_log_contributions(model, homes)
    return explained(logs, homes, np.round(model.predict(homes)), reference)


def usual_row(model: BoostedModel, past: pd.DataFrame) -> np.ndarray:
    usual_home = typical_home(past, model.encoding)
    return model.encoding.matrix(usual_home).to_numpy()[0]


def sek_of(explanation: Explanation) -> dict[str, int]:
    return {each.group: each.value_sek for each in explanation.contributions}


def test_every_feature_has_a_group_and_a_name_of_its_own() -> None:
    for feature in (*FEATURES, *PLAIN_FEATURES, *LISTED_FEATURES):
        assert group_of(feature) in GROUPS
        assert feature_label(feature, "sv")
        assert feature_label(feature, "en")


def test_a_feature_without_a_group_is_refused_and_does_not_vanish(
    homes: pd.DataFrame, reference: Reference
) -> None:
    logs = pd.DataFrame({"moon_phase": [0.0], "living_area_m2": [0.0], BASE: [0.0]})
    usual = homes.head(1).assign(
        living_area_m2=reference.living_area_m2, price_index_sek_per_m2=60_000.0
    )
    with pytest.raises(SlutprisError, match="'moon_phase' has no group"):
        explained(logs, usual, [round(60_000 * reference.living_area_m2)], reference)


def test_contributions_and_parts_add_up_to_the_value(
    each_model: BoostedModel, homes: pd.DataFrame, reference: Reference
) -> None:
    values = np.round(each_model.predict(homes))
    logs = feature_log_contributions(each_model, homes)
    explanations = explained(logs, homes, values, reference)
    for explanation, value_sek in zip(explanations, values, strict=True):
        groups = explanation.contributions
        assert explanation.value_sek == value_sek
        assert explanation.base_sek + sum(each.value_sek for each in groups) == (
            value_sek
        )
        for group in groups:
            parts_sek = [part.value_sek for part in group.parts]
            assert not parts_sek or sum(parts_sek) == group.value_sek
        assert sum(group.share_pct for group in groups) == pytest.approx(100, abs=0.5)


def test_contributions_come_largest_first(explanations: list[Explanation]) -> None:
    for explanation in explanations:
        sizes = [abs(each.value_sek) for each in explanation.contributions]
        assert sizes == sorted(sizes, reverse=True)


def test_size_carries_the_step_from_the_usual_area(
    homes: pd.DataFrame, explanations: list[Explanation], reference: Reference
) -> None:
    steps = homes["living_area_m2"].to_numpy() / reference.living_area_m2
    of_size = [sek_of(explanation)["size"] for explanation in explanations]
    far = np.abs(np.log(steps)) > 0.3
    assert far.sum() > 5
    assert (np.sign(of_size)[far] == np.sign(np.log(steps))[far]).all()


def test_market_is_what_index_level_and_drift_have_done_since_the_reference(
    homes: pd.DataFrame,
    explanations: list[Explanation],
    model: XGBoostModel,
    reference: Reference,
) -> None:
    index = homes["price_index_sek_per_m2"].to_numpy()
    drift = model.log_contributions(homes)["size_log_drift"].to_numpy()
    level = homes[MARKET_LEVEL].to_numpy() - reference.market_log_level
    shift = np.exp(model.recalibration.log_shift + level + drift)
    assert level.any()
    market = [
        next(each for each in explanation.contributions if each.group == "market")
        for explanation in explanations
    ]
    effects = [each.effect_pct for each in market]
    assert effects == pytest.approx(100 * (index / 60_000 * shift - 1), abs=0.06)
    assert market[0].text == (
        "Prisindex +15,0 % sedan 2015-01-15; "
        "dessutom de senaste veckornas försäljningar"
    )


def test_a_home_without_a_known_index_is_explained_too(
    model: XGBoostModel, homes: pd.DataFrame, reference: Reference
) -> None:
    unknown = homes.head(2).assign(price_index_sek_per_m2=np.nan)
    values = np.round(model.predict(unknown))
    logs = feature_log_contributions(model, unknown)

    first, second = explained(logs, unknown, values, reference)

    assert first.base_sek + sum(sek_of(first).values()) == values[0]
    assert second.value_sek == values[1]


def test_listed_mode_is_told_by_the_asking_price(
    past: pd.DataFrame, homes: pd.DataFrame, reference: Reference
) -> None:
    model = XGBoostModel(parameters=SMALL, mode="listed").fit(past)
    values = np.round(model.predict(homes))

    listed = explained(
        feature_log_contributions(model, homes), homes, values, reference
    )

    asking = [
        next(each for each in one.contributions if each.group == "asking_price")
        for one in listed
    ]
    assert asking[0].text.startswith("Utgångspris ")
    assert np.mean([each.share_pct for each in asking]) > 3


def test_the_values_of_another_model_are_not_explained(
    model: XGBoostModel, homes: pd.DataFrame, reference: Reference
) -> None:
    logs = feature_log_contributions(model, homes)
    with pytest.raises(SlutprisError, match="the model that made it"):
        explained(logs, homes, model.predict(homes) * 1.01, reference)


def test_contributions_of_features_and_of_groups_add_up_to_the_log_price(
    each_model: BoostedModel, past: pd.DataFrame, homes: pd.DataFrame
) -> None:
    logs = feature_log_contributions(each_model, homes)
    groups = by_group(each_model, homes, usual_row(each_model, past)).frame()

    level = homes["price_index_sek_per_m2"] * homes["living_area_m2"]
    predicted = np.log(each_model.predict(homes) / level)
    assert logs.sum(axis=1).to_numpy() == pytest.approx(predicted, abs=1e-5)
    assert groups.sum(axis=1).to_numpy() == pytest.approx(predicted, abs=1e-5)
    assert (MARKET_LEVEL in logs) == each_model.encoding.is_hedonic
    shift = each_model.recalibration.log_shift
    assert shift != 0
    assert logs[RECALIBRATION].to_numpy() == pytest.approx(shift)


COLUMNS = ["latitude", "longitude", "living_area_m2", "floor", "construction_year"]


def curved(rows: np.ndarray) -> np.ndarray:
    """Made up: place times size, a floor, and nothing of the building."""
    latitude, longitude, area, floor = rows[:, :4].astype(float).T
    return latitude * area + longitude + np.nan_to_num(floor) ** 2


def test_group_contributions_are_means_over_all_orders_of_groups() -> None:
    home, usual = np.array([2.0, 3, 5, 1, 1900]), np.array([1.0, 1, 4, np.nan, 1950])
    groups = {"place": [0, 1], "size": [2], "floor": [3], "building": [4]}

    found = group_log_contributions(curved, home[None, :], usual, COLUMNS).row(0)

    by_hand = dict.fromkeys(groups, 0.0)
    for order in permutations(groups):
        mixed = usual.copy()
        for group in order:
            before = curved(mixed[None, :])[0]
            mixed[groups[group]] = home[groups[group]]
            by_hand[group] += (curved(mixed[None, :])[0] - before) / 24
    assert found.pop(BASE) == curved(usual[None, :])[0]
    assert found == pytest.approx(by_hand)
    assert found["building"] == 0


def test_groups_alike_in_all_homes_cost_no_predictions() -> None:
    predicted_rows = []

    def counted(rows: np.ndarray) -> np.ndarray:
        predicted_rows.append(len(rows))
        return curved(rows)

    usual = np.array([1.0, 1, 4, np.nan, 1950])
    homes = np.array([[1, 1, 5, np.nan, 1950], [2, 1, 4, np.nan, 1950]])

    found = group_log_contributions(counted, homes, usual, COLUMNS)

    assert predicted_rows == [2 * 2**2]
    assert found["size"].tolist() == [1, 0]
    assert found["place"].tolist() == [0, 4]


def test_groups_of_a_real_model_add_up_and_are_explained_without_parts(
    each_model: BoostedModel,
    past: pd.DataFrame,
    homes: pd.DataFrame,
    reference: Reference,
) -> None:
    values = np.round(each_model.predict(homes))

    logs = by_group(each_model, homes, usual_row(each_model, past))
    found = explained(logs, homes, values, reference)

    for one, value_sek in zip(found, values, strict=True):
        assert one.base_sek + sum(sek_of(one).values()) == value_sek
        with_parts = {each.group for each in one.contributions if each.parts}
        assert with_parts == {"market"}


def test_the_typical_home_is_a_sale_of_usual_size_and_price(
    past: pd.DataFrame,
) -> None:
    home = typical_home(past, FeatureEncoding.fitted_on(past))

    assert len(home) == 1
    assert home["living_area_m2"].iloc[0] == pytest.approx(
        past["living_area_m2"].median(), rel=0.15
    )
    levels = past["price_per_m2_sek"] / past["price_index_sek_per_m2"]
    assert levels[home.index[0]] == pytest.approx(levels.median(), rel=0.15)


@pytest.mark.parametrize(
    ("feature", "home", "text"),
    [
        ("living_area_m2", {"living_area_m2": 52.0}, "Boarea 52 m², vanligt 62 m²"),
        ("floor", {"floor": None}, ""),
        ("latitude", {"latitude": 59.3}, ""),
        (
            "construction_year",
            {"construction_year": 1938.0, "is_construction_year_imputed": True},
            "Byggår 1938 (antaget)",
        ),
        (
            "fee_sek_per_month",
            {"fee_sek_per_month": 2310.0, "fee_log_ratio": np.log(0.82)},
            f"Avgift 2{NBSP}310 kr/mån, 18 % under det vanliga",
        ),
        (
            "neighbours_log_residual",
            {"neighbours_log_residual": 0.001},
            "Grannarnas försäljningar som det väntade",
        ),
        (
            "asking_log_premium",
            {"asking_log_premium": np.log(1.05)},
            "Slutpriser på sistone 5 % över begärda",
        ),
        ("metro_distance_m", {"metro_distance_m": 350.0}, "Tunnelbana 350 m"),
        (
            "building_days_since_sale",
            {"building_days_since_sale": 12.0},
            "Senast sålt i huset för 12 dagar sedan",
        ),
    ],
)
def test_facts_are_told_beside_what_is_usual(
    feature: str, home: dict[str, object], text: str
) -> None:
    assert fact_text(feature, home, {"living_area_m2": 62.0}) == text


def test_facts_are_told_in_english_too() -> None:
    home = {"fee_sek_per_month": 2310.0, "fee_log_ratio": 0.1, "rooms": 2.5}
    assert fact_text("fee_sek_per_month", home, {}, "en") == (
        "Fee 2\u00a0310 kr a month, 11% above what is usual"
    )
    assert group_text("size", home, {"rooms": 2.0}, "en") == "Rooms 2.5, usually 2"


def test_a_fact_that_is_as_usual_says_so() -> None:
    home = {"living_area_m2": 62.0, "rooms": 2.0}
    said = group_text("size", home, {"living_area_m2": 62.0, "rooms": 3.0})
    assert said == "Boarea 62 m², som är vanligt; rum 2, vanligt 3"


def test_every_kind_of_fact_can_be_written() -> None:
    home = dict.fromkeys(FEATURE_NAMES, 1.5)
    for feature in FEATURE_NAMES:
        for language in ("sv", "en"):
            assert "\n" not in fact_text(feature, home, home, language)
