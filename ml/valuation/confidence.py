"""How sure a valuation is, on the scale of European AVMs, and in words.

What belongs here: the bands of the scale, the reasons a value is refused, and what both
are called on a page. What does not: how large the error of one home is expected to be,
see ``intervals``.

The European AVM Alliance (EAA) asks its members for a *confidence level* from 0 to 7
that is translatable into a *forecast standard deviation* (FSD), and for translation
tables that are kept up (europeanavmalliance.org, key requirements of the AVM label). It
publishes no table of its own that we could find: members translate their own scales.
The nearest public one is Altum AI's (docs.altum.ai, "Accuratesse Indicator"): class 7
has 80 % of values within 5 %, class 4 has 80 % within 10 %, class 2 has 85 % within
20 %; of normal errors that is an FSD of 4, 8 and 14 %. Ours is therefore defined
plainly, in bands of the FSD, and means the same for every model and month.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ml.valuation.words import Words

FSD_BANDS_PCT: dict[int, float] = {
    7: 5.0,
    6: 7.5,
    5: 10.0,
    4: 12.5,
    3: 15.0,
    2: 20.0,
    1: 30.0,
}
"""The largest FSD of each class; above the last a value is refused, which is class 0.

The FSD is half the width of the range that holds 68 % of sales, in percent of the
value: one standard deviation were the errors normal, and not thrown by the few that
are wild. Before listing, class 7 is all but out of reach in Stockholm: two sales of the
same flat differ by more than that, for its condition is not known.
"""

REFUSED = 0
"""The class of a home that is given no value."""

RefusalReason = Literal[
    "no_value",
    "no_position",
    "no_comparables_and_no_index",
    "area_outside_data",
    "too_uncertain",
]
REFUSAL_REASONS: tuple[RefusalReason, ...] = get_args(RefusalReason)


CLASS_NAMES: dict[int, Words] = {
    7: Words("Mycket säker", "Very certain"),
    6: Words("Säker", "Certain"),
    5: Words("Ganska säker", "Fairly certain"),
    4: Words("Medelsäker", "Moderately certain"),
    3: Words("Något osäker", "Somewhat uncertain"),
    2: Words("Osäker", "Uncertain"),
    1: Words("Mycket osäker", "Very uncertain"),
    REFUSED: Words("Ingen värdering", "No valuation"),
}
"""What each confidence class is called."""

REFUSAL_WORDS: dict[RefusalReason, Words] = {
    "no_value": Words(
        "Modellen gav inget värde för bostaden.",
        "The model gave no value for the home.",
    ),
    "no_position": Words(
        "Vi vet inte var bostaden ligger; ange adress eller stadsdel.",
        "We do not know where the home is; give an address or a district.",
    ),
    "no_comparables_and_no_index": Words(
        "Ingen tidigare försäljning i närheten och inget prisindex för dagen är kända.",
        "No earlier sale nearby and no price index of the day are known.",
    ),
    "area_outside_data": Words(
        "Ingen såld bostad som vi känner till är så stor eller så liten.",
        "No sold home that we know of is as large, or as small.",
    ),
    "too_uncertain": Words(
        "Osäkerheten är för stor för att ett värde ska säga något.",
        "The uncertainty is too large for a value to say anything.",
    ),
}
"""Why a value is refused, as a sentence for the page."""


def class_meaning(confidence_class: int) -> Words:
    """Say in a sentence what a confidence class promises."""
    if confidence_class == REFUSED:
        return Words(
            "Underlaget räcker inte för ett värde.",
            "There is too little to go on for a value.",
        )
    limit = f"{FSD_BANDS_PCT[confidence_class]:g}"
    swedish = limit.replace(".", ",")
    return Words(
        f"Två av tre bostäder säljs inom {swedish} % av värdet.",
        f"Two homes in three are sold within {limit}% of the value.",
    )


def classes_of(fsd_pct: np.ndarray) -> np.ndarray:
    """Confidence classes of forecast standard deviations; 0 above the last band."""
    limits = np.array(list(FSD_BANDS_PCT.values()))
    # A missing FSD sorts after every limit: refused.
    return len(limits) - np.searchsorted(limits, fsd_pct, side="left")
