"""May a new version serve? The rules, over what each contender said of the same sales.

What belongs here: one rule's figure, limit and verdict, in words; nothing here reads a
registry or a warehouse. What does not: gathering the valuations (``gate_evidence``),
and acting on the verdict (``gate``).

Every rule is asked even where one has failed, so that a reader sees all that is amiss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.assessment import ratio_study
from ml.valuation.bootstrap import FEWEST_ANSWERED
from ml.valuation.metrics import evaluate, mape_pct
from ml.valuation.segments import segment_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warehouse.settings import Settings

CHALLENGER, CHAMPION = "challenger", "champion"
SEED_RECIPE, COMPARABLES = "seed_recipe", "indexed_comparables"
TITLES = {
    CHALLENGER: "the new version",
    CHAMPION: "the champion",
    SEED_RECIPE: "the seed recipe",
    COMPARABLES: "the indexed comparables",
}
SLICES = {
    "district": "district",
    "size": "size in m²",
    "price_decile": "tenth of prices",
}


@dataclass(frozen=True)
class Rule:
    """One question to a new version: its figure, its limit, and the verdict in words.

    ``figure`` is None where there is nothing to measure.
    """

    name: str
    passed: bool
    figure: float | None
    limit: str
    words: str


@dataclass(frozen=True)
class Answers:
    """What each contender said of the same sales, none of which it has learnt.

    ``sales`` has a row per sale, with what slices are cut by, indexed by ``sale_id``;
    ``value_sek`` a column per contender, NaN where it gave none or refused; ``low_sek``
    and ``high_sek`` are the new version's range, ``own_sek`` what its files say
    themselves, having learnt the sale. ``asked`` are the sales that the new version was
    asked of, for it is not of those it has learnt; ``refused_for`` is its reason for
    most of those it refused. ``missing`` says why a contender is absent.
    """

    sales: pd.DataFrame
    value_sek: pd.DataFrame
    low_sek: pd.Series
    high_sek: pd.Series
    own_sek: pd.Series
    asked: pd.Index
    missing: Mapping[str, str]
    refused_for: str = ""

    @property
    def common(self) -> pd.Index:
        """The sales that every contender has valued."""
        return self.value_sek.dropna().index

    @property
    def contenders(self) -> list[str]:
        """Those that are there, the new version first."""
        return list(self.value_sek.columns)

    def prices(self, index: pd.Index) -> np.ndarray:
        """Give what sales were sold for, in SEK."""
        return self.sales.loc[index, "sold_price_sek"].to_numpy(dtype=float)

    def values(self, contender: str, index: pd.Index) -> np.ndarray:
        """Give what a contender said of sales, in SEK."""
        return self.value_sek.loc[index, contender].to_numpy(dtype=float)


def mape_of_each(answers: Answers) -> dict[str, float]:
    """Mean error in percent of every contender on the sales that all have valued."""
    common = answers.common
    if common.empty:
        return {}
    prices = answers.prices(common)
    return {
        name: mape_pct(prices, answers.values(name, common))
        for name in answers.contenders
    }


def judged(answers: Answers, settings: Settings) -> list[Rule]:
    """Ask every rule about what was said."""
    rules = [enough_sales(answers, settings), answers_enough(answers)]
    if answers.common.empty:
        return rules
    return [
        *rules,
        *beats_each(answers),
        coverage(answers, settings),
        *fair(answers, settings),
        unbiased(answers, settings),
        no_slice_worse(answers, settings),
        *is_what_was_judged(answers, settings),
    ]


def enough_sales(answers: Answers, settings: Settings) -> Rule:
    """Hold the number of sales against the fewest that tell anything."""
    count, fewest = len(answers.common), settings.gate_min_sales
    return Rule(
        "enough_sales",
        count >= fewest,
        float(count),
        f"at least {fewest}",
        f"{count} sales were valued by all that are compared; {fewest} are needed",
    )


def answers_enough(answers: Answers) -> Rule:
    """Refuse a version that chooses its sales: it has to answer what others do."""
    answered = answers.value_sek.loc[answers.asked].notna().sum()
    own, most = int(answered[CHALLENGER]), int(answered.max())
    reason = answers.refused_for.replace("_", " ")
    why = f" and refused the others (mostly: {reason})" if reason else ""
    return Rule(
        "answers_enough",
        own > 0 and own >= FEWEST_ANSWERED * most,
        100 * own / most if most else None,
        f"at least {100 * FEWEST_ANSWERED:.0f} %",
        f"of {len(answers.asked)} sales it was asked of it valued {own}{why}; the most "
        f"answering one valued {most}",
    )


def beats_each(answers: Answers) -> Iterator[Rule]:
    """Hold its mean error against the champion's and those of the two marks."""
    mape = mape_of_each(answers)
    own = mape[CHALLENGER]
    for rival in (CHAMPION, COMPARABLES, SEED_RECIPE):
        if rival in mape:
            yield Rule(
                f"beats_{rival}",
                own < mape[rival],
                own,
                f"below {mape[rival]:.3f}",
                f"its mean error is {own:.3f} %, that of {TITLES[rival]} "
                f"{mape[rival]:.3f} %",
            )
        else:
            why = answers.missing.get(rival, "it is not there")
            yield Rule(f"beats_{rival}", True, own, "no rival", why)


def coverage(answers: Answers, settings: Settings) -> Rule:
    """Hold how often prices lay in its range of 90 % against the band."""
    low_pct, high_pct = settings.gate_coverage_low_pct, settings.gate_coverage_high_pct
    limit = f"{low_pct:g} to {high_pct:g} %"
    common = answers.common
    low = answers.low_sek.loc[common].to_numpy(dtype=float)
    high = answers.high_sek.loc[common].to_numpy(dtype=float)
    is_ranged = np.isfinite(low) & np.isfinite(high)
    if not is_ranged.any():
        return Rule("coverage", False, None, limit, "it gives no ranges")
    prices = answers.prices(common)
    is_covered = (low <= prices) & (prices <= high)
    covered_pct = float(100 * is_covered[is_ranged].mean())
    words = f"{covered_pct:.1f} % of the prices lie in its range of 90 %"
    return Rule(
        "coverage", low_pct <= covered_pct <= high_pct, covered_pct, limit, words
    )


def fair(answers: Answers, settings: Settings) -> Iterator[Rule]:
    """Hold the ratio study against its bands: all homes are to be valued alike."""
    common = answers.common
    study = ratio_study(answers.prices(common), answers.values(CHALLENGER, common))
    bands = {
        "cod": (settings.gate_cod_low, settings.gate_cod_high, "spread of ratios"),
        "prd": (settings.gate_prd_low, settings.gate_prd_high, "dear against cheap"),
        "prb": (-settings.gate_prb, settings.gate_prb, "slope with the price"),
    }
    for name, (low, high, meaning) in bands.items():
        figure = study[name]
        yield Rule(
            name,
            low <= figure <= high,
            figure if np.isfinite(figure) else None,
            f"{low:g} to {high:g}",
            f"{name.upper()} ({meaning}) is {figure:.3f}",
        )


def unbiased(answers: Answers, settings: Settings) -> Rule:
    """Hold its mean error, upwards or downwards, against the limit."""
    common, limit = answers.common, settings.gate_bias_pct
    figures = evaluate(answers.prices(common), answers.values(CHALLENGER, common))
    bias = figures["bias_pct"]
    words = f"its values are {bias:+.2f} % off on average"
    return Rule("bias", abs(bias) <= limit, bias, f"within ±{limit:g} %", words)


def no_slice_worse(answers: Answers, settings: Settings) -> Rule:
    """Find the district, size or tenth of prices that lost most by its median error."""
    margin, fewest = settings.gate_slice_margin_pct, settings.gate_slice_sales
    limit = f"at most {margin:g} points worse"
    if CHAMPION not in answers.value_sek:
        why = answers.missing.get(CHAMPION, "there is no champion")
        return Rule("no_slice_worse", True, None, limit, why)
    worst = max(_losses(answers, fewest), key=lambda loss: loss[0], default=None)
    if worst is None:
        words = f"no district, size or tenth of prices holds {fewest} sales"
        return Rule("no_slice_worse", True, None, limit, words)
    points, words = worst
    return Rule("no_slice_worse", points <= margin, points, limit, words)


def is_what_was_judged(answers: Answers, settings: Settings) -> Iterator[Rule]:
    """Hold the files that would serve against what their recipe said when judged.

    They have learnt the sales and may be closer; farther they are where they were
    fitted on other prices, or spoiled.
    """
    common = answers.common
    own, said = answers.own_sek.loc[common], answers.value_sek.loc[common, CHALLENGER]
    ratios = np.abs(np.log(own.to_numpy(dtype=float) / said.to_numpy(dtype=float)))
    apart, limit = float(np.median(ratios)), settings.gate_own_log_ratio
    yield Rule(
        "files_agree_with_what_was_judged",
        apart <= limit,
        apart if np.isfinite(apart) else None,
        f"at most {limit:g}",
        f"on the middle sale its files say a value {100 * np.expm1(apart):.1f} % from "
        "what its recipe said when it was judged",
    )
    prices = answers.prices(common)
    judged_mape = mape_pct(prices, said.to_numpy(dtype=float))
    own_mape = mape_pct(prices, own.to_numpy(dtype=float))
    most = judged_mape + settings.gate_own_mape_pct
    yield Rule(
        "files_are_as_good_as_what_was_judged",
        own_mape <= most,
        own_mape if np.isfinite(own_mape) else None,
        f"at most {most:.3f}",
        f"the mean error of its files is {own_mape:.3f} % on sales they have learnt, "
        f"{judged_mape:.3f} % was judged on sales unseen",
    )


def _losses(answers: Answers, fewest: int) -> Iterator[tuple[float, str]]:
    """Give points lost to the champion in each slice that holds sales enough."""
    common = answers.common
    labels = segment_labels(answers.sales.loc[common])
    prices = answers.prices(common)
    errors = pd.DataFrame(
        {
            name: np.abs(answers.values(name, common) / prices - 1) * 100
            for name in (CHALLENGER, CHAMPION)
        },
        index=common,
    )
    for dimension, title in SLICES.items():
        for label, part in errors.groupby(labels[dimension], observed=True):
            if len(part) < fewest:
                continue
            own, champion = part[CHALLENGER].median(), part[CHAMPION].median()
            yield (
                float(own - champion),
                f"farthest behind the champion is {title} {label}: median error "
                f"{own:.2f} % against {champion:.2f} % on {len(part)} sales",
            )
