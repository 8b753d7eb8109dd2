"""The range a home's price will lie in nine times in ten, and how sure that makes us.

What belongs here: calibrating ranges on past sales valued by a model that had not seen
them, giving ranges to homes, refusing where there is too little to go on. What does
not: the size of error to expect (``error_scale``), the bands and words of the classes
(``confidence``), how well ranges held afterwards (``coverage``).

Split conformal prediction within classes of uncertainty (Mondrian): errors are divided
by the size of error expected of the home, and a class's range is the quantile of those
ratios among its own past sales, recent ones counting most. Exchangeable sales would be
covered at least as often as asked; a market that turns is not exchangeable, hence the
weights (Barber, Candès, Ramdas and Tibshirani 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.valuation.confidence import FSD_BANDS_PCT, REFUSED, classes_of
from ml.valuation.error_scale import ErrorScale, ThinEvidence, numbers, traits_of
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.valuation.hedonic.columns import Table

COVERAGE = 0.9
FSD_COVERAGE = 0.68
MIN_SALES = 50
HOLDOUT_DAYS = 92
"""How old the sales a model is calibrated on may be: one month's gave the same coverage
at 1 % wider ranges, a year's no narrower ones, and older ones need more models."""
MIN_HOLDOUT_SALES = 500
MIN_EARLIER_SALES = 200
HALF_LIFE_DAYS = 180
"""Age at which a past sale counts half in the calibration."""
BORROWED_SALES = 30.0
"""Weight that all classes together have in each: what a class of few sales leans on."""
FOLDS = 5
THIN = "thin"
"""Homes with next to no sales around them, a group of their own."""
THIN_HALF_WIDTH = float(np.log(1.25))
"""Least half width of their range, as a log: calibrated on other homes, it covered 72 %
where a whole district was new."""
FSD_TO_RANGE = 1 / 1.645
"""A standard deviation over half the range of 90 %, of normal errors."""
AREA_MARGIN = 1.5
"""How far beyond the areas of the past sales a home may be, as a factor."""


@dataclass(frozen=True)
class Calibration:
    """How far prices lay from values, by class of uncertainty.

    ``half_widths`` are quantiles of absolute log errors over the error expected of the
    home, one for each confidence class and one for homes with thin evidence;
    ``fsd_half_width`` is the same for 68 % of all homes.
    """

    scale: ErrorScale
    thin: ThinEvidence
    fsd_half_width: float
    half_widths: dict[str, float]
    area_limits_m2: tuple[float, float]

    @classmethod
    def fitted(
        cls, features: pd.DataFrame, value_sek: np.ndarray, sold_price_sek: np.ndarray
    ) -> Calibration:
        """Learn from past sales valued by a model that had not seen them.

        Parameters
        ----------
        features
            Rows of ``marts.sale_features`` of the sales; columns that are absent count
            as missing.
        value_sek
            What the model said of each, in SEK.
        sold_price_sek
            What each was sold for, in SEK.

        Raises
        ------
        SlutprisError
            When there are too few sales.
        """
        values, prices = (
            np.asarray(x, dtype=float) for x in (value_sek, sold_price_sek)
        )
        usable = (values > 0) & (prices > 0) & np.isfinite(values * prices)
        if usable.sum() < MIN_SALES:
            raise SlutprisError(
                f"ranges need {MIN_SALES} valued past sales to be calibrated, "
                f"but there are {usable.sum()}; value more months"
            )
        features, values = features[usable], values[usable]
        error = np.abs(np.log(prices[usable] / values))
        weights = recency_weights(features)
        traits = traits_of(features, values)
        ratio = error / _out_of_fold_scales(traits, error, weights)
        scale = ErrorScale.fitted(traits, error, weights)
        thin = ThinEvidence.fitted(features)
        fsd_half_width = upper_quantile(ratio, weights, FSD_COVERAGE)
        groups = _groups(scale.of(traits) * fsd_half_width, thin.among(features))
        area_m2 = numbers(features, "living_area_m2")
        return cls(
            scale=scale,
            thin=thin,
            fsd_half_width=fsd_half_width,
            half_widths=_half_widths(ratio, weights, groups),
            area_limits_m2=(
                float(np.nanmin(area_m2) / AREA_MARGIN),
                float(np.nanmax(area_m2) * AREA_MARGIN),
            ),
        )

    @classmethod
    def measured(
        cls,
        sales: pd.DataFrame,
        values_of_recent: Callable[[pd.DataFrame, pd.DataFrame], np.ndarray],
    ) -> Calibration | None:
        """Calibrate on the latest sales, valued by a model of the earlier ones alone.

        Parameters
        ----------
        sales
            All sales a model is fitted on, in any order.
        values_of_recent
            Values in SEK of its second argument, learnt from its first alone.

        Returns
        -------
        None when there are too few sales on either side.
        """
        sold = pd.to_datetime(sales["sold_date"])
        enough = min(MIN_HOLDOUT_SALES, len(sales) // 2)
        if enough < MIN_SALES:
            return None
        since = sold.max() - pd.Timedelta(days=HOLDOUT_DAYS)
        is_recent = (sold >= min(since, sold.nlargest(enough).iloc[-1])).to_numpy()
        if (~is_recent).sum() < MIN_EARLIER_SALES:
            return None
        recent = sales[is_recent]
        value_sek = values_of_recent(sales[~is_recent], recent)
        return cls.fitted(recent, value_sek, recent["sold_price_sek"].to_numpy())

    def ranges(self, features: Table, value_sek: np.ndarray) -> pd.DataFrame:
        """Give homes the range their price will lie in nine times in ten.

        Parameters
        ----------
        features
            Rows as in ``fitted``; no price is read.
        value_sek
            What the model says of each, in SEK.

        Returns
        -------
        One row per home, with the index of ``features``: ``low_sek``, ``high_sek``,
        ``confidence_class`` (0-7, see ``confidence``), ``fsd_pct`` and
        ``refusal_reason``, None where a range is given. A refused home has no range
        and class 0.
        """
        values = np.asarray(value_sek, dtype=float)
        values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        expected = self.scale.of(traits_of(features, values))
        is_thin = self.thin.among(features)
        groups = _groups(expected * self.fsd_half_width, is_thin)
        half = expected * np.array([self.half_widths[group] for group in groups])
        half = np.where(is_thin, np.maximum(half, THIN_HALF_WIDTH), half)
        fsd = _fsd(expected * self.fsd_half_width, is_thin)
        reasons = self._refusals(features, values, fsd)
        is_given = pd.isna(reasons)
        return pd.DataFrame(
            {
                "low_sek": np.where(is_given, values * np.exp(-half), np.nan),
                "high_sek": np.where(is_given, values * np.exp(half), np.nan),
                "confidence_class": pd.array(
                    np.where(is_given, classes_of(fsd), REFUSED), dtype="Int64"
                ),
                "fsd_pct": fsd,
                "refusal_reason": reasons,
            },
            index=features.index,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for a model's description file."""
        return {
            "scale": self.scale.to_json(),
            "thin": self.thin.to_json(),
            "fsd_half_width": self.fsd_half_width,
            "half_widths": dict(self.half_widths),
            "area_limits_m2": list(self.area_limits_m2),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Calibration:
        """Rebuild a calibration from a model's description file."""
        low, high = values["area_limits_m2"]
        return cls(
            scale=ErrorScale(**values["scale"]),
            thin=ThinEvidence(**values["thin"]),
            fsd_half_width=values["fsd_half_width"],
            half_widths=dict(values["half_widths"]),
            area_limits_m2=(low, high),
        )

    def _refusals(
        self, features: Table, values: np.ndarray, fsd_pct: np.ndarray
    ) -> np.ndarray:
        """Reasons by row, the gravest first; None where there is none."""
        area_m2 = numbers(features, "living_area_m2")
        smallest, largest = self.area_limits_m2
        reasons = {
            "no_position": _is_missing(features, "latitude"),
            "no_comparables_and_no_index": _is_missing(features, "comparables_weight")
            & _is_missing(features, "price_index_sek_per_m2"),
            "area_outside_data": ~((area_m2 >= smallest) & (area_m2 <= largest)),
            "no_value": np.isnan(values),
            "too_uncertain": fsd_pct > max(FSD_BANDS_PCT.values()),
        }
        found = np.full(len(features), None, dtype=object)
        for reason, is_so in reversed(reasons.items()):
            found[is_so] = reason
        return found


def recency_weights(features: pd.DataFrame) -> np.ndarray:
    """Count the newest sales whole, those of half a year before half."""
    if "sold_date" not in features:
        return np.ones(len(features))
    sold = pd.to_datetime(features["sold_date"])
    return 0.5 ** ((sold.max() - sold).dt.days.to_numpy() / HALF_LIFE_DAYS)


def upper_quantile(scores: np.ndarray, weights: np.ndarray, coverage: float) -> float:
    """Give the bound that the next score lies below so often, by past weighted ones.

    The next one counts as a score of weight one without bound (the "n + 1" of
    conformal prediction); where that leaves no bound, the largest score is given.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    place = np.searchsorted(reached, coverage * (reached[-1] + 1.0))
    return float(scores[order][min(place, len(scores) - 1)])


def _out_of_fold_scales(
    traits: np.ndarray, error: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Expect each error by a regression that has not seen it."""
    fold = np.arange(len(traits)) % FOLDS
    expected = np.empty(len(traits))
    for number in range(FOLDS):
        out = fold == number
        fitted = ErrorScale.fitted(traits[~out], error[~out], weights[~out])
        expected[out] = fitted.of(traits[out])
    return expected


def _half_widths(
    ratio: np.ndarray, weights: np.ndarray, groups: np.ndarray
) -> dict[str, float]:
    """Quantile of each group's ratios, with some weight on everyone's."""
    borrowed = weights * (BORROWED_SALES / weights.sum())
    names = [str(number) for number in (*FSD_BANDS_PCT, REFUSED)] + [THIN]
    return {
        name: upper_quantile(ratio, borrowed + weights * (groups == name), COVERAGE)
        for name in names
    }


def _groups(log_fsd: np.ndarray, is_thin: np.ndarray) -> np.ndarray:
    classes = classes_of(100 * np.sinh(log_fsd)).astype(str).astype(object)
    return np.where(is_thin, THIN, classes)


def _fsd(log_fsd: np.ndarray, is_thin: np.ndarray) -> np.ndarray:
    """Half the width of the range of 68 %, in percent; no better than that of 90 %."""
    least = THIN_HALF_WIDTH * FSD_TO_RANGE
    return 100 * np.sinh(np.where(is_thin, np.maximum(log_fsd, least), log_fsd))


def _is_missing(features: Table, name: str) -> np.ndarray:
    return np.isnan(numbers(features, name))
