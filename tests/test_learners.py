from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from made_up_sales import SMALL

from ml.valuation.features import HEDONIC_SUM
from ml.valuation.learners import (
    ASKED,
    AskingLearner,
    HedonicSum,
    Learner,
    LightGBMLearner,
    NeuralLearner,
    XGBoostLearner,
    training_device,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def xgboost_learner() -> Learner:
    return XGBoostLearner(SMALL["xgboost"], threads=1, device="cpu")


def lightgbm_learner() -> Learner:
    parameters = SMALL["lightgbm"] | {"bagging_fraction": 0.7, "bagging_freq": 1}
    return LightGBMLearner(parameters, threads=1)


def asking_learner() -> Learner:
    return AskingLearner(SMALL["xgboost"], threads=1, device="cpu")


def neural_learner() -> Learner:
    return NeuralLearner(SMALL["neural"], threads=2)


TRAINED = [xgboost_learner, lightgbm_learner, neural_learner, asking_learner]
LEARNERS = [*TRAINED, HedonicSum]


@pytest.fixture(scope="module")
def matrix() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    columns = ["area", *HEDONIC_SUM, *ASKED]
    rows = rng.normal(0, 0.1, (400, len(columns)))
    rows[rng.uniform(size=rows.shape) < 0.1] = np.nan
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def target(matrix: pd.DataFrame) -> np.ndarray:
    noise = np.random.default_rng(6).normal(0, 0.01, len(matrix))
    known = matrix.fillna(0)
    return (2 * known["area"] + known[list(HEDONIC_SUM)].sum(axis=1) + noise).to_numpy()


@pytest.mark.parametrize("make", TRAINED[:3])
def test_learners_learn_what_is_there(
    make: Callable[[], Learner], matrix: pd.DataFrame, target: np.ndarray
) -> None:
    learner = make().fit(matrix.head(300), target[:300])

    error = learner.predict(matrix.tail(100)) - target[300:]
    assert np.abs(error).mean() < 0.45 * np.abs(target[300:]).mean()


@pytest.mark.parametrize("make", LEARNERS)
def test_contributions_add_up_to_each_number(
    make: Callable[[], Learner], matrix: pd.DataFrame, target: np.ndarray
) -> None:
    learner = make().fit(matrix, target)

    found = learner.contributions(matrix)

    assert found.shape == (len(matrix), matrix.shape[1] + 1)
    assert found.sum(axis=1) == pytest.approx(learner.predict(matrix), abs=1e-5)


@pytest.mark.parametrize("make", LEARNERS)
def test_saved_learner_says_the_same(
    make: Callable[[], Learner],
    matrix: pd.DataFrame,
    target: np.ndarray,
    tmp_path: Path,
) -> None:
    learner = make().fit(matrix, target)

    learner.save(tmp_path)

    loaded = make().load(tmp_path)
    assert np.array_equal(loaded.predict(matrix), learner.predict(matrix))
    assert np.array_equal(loaded.contributions(matrix), learner.contributions(matrix))


@pytest.mark.parametrize("make", TRAINED)
def test_the_same_matrix_gives_the_same_bytes(
    make: Callable[[], Learner],
    matrix: pd.DataFrame,
    target: np.ndarray,
    tmp_path: Path,
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        make().fit(matrix, target).save(tmp_path / name)

    files = list((tmp_path / "first").iterdir())
    assert len(files) == 1
    assert files[0].read_bytes() == (tmp_path / "second" / files[0].name).read_bytes()


@pytest.mark.parametrize("make", LEARNERS)
def test_a_row_alone_gets_the_number_it_has_among_others(
    make: Callable[[], Learner], matrix: pd.DataFrame, target: np.ndarray
) -> None:
    learner = make().fit(matrix, target)

    alone = [learner.predict(matrix.iloc[[n]]).item() for n in range(10)]

    assert alone == learner.predict(matrix)[:10].tolist()


def test_the_asking_learner_starts_from_the_asking_price(
    matrix: pd.DataFrame,
) -> None:
    known = matrix.dropna(subset=list(ASKED))
    asked = known[list(ASKED)].sum(axis=1)
    learner = asking_learner().fit(known, asked.to_numpy())

    said = learner.predict(known)

    assert said == pytest.approx(asked, abs=1e-3)
    unasked = learner.predict(known.assign(**dict.fromkeys(ASKED, np.nan)))
    assert unasked == pytest.approx(np.zeros(len(known)), abs=1e-3)


def test_what_is_learnt_stands_beside_the_hedonic_sum(
    matrix: pd.DataFrame,
) -> None:
    known = HedonicSum().predict(matrix)
    for make in (xgboost_learner, neural_learner):
        learner = make().fit(matrix, known + 0.1)

        assert learner.predict(matrix) == pytest.approx(known + 0.1, abs=0.01)


def test_without_neighbours_the_whole_is_learnt(matrix: pd.DataFrame) -> None:
    known = HedonicSum().predict(matrix)
    is_strange = np.arange(len(matrix)) % 2 == 0
    certainty = pd.Series(np.where(is_strange, 0.0, 0.5), index=matrix.index)
    placed = matrix.assign(neighbours_certainty=certainty)
    target = np.where(is_strange, 0.3, known + 0.1)

    learner = xgboost_learner().fit(placed, target)

    assert learner.predict(placed) == pytest.approx(target, abs=0.05)
    assert learner.contributions(placed).sum(axis=1) == pytest.approx(
        learner.predict(placed), abs=1e-5
    )


def test_networks_explain_by_the_columns_they_learnt_from(
    matrix: pd.DataFrame, target: np.ndarray
) -> None:
    known = HedonicSum().predict(matrix)
    learner = neural_learner().fit(matrix, target)

    found = learner.contributions(matrix)[:, 0]

    assert np.corrcoef(found, (target - known))[0, 1] > 0.95


def test_a_column_of_which_nothing_is_known_is_learnt_around(
    matrix: pd.DataFrame, target: np.ndarray
) -> None:
    unknown = matrix.assign(area=np.nan, rooms=1.0)

    learner = neural_learner().fit(unknown, target)

    assert np.isfinite(learner.predict(unknown)).all()
    assert np.isfinite(learner.predict(unknown.assign(area=1.0, rooms=np.nan))).all()


def test_the_hedonic_sum_takes_what_is_unknown_for_nothing(
    matrix: pd.DataFrame,
) -> None:
    said = HedonicSum().predict(matrix)

    assert said == pytest.approx(np.nansum(matrix[list(HEDONIC_SUM)], axis=1))


def test_a_device_that_is_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert training_device("cpu") == "cpu"
    assert training_device("cuda") == "cuda"
    monkeypatch.setattr("ml.valuation.learners.GPU", NoFile())
    assert training_device("auto") == "cpu"


class NoFile:
    """A device file that is not there."""

    def exists(self) -> bool:
        return False
