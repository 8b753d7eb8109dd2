"""What a person calls the things a model looks at: groups, labels and facts in words.

What belongs here: the group and the names of every feature, and one line that states
the home's own fact beside what is usual. What does not: how much a feature is worth
(``explain``). A feature that is missing here has no group, which a test refuses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd

from ml.valuation.features import MARKET_LEVEL
from ml.valuation.hedonic.hedonics import LATELY_FEATURE
from ml.valuation.swedish import swedish_number
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from ml.valuation.words import Language

Group = Literal[
    "place",
    "size",
    "building",
    "floor",
    "fee",
    "market",
    "neighbours_sales",
    "asking_price",
]
GROUPS: tuple[Group, ...] = get_args(Group)

Kind = Literal[
    "name", "m2", "count", "year", "plain", "sek_month", "sek", "metres", "days",
    "log_over_expected", "log_over_city", "log_spread", "log_over_usual",
    "log_over_asking", "silent",
]  # fmt: skip
"""How a fact is written; a silent one means nothing to a reader by itself."""

PRICE_INDEX = "price_index_sek_per_m2"
RECALIBRATION = "recalibration"

_GROUP_LABELS: dict[Group, tuple[str, str]] = {
    "place": ("Läge", "Place"),
    "size": ("Storlek", "Size"),
    "building": ("Byggnad", "Building"),
    "floor": ("Våning", "Floor"),
    "fee": ("Avgift", "Fee"),
    "market": ("Marknad", "Market"),
    "neighbours_sales": ("Försäljningar i närheten", "Sales nearby"),
    "asking_price": ("Utgångspris", "Asking price"),
}


@dataclass(frozen=True)
class FeatureName:
    """The group of a feature, what it is called, and how its fact is written."""

    group: Group
    swedish: str
    english: str
    kind: Kind = "silent"

    def label(self, language: Language) -> str:
        """Give the feature's name in a language."""
        return self.swedish if language == "sv" else self.english


_NEAR: Group = "neighbours_sales"

FEATURE_NAMES: dict[str, FeatureName] = {
    "street": FeatureName("place", "Gata", "Street", "name"),
    "district": FeatureName("place", "Område", "District", "name"),
    "street_number": FeatureName("place", "Gatunummer", "Street number"),
    "latitude": FeatureName("place", "Läge i nord-syd", "Position north-south"),
    "longitude": FeatureName("place", "Läge i öst-väst", "Position east-west"),
    "metro_distance_m": FeatureName("place", "Tunnelbana", "Metro", "metres"),
    "commuter_rail_distance_m": FeatureName(
        "place", "Pendeltåg", "Commuter rail", "metres"
    ),
    "centre_distance_m": FeatureName("place", "Centrum", "City centre", "metres"),
    "quality_log_premium": FeatureName(
        "place",
        "Kvarterets och liknande bostäders nivå",
        "Level of the block and of homes alike",
        "log_over_city",
    ),
    "hedonic_place_log_premium": FeatureName(
        "place", "Lägets prisnivå", "Price level of the place", "log_over_city"
    ),
    "living_area_m2": FeatureName("size", "Boarea", "Living area", "m2"),
    "rooms": FeatureName("size", "Rum", "Rooms", "count"),
    "hedonic_size_log_premium": FeatureName(
        "size", "Storlekens pris per m²", "Price per m² of the size", "log_over_usual"
    ),
    "construction_year": FeatureName("building", "Byggår", "Built", "year"),
    "construction_year_known": FeatureName(
        "building", "Husets eget byggår", "The house's own year"
    ),
    "hedonic_building_log_premium": FeatureName(
        "building", "Byggtidens prisnivå", "Price level of the period", "log_over_usual"
    ),
    "floor": FeatureName("floor", "Våning", "Floor", "plain"),
    "floor_known": FeatureName("floor", "Uppgiven våning", "The floor as stated"),
    "hedonic_floor_log_premium": FeatureName(
        "floor", "Våningens prisnivå", "Price level of the floor", "log_over_usual"
    ),
    "fee_sek_per_month": FeatureName("fee", "Avgift", "Fee", "sek_month"),
    "fee_log_ratio": FeatureName(
        "fee",
        "Avgift mot det vanliga",
        "Fee against what is usual",
        "log_over_usual",
    ),
    "fee_sek_per_m2_month": FeatureName("fee", "Avgift per m²", "Fee per m²"),
    "hedonic_fee_log_premium": FeatureName(
        "fee", "Avgiftens prisnivå", "Price level of the fee", "log_over_usual"
    ),
    "operating_cost_sek_per_month": FeatureName(
        "fee", "Driftskostnad", "Running costs", "sek_month"
    ),
    "neighbours_log_residual": FeatureName(
        _NEAR, "Grannarnas försäljningar", "Neighbours' sales", "log_over_expected"
    ),
    LATELY_FEATURE: FeatureName(
        _NEAR,
        "På sistone i området",
        "Lately in the area",
        "log_over_expected",
    ),
    "neighbours_certainty": FeatureName(
        _NEAR, "Hur mycket grannarna säger", "How much neighbours tell"
    ),
    "comparables_log_residual": FeatureName(
        _NEAR, "Jämförbara försäljningar", "Comparable sales", "log_over_expected"
    ),
    "comparables_log_spread": FeatureName(
        _NEAR, "Jämförelsernas spridning", "Spread of comparables", "log_spread"
    ),
    "comparables_weight": FeatureName(
        _NEAR, "Jämförelsernas tyngd", "Weight of comparables"
    ),
    "comparables_distance_m": FeatureName(
        _NEAR, "Avstånd till jämförelser", "Distance of comparables", "metres"
    ),
    "building_log_residual": FeatureName(
        _NEAR, "Sålt i huset", "Sold in the building", "log_over_expected"
    ),
    "building_sale_count": FeatureName(
        _NEAR, "Antal sålda i huset", "Number sold in the building", "count"
    ),
    "building_days_since_sale": FeatureName(
        _NEAR, "Senast sålt i huset", "Last sold in the building", "days"
    ),
    "street_log_residual": FeatureName(
        _NEAR, "Sålt på gatan", "Sold in the street", "log_over_expected"
    ),
    "street_sale_count": FeatureName(
        _NEAR, "Antal sålda på gatan", "Number sold in the street", "count"
    ),
    "street_days_since_sale": FeatureName(
        _NEAR, "Senast sålt på gatan", "Last sold in the street", "days"
    ),
    "brf_log_residual": FeatureName(
        _NEAR, "Sålt i föreningen", "Sold in the association", "log_over_expected"
    ),
    "brf_sale_count": FeatureName(
        _NEAR, "Antal sålda i föreningen", "Number sold in the association", "count"
    ),
    "brf_days_since_sale": FeatureName(
        _NEAR, "Senast sålt i föreningen", "Last sold in the association", "days"
    ),
    "previous_sale_log_ratio": FeatureName(
        _NEAR, "Bostadens förra pris", "The home's former price", "log_over_city"
    ),
    "previous_sale_days": FeatureName(
        _NEAR, "Bostaden såldes senast", "The home was last sold", "days"
    ),
    PRICE_INDEX: FeatureName("market", "Prisindex", "Price index"),
    MARKET_LEVEL: FeatureName(
        "market", "De senaste veckornas priser", "Prices of the last weeks"
    ),
    "size_log_drift": FeatureName(
        "market",
        "Så stora bostäder just nu",
        "Homes of this size now",
        "log_over_usual",
    ),
    RECALIBRATION: FeatureName(
        "market", "De senaste försäljningarna", "The latest sales"
    ),
    "asking_log_premium": FeatureName(
        "asking_price",
        "Slutpriser på sistone",
        "Prices of late",
        "log_over_asking",
    ),
    "neighbours_asking_log_residual": FeatureName(
        "asking_price",
        "Grannarnas slutpriser mot begärda",
        "Neighbours' prices over asked",
        "log_over_expected",
    ),
    "agency_asking_log_residual": FeatureName(
        "asking_price",
        "Mäklarens slutpriser mot begärda",
        "The agency's prices over asked",
        "log_over_expected",
    ),
    "district_asking_log_residual": FeatureName(
        "asking_price",
        "Områdets slutpriser mot begärda",
        "The district's prices over asked",
        "log_over_expected",
    ),
    "asking_log_gap": FeatureName(
        "asking_price", "Grannarnas nivå mot begärt", "Neighbours' level over asked"
    ),
    "asking_rest_of_million": FeatureName(
        "asking_price", "Hur begärt pris är skrivet", "How the asking price is written"
    ),
    "asking_rest_of_100_thousand": FeatureName(
        "asking_price", "Begärt pris i jämna tal", "Roundness of the asking price"
    ),
    "agency": FeatureName("asking_price", "Mäklare", "Agency", "name"),
    "list_price_ratio": FeatureName("asking_price", "Utgångspris", "Asking price"),
    "list_price_sek": FeatureName("asking_price", "Utgångspris", "Asking price", "sek"),
}
"""Every feature of a model, and what makes a value in SEK of its prediction. The asking
price itself is no feature, but what a person knows of ``list_price_ratio``."""

_SAID: dict[Group, tuple[str, ...]] = {
    "place": ("street", "district", "metro_distance_m"),
    "size": ("living_area_m2", "rooms"),
    "building": ("construction_year",),
    "floor": ("floor",),
    "fee": ("fee_sek_per_month",),
    "market": (),
    "neighbours_sales": ("neighbours_log_residual", "building_log_residual"),
    "asking_price": ("list_price_sek",),
}
"""The facts that speak for a group, of those that a home has."""


def group_of(feature: str) -> Group:
    """Give the group of a feature, or of what stands for a whole group.

    Raises
    ------
    SlutprisError
        When the feature has none: it would be missing from every explanation.
    """
    if feature in _GROUP_LABELS:
        return feature
    if feature not in FEATURE_NAMES:
        raise SlutprisError(
            f"feature {feature!r} has no group; name it in ml/valuation/"
            "reason_groups.py"
        )
    return FEATURE_NAMES[feature].group


def group_label(group: Group, language: Language = "sv") -> str:
    """Give what a group is called."""
    return _GROUP_LABELS[group][language == "en"]


def feature_label(feature: str, language: Language = "sv") -> str:
    """Give what a feature is called; its group's name where a group stands for it."""
    if feature in _GROUP_LABELS:
        return group_label(feature, language)
    group_of(feature)
    return FEATURE_NAMES[feature].label(language)


def group_text(
    group: Group,
    home: Mapping[str, Any],
    usual: Mapping[str, Any],
    language: Language = "sv",
) -> str:
    """Say what is known of a home in a group, as one line; empty when nothing is."""
    facts = [fact_text(name, home, usual, language) for name in _SAID[group]]
    first, *others = [fact for fact in facts if fact] or [""]
    return "; ".join([first, *map(_within, others)])


def _within(fact: str) -> str:
    """Write a fact within a sentence."""
    return fact[:1].lower() + fact[1:]


def fact_text(
    feature: str,
    home: Mapping[str, Any],
    usual: Mapping[str, Any],
    language: Language = "sv",
) -> str:
    """Say a home's own fact and what is usual: ``Boarea 52 m², vanligt 62 m²``.

    Parameters
    ----------
    feature
        One of ``FEATURE_NAMES``.
    home
        The home's row of features, with its flags of what is imputed where it has them.
    usual
        What is usual, by feature; what is not in it is not compared.

    Returns
    -------
    Empty where nothing is known, or where the bare number would tell a reader nothing.
    """
    name, value = FEATURE_NAMES[feature], home.get(feature)
    if name.kind == "silent" or _is_unknown(value):
        return ""
    text = f"{name.label(language)} {_written(value, name.kind, language)}"
    if bool(home.get(f"is_{feature}_imputed", False)):
        return f"{text} ({'antaget' if language == 'sv' else 'assumed'})"
    return text + _comparison(feature, home, usual, language)


def written_fact(
    feature: str,
    value: Any,  # noqa: ANN401 - a fact is text or a number
    language: Language = "sv",
) -> str:
    """Write a fact by itself: ``52 m²``, ``okänt`` when it is missing."""
    if _is_unknown(value):
        return "okänt" if language == "sv" else "unknown"
    return _written(value, FEATURE_NAMES[feature].kind, language)


def price_index_text(
    log_step: float, since: dt.date | str, language: Language = "sv"
) -> str:
    """Say what the index has done: ``Prisindex +3,2 % sedan 2025-11-23``."""
    moved = f"{100 * math.expm1(log_step):+.1f}".replace("-", "\u2212")
    if language == "en":
        return f"Price index {moved}% since {since}"
    swedish = moved.replace(".", ",")
    return f"Prisindex {swedish} % sedan {since}"


def _comparison(
    feature: str, home: Mapping[str, Any], usual: Mapping[str, Any], language: Language
) -> str:
    kind = FEATURE_NAMES[feature].kind
    ratio = home.get("fee_log_ratio") if feature == "fee_sek_per_month" else None
    if not _is_unknown(ratio):
        return f", {_written(ratio, 'log_over_usual', language)}"
    if kind in ("m2", "count", "year", "plain", "metres", "sek_month"):
        common = usual.get(feature)
        if not _is_unknown(common):
            usual_text = _written(common, kind, language)
            if usual_text == _written(home[feature], kind, language):
                return ", som är vanligt" if language == "sv" else ", as is usual"
            return f", {'vanligt' if language == 'sv' else 'usually'} {usual_text}"
    return ""


_UNITS: dict[str, tuple[str, str]] = {
    "m2": (" m²", " m²"),
    "metres": (" m", " m"),
    "sek_month": (" kr/mån", " kr a month"),
    "sek": (" kr", " kr"),
}
_LEVELS: dict[str, tuple[str, str]] = {
    "log_over_expected": ("det väntade", "what was expected"),
    "log_over_city": ("stadens nivå", "the city's level"),
    "log_over_usual": ("det vanliga", "what is usual"),
    "log_over_asking": ("begärda", "those asked"),
}


def _written(value: Any, kind: Kind, language: Language) -> str:  # noqa: ANN401
    is_english = language == "en"
    if kind == "name":
        return str(value)
    if kind in ("year", "plain"):
        return f"{value:.0f}"
    if kind in _LEVELS:
        return _against(value, _LEVELS[kind][is_english], language)
    if kind == "log_spread":
        return f"±{_percent(100 * math.expm1(value), language, 1)}"
    if kind == "days":
        days = _number(value, language)
        return f"{days} days ago" if is_english else f"för {days} dagar sedan"
    if kind == "silent":
        return str(value)
    decimals = 1 if kind in ("m2", "count") and value != round(value) else 0
    unit = _UNITS.get(kind, ("", ""))[is_english]
    return f"{_number(value, language, decimals)}{unit}"


def _against(log_ratio: float, level: str, language: Language) -> str:
    """Write a log ratio as ``3 % över det vanliga``; a half per cent is as usual."""
    share_pct = 100 * math.expm1(log_ratio)
    if abs(share_pct) < 0.5:
        return f"som {level}" if language == "sv" else f"as {level}"
    above, below = ("över", "under") if language == "sv" else ("above", "below")
    size = _percent(abs(share_pct), language)
    return f"{size} {above if share_pct > 0 else below} {level}"


def _percent(value: float, language: Language, decimals: int = 0) -> str:
    sign = " %" if language == "sv" else "%"
    return f"{_number(value, language, decimals)}{sign}"


def _number(value: float, language: Language, decimals: int = 0) -> str:
    written = swedish_number(value, decimals)
    return written.replace(",", ".") if language == "en" else written


def _is_unknown(value: Any) -> bool:  # noqa: ANN401 - a fact is text or a number
    return bool(pd.isna(value)) or value == ""
