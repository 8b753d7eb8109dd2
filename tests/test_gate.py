"""A new version serves when it has proved better, and a worse one never does."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from made_up_sales import (
    DISTRICT_LEVEL,
    DISTRICTS,
    SMALL,
    described_made_up_sales,
    made_up_sales,
    repriced,
    write_marts,
)

from ml.champions import Champions, ChampionsError
from ml.decision_log import GATE
from ml.registry import RegistryError
from ml.valuation import hyperparameters
from ml.valuation.gate import Decision, decided
from ml.valuation.gate_rules import (
    CHALLENGER,
    CHAMPION,
    COMPARABLES,
    SEED_RECIPE,
    Answers,
    judged,
)
from ml.valuation.registration import lineage_of, served_names
from ml.valuation.training import HELD_OUT, train
from warehouse.errors import SlutprisError
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNT = 400
RULES = {
    "enough_sales",
    "answers_enough",
    "beats_champion",
    "beats_indexed_comparables",
    "beats_seed_recipe",
    "coverage",
    "cod",
    "prd",
    "prb",
    "bias",
    "no_slice_worse",
    "files_agree_with_what_was_judged",
    "files_are_as_good_as_what_was_judged",
}


def alternating(error_pct: float) -> np.ndarray:
    """Factors that are off by so much, upwards and downwards in turn."""
    return 1 + error_pct / 100 * np.tile([1, -1], COUNT // 2)


def good_answers() -> Answers:
    """What a version that meets every rule says, of four districts in turn."""
    rng = np.random.default_rng(1)
    price_sek = pd.Series(
        rng.uniform(2e6, 6e6, COUNT), index=[f"booli:{n}" for n in range(COUNT)]
    )
    number = np.arange(COUNT)
    is_covered = number % 10 != 0
    sales = pd.DataFrame(
        {
            "sold_date": pd.Timestamp(2026, 5, 1),
            "sold_price_sek": price_sek,
            "district": np.array(DISTRICTS)[number // 2 % 4],
            "city_district": None,
            "living_area_m2": 30.0 + number % 80,
            "construction_year": 1930.0,
            "comparables_weight": 2.0,
            "confidence_class": None,
            "protocol": "gate",
            "platform": "booli",
            "source_id": number.astype(str),
        }
    )
    errors_pct = {CHALLENGER: 6, CHAMPION: 7, COMPARABLES: 9, SEED_RECIPE: 8}
    return Answers(
        sales,
        pd.DataFrame({k: price_sek * alternating(e) for k, e in errors_pct.items()}),
        low_sek=price_sek * np.where(is_covered, 0.8, 1.1),
        high_sek=price_sek * 1.2,
        own_sek=price_sek * alternating(3),
        asked=price_sek.index,
        missing={},
    )


def saying(answers: Answers, contender: str, factors: Any) -> Answers:
    """Give the same with one contender's values so many times the prices."""
    value_sek = answers.value_sek.assign(
        **{contender: answers.sales["sold_price_sek"] * factors}
    )
    return replace(answers, value_sek=value_sek)


def worse_in_one_district(answers: Answers) -> Answers:
    in_district = answers.sales["district"] == "Farsta"
    factors = np.where(in_district, alternating(9.1), alternating(4))
    return saying(answers, CHALLENGER, factors)


def dear_homes_low(answers: Answers) -> Answers:
    price_sek = answers.sales["sold_price_sek"]
    tilt = (price_sek / price_sek.median()) ** -0.12
    return saying(answers, CHALLENGER, tilt * alternating(1))


def refusing_some(answers: Answers) -> Answers:
    factors = np.where(np.arange(COUNT) % 16 == 0, np.nan, alternating(6))
    return saying(answers, CHALLENGER, factors)


def of_few_sales(answers: Answers) -> Answers:
    asked = answers.asked[:98]
    kept = answers.value_sek[CHALLENGER].where(answers.value_sek.index.isin(asked))
    value_sek = answers.value_sek.assign(**{CHALLENGER: kept})
    return replace(answers, value_sek=value_sek, asked=asked)


def failed(answers: Answers, **settings: Any) -> set[str]:
    rules = judged(answers, Settings().model_copy(update=settings))
    assert {rule.name for rule in rules} == RULES
    assert all(rule.words and rule.limit for rule in rules)
    return {rule.name for rule in rules if not rule.passed}


def test_a_version_inside_every_band_fails_no_rule() -> None:
    assert failed(good_answers()) == set()


@pytest.mark.parametrize(
    ("spoil", "rules"),
    [
        (lambda a: saying(a, CHAMPION, alternating(6)), {"beats_champion"}),
        (
            lambda a: saying(a, COMPARABLES, alternating(5.9)),
            {"beats_indexed_comparables"},
        ),
        (lambda a: saying(a, SEED_RECIPE, alternating(5)), {"beats_seed_recipe"}),
        (lambda a: replace(a, low_sek=a.low_sek * 0.1), {"coverage"}),
        (lambda a: replace(a, low_sek=a.low_sek * np.nan), {"coverage"}),
        (dear_homes_low, {"prb"}),
        (lambda a: saying(a, CHALLENGER, 1.035), {"bias"}),
        (worse_in_one_district, {"no_slice_worse"}),
        (refusing_some, {"answers_enough"}),
        (of_few_sales, {"enough_sales"}),
        (
            lambda a: replace(a, own_sek=a.own_sek.sample(frac=1, random_state=1)
                              .set_axis(a.own_sek.index)),
            {
                "files_agree_with_what_was_judged",
                "files_are_as_good_as_what_was_judged",
            },
        ),
        (
            lambda a: replace(a, own_sek=a.sales["sold_price_sek"] * alternating(7.1)),
            {"files_are_as_good_as_what_was_judged"},
        ),
        (
            lambda a: replace(a, own_sek=a.own_sek * np.nan),
            {
                "files_agree_with_what_was_judged",
                "files_are_as_good_as_what_was_judged",
            },
        ),
    ],
)  # fmt: skip
def test_each_fault_fails_its_own_rule(
    spoil: Callable[[Answers], Answers], rules: set[str]
) -> None:
    assert failed(spoil(good_answers())) == rules


def test_limits_are_settings() -> None:
    assert failed(good_answers(), gate_cod_high=5) == {"cod"}
    assert failed(good_answers(), gate_cod_low=7) == {"cod"}
    answers = saying(good_answers(), CHALLENGER, alternating(6) * 1.035)
    assert failed(answers) == {"bias"}
    assert failed(answers, gate_bias_pct=4.0) == set()
    tilted = dear_homes_low(good_answers())
    assert failed(tilted, gate_prd_high=1.005) == {"prd", "prb"}
    assert failed(tilted, gate_prb=0.2) == set()
    assert failed(worse_in_one_district(good_answers()), gate_slice_margin_pct=3) == (
        set()
    )


def test_without_a_champion_there_is_no_rival() -> None:
    answers = good_answers()
    alone = replace(
        answers,
        value_sek=answers.value_sek.drop(columns=CHAMPION),
        missing={CHAMPION: "no version has served before"},
    )
    by_name = {rule.name: rule for rule in judged(alone, Settings())}
    assert all(rule.passed for rule in by_name.values())
    assert by_name["beats_champion"].words == "no version has served before"


@dataclass
class Trained:
    """A model's files, ready to be registered, and what they were learnt from."""

    folder: Path
    lineage: dict[str, Any]

    def register(self, champions: Champions, name: str = "xgboost") -> int:
        registered = champions.registry.register(
            name,
            self.folder,
            metrics={"mape_pct": 7.0},
            lineage=self.lineage,
            input_schema={},
            input_example={},
        )
        return registered.version.version


def market(rows: int = 1600) -> pd.DataFrame:
    """The made-up sales, with comparables that know district and size, roughly."""
    sales = made_up_sales(rows)
    level = sales["district"].map(dict(zip(DISTRICTS, DISTRICT_LEVEL, strict=True)))
    noise = np.random.default_rng(2).normal(0, 0.1, rows)
    known = np.log(level.astype(float) * (1.45 - sales["living_area_m2"] / 250))
    return sales.assign(
        quality_log_premium=known + noise,
        comparables_log_residual=0.0,
        comparables_weight=3.0,
        comparables_distance_m=50.0,
        street_sale_count=20.0,
        building_sale_count=3.0,
    )


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    described = described_made_up_sales(1600)
    return described.assign(
        **market()[described.columns.intersection(market().columns)]
    )


@pytest.fixture(scope="module")
def models(
    sales: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Trained]:
    """A good model, a weak one, one of shuffled prices, and spoilt files."""
    folder = tmp_path_factory.mktemp("models")
    weak = {**SMALL, "xgboost": {**SMALL["xgboost"], "num_boost_round": 15}}
    shuffled = repriced(
        sales,
        sales["sold_price_sek"].sample(frac=1, random_state=1).set_axis(sales.index),
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = {
            "good": saved("xgboost", sales, SMALL, folder / "good", monkeypatch),
            "weak": saved("xgboost_plain", sales, weak, folder / "weak", monkeypatch),
            "shuffled": saved("xgboost", shuffled, SMALL, folder / "shuffled",
                              monkeypatch),
            "mark": saved("district_median", sales, SMALL, folder / "mark",
                          monkeypatch),
        }  # fmt: skip
    spoilt = folder / "spoilt"
    shutil.copytree(made["shuffled"].folder, spoilt)
    shutil.copyfile(made["good"].folder / HELD_OUT, spoilt / HELD_OUT)
    unproven = folder / "unproven"
    shutil.copytree(made["good"].folder, unproven)
    (unproven / HELD_OUT).unlink()
    lineage = made["good"].lineage
    return made | {
        "spoilt": Trained(spoilt, lineage),
        "unproven": Trained(unproven, lineage),
    }


def saved(
    name: str,
    sales: pd.DataFrame,
    parameters: dict[str, Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Trained:
    path = folder.with_suffix(".json")
    path.write_text(json.dumps(parameters), encoding="utf-8")
    monkeypatch.setattr(hyperparameters, "PATH", path)
    settings = Settings(SLUTPRIS_THREADS=1)
    trained = train(name, sales, settings, plots_dir=folder / "plots")
    trained.model.save(folder / "model")
    trained.held_out.to_parquet(folder / "model" / HELD_OUT, index=False)
    return Trained(folder / "model", lineage_of(name, sales, settings))


@pytest.fixture
def settings(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The usual ones, but for ranges calibrated on next to nothing, which are wide."""
    monkeypatch.setenv("SLUTPRIS_GATE_COVERAGE_HIGH_PCT", "99")
    return Settings()


@pytest.fixture
def champions(settings: Settings, models: dict[str, Trained]) -> Champions:
    """A registry with nothing but the mark that stands for the seed's recipe."""
    champions = Champions.of(settings)
    models["mark"].register(champions, "seed_recipe")
    return champions


@pytest.fixture
def judge(
    champions: Champions,
    models: dict[str, Trained],
    sales: pd.DataFrame,
    settings: Settings,
) -> Callable[[str], Decision]:
    """Register a model by its kind, and have it judged."""

    def registered_and_judged(kind: str) -> Decision:
        models[kind].register(champions)
        return decided("xgboost", champions, sales, settings)

    return registered_and_judged


def not_met(decision: Decision) -> set[str]:
    return {rule.name for rule in decision.judgement.failed}


def test_the_first_good_version_and_then_a_better_one_are_promoted(
    judge: Callable[[str], Decision], champions: Champions
) -> None:
    first, better = judge("weak"), judge("good")

    assert (first.verdict, better.verdict) == ("promoted", "promoted")
    assert champions.served("xgboost").version.version == 2
    assert better.judgement.mape_pct[CHALLENGER] < better.judgement.mape_pct[CHAMPION]
    assert "version 2 serves from now on. It met every rule: on 1" in better.sentence
    entry = champions.history("xgboost").entries[-1]
    assert (entry.by, entry.from_version, entry.to_version) == (GATE, 1, 2)
    assert entry.figures["sales"] == better.judgement.sale_count


def test_a_worse_version_is_refused_and_the_champion_goes_on(
    judge: Callable[[str], Decision], champions: Champions
) -> None:
    judge("good")
    worse = judge("weak")
    assert (worse.verdict, worse.serves) == ("refused", 1)
    assert "beats_champion" in not_met(worse)
    assert "version 2 was refused; version 1 goes on serving. Not met" in (
        worse.sentence
    )
    assert champions.served("xgboost").version.version == 1


def test_a_version_of_shuffled_prices_is_refused(
    judge: Callable[[str], Decision], champions: Champions
) -> None:
    judge("good")
    shuffled = judge("shuffled")
    assert (shuffled.verdict, shuffled.serves) == ("refused", 1)
    assert "answers_enough" in not_met(shuffled)
    assert "it valued 0 and refused the others (mostly: too uncertain)" in (
        shuffled.sentence
    )
    assert champions.served("xgboost").version.version == 1


def test_a_version_whose_files_are_not_what_was_judged_is_refused(
    judge: Callable[[str], Decision],
) -> None:
    judge("weak")
    spoilt = judge("spoilt")
    assert (spoilt.verdict, spoilt.serves) == ("refused", 1)
    assert not_met(spoilt) == {
        "files_agree_with_what_was_judged",
        "files_are_as_good_as_what_was_judged",
    }
    assert "what its recipe said when it was judged" in spoilt.sentence


def test_a_version_that_kept_no_proof_is_served_but_cannot_be_promoted(
    judge: Callable[[str], Decision], champions: Champions
) -> None:
    unproven = judge("unproven")
    assert (unproven.verdict, unproven.serves) == ("refused", 1)
    assert "cannot be judged; train it again" in unproven.sentence
    good = judge("good")
    assert good.verdict == "promoted"
    rules = {rule.name: rule for rule in good.judgement.rules}
    assert "cannot be held against" in rules["beats_champion"].words
    assert champions.served("xgboost").version.version == 2


def test_a_damaged_champion_is_no_rival(
    judge: Callable[[str], Decision], champions: Champions
) -> None:
    judge("good")
    folder = champions.registry.folder("xgboost", 1)
    (folder / "model" / "model.json").write_text("{}", encoding="utf-8")
    weak = judge("weak")
    assert (weak.verdict, weak.serves) == ("promoted", 2)
    rules = {rule.name: rule for rule in weak.judgement.rules}
    assert "version 1 is not what was registered" in rules["beats_champion"].words


def test_where_the_champion_is_damaged_the_one_before_goes_on(
    judge: Callable[[str], Decision], champions: Champions
) -> None:
    judge("weak")
    judge("good")
    folder = champions.registry.folder("xgboost", 2)
    (folder / "model" / "model.json").write_text("{}", encoding="utf-8")
    shuffled = judge("shuffled")
    assert (shuffled.verdict, shuffled.serves) == ("refused", 1)
    assert "version 3 was refused; version 1 goes on serving" in shuffled.sentence
    assert champions.verified("xgboost").version.version == 1


def test_judging_again_decides_the_same_and_logs_nothing(
    judge: Callable[[str], Decision],
    champions: Champions,
    sales: pd.DataFrame,
    settings: Settings,
) -> None:
    judge("good")
    again = decided("xgboost", champions, sales, settings)
    assert (again.verdict, again.is_fine) == ("serves_already", True)
    refused = judge("weak")
    before = champions.path("xgboost").read_bytes()
    assert decided("xgboost", champions, sales, settings) == refused
    assert champions.path("xgboost").read_bytes() == before


def test_what_a_person_rolled_back_is_not_promoted_again(
    judge: Callable[[str], Decision],
    champions: Champions,
    sales: pd.DataFrame,
    settings: Settings,
) -> None:
    judge("weak")
    judge("good")
    champions.roll_back("xgboost", by="Ada", reason="odd in Farsta")

    again = decided("xgboost", champions, sales, settings)

    assert (again.verdict, again.serves) == ("refused", 1)
    assert not_met(again) == {"no_person_passed_it_over"}
    assert "Ada chose version 1" in again.sentence
    assert "odd in Farsta" in again.sentence


def test_a_champion_is_asked_of_sales_that_came_after_it(
    champions: Champions,
    models: dict[str, Trained],
    sales: pd.DataFrame,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut = sales["sold_date"].max() - pd.Timedelta(days=20)
    older = saved(
        "xgboost", sales[sales["sold_date"] <= cut], SMALL, tmp_path / "m", monkeypatch
    )
    older.register(champions)
    decided("xgboost", champions, sales, settings)
    models["good"].register(champions)

    decision = decided("xgboost", champions, sales, settings)

    assert decision.judgement.until == f"{sales['sold_date'].max():%Y-%m-%d}"
    assert decision.judgement.sale_count > 100


@pytest.fixture
def assets(
    settings: Settings, models: dict[str, Trained], champions: Champions
) -> Callable[..., dg.ExecuteInProcessResult]:
    """Materialize the champion of a registered good model over marts in a file."""
    with connect(settings.warehouse_path) as connection:
        write_marts(connection, market())
    models["good"].register(champions)
    from dagster_assets.defs.gate import xgboost_champion

    return lambda: dg.materialize([xgboost_champion])


def test_the_check_shows_every_rule_with_its_figures(
    assets: Callable[..., dg.ExecuteInProcessResult],
    champions: Champions,
    models: dict[str, Trained],
) -> None:
    first = assets()
    models["weak"].register(champions)
    second = assets()

    assert first.success
    assert second.success
    passed = first.get_asset_check_evaluations()[0]
    refused = second.get_asset_check_evaluations()[0]
    assert (passed.passed, refused.passed) == (True, False)
    assert refused.severity == dg.AssetCheckSeverity.WARN
    assert "version 1 goes on serving" in str(refused.description)
    table = refused.metadata["rules"]
    assert isinstance(table, dg.TableMetadataValue)
    assert {str(r.data["rule"]).replace(" ", "_") for r in table.records} >= RULES
    assert table.records[0].data["verdict"] == "NOT MET"
    metadata = second.asset_materializations_for_node("champions__xgboost")[0].metadata
    assert metadata["serves_version"].value == 1
    assert metadata["newest_version"].value == 2
    assert metadata["challenger_mape_pct"].value > metadata["champion_mape_pct"].value


def test_a_person_promotes_and_rolls_back_from_the_launchpad(
    champions: Champions, models: dict[str, Trained]
) -> None:
    from dagster_assets.defs.gate import promote_model, roll_back_model

    for kind in ("good", "weak"):
        models[kind].register(champions)
    said = {"name": "xgboost", "reason": "the street is new", "by": "Ada"}
    promote_model.execute_in_process(
        {"ops": {"promote": {"config": {**said, "version": 1}}}}
    )
    promote_model.execute_in_process({"ops": {"promote": {"config": said}}})
    assert champions.served("xgboost").version.version == 2
    result = roll_back_model.execute_in_process(
        {"ops": {"roll_back": {"config": said}}}
    )
    assert result.success
    assert champions.served("xgboost").version.version == 1
    assert [entry.by for entry in champions.history("xgboost").entries] == ["Ada"] * 3


def test_the_launchpad_says_what_is_wrong(
    champions: Champions, models: dict[str, Trained]
) -> None:
    from dagster_assets.defs.gate import Served, promote_model

    models["good"].register(champions)
    said = {"name": "xgboost", "reason": "x", "by": "Ada"}

    def launch(**changes: Any) -> None:
        config = {k: v for k, v in (said | changes).items() if v is not None}
        promote_model.execute_in_process({"ops": {"promote": {"config": config}}})

    with pytest.raises(dg.DagsterInvalidConfigError, match="name not in enum type"):
        launch(name="xgbost")
    with pytest.raises(dg.DagsterInvalidConfigError, match=r'Missing.*"by"'):
        launch(by=None)
    with pytest.raises(ChampionsError, match="a reason"):
        launch(reason=" ")
    with pytest.raises(SlutprisError, match="nobody's name"):
        launch(by="gate")
    with pytest.raises(RegistryError, match="no version 9; it has 1"):
        launch(version=9)
    assert [each.value for each in Served] == served_names()
