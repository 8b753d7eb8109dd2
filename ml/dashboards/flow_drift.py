"""How the sales of the last quarter differ from the year before, feature by feature.

What belongs here: showing ``reports/drift.json``. What does not: measuring it
(``ml.valuation.drift``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from bokeh.models import FixedTicker

from ml.dashboards import shell, theme
from ml.dashboards.charts import mark_axis
from ml.dashboards.flow_charts import NumberedBar, numbered_bars
from ml.dashboards.flow_now import said, subtitle
from ml.dashboards.health_words import served_name
from ml.valuation.reason_groups import FEATURE_NAMES
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import panel as pn

    from ml.dashboards.charts import Chart
    from ml.dashboards.flow_state import Flow

SHOWN_FEATURES = 12
"""Of the most important; those that changed are shown whatever they weigh."""
NOTABLE_IMPORTANCE_PCT = 5
"""Of all that moves values: what changed and weighs less is no cause for alarm."""
NAMED_FEATURES = 3
ROUND_FROM_PCT = 10
"""A smaller share is told with a decimal."""

DRIFT = Words("Har bostäderna ändrat sig?", "Have the homes changed?")
NO_DRIFT = Words(
    "Driften är inte räknad ännu. Det gör tillgången reports/drift, efter att modellen "
    "är tränad.",
    "Drift is not computed yet. The asset reports/drift does it, after the model is "
    "trained.",
)
TOO_FEW = Words(
    "Det är för få försäljningar för att jämföra: {current} i det senaste kvartalet "
    "och {reference} året före.",
    "There are too few sales to compare: {current} in the last quarter and "
    "{reference} in the year before.",
)
NOTHING = Words(
    "Inget av det modellen ser har ändrats mer än slumpen kan förklara.",
    "Nothing that the model sees has changed more than chance would explain.",
)
SHIFTED = Words(
    "{n} av {all} egenskaper i {model} har ändrats mer än slumpen kan förklara: "
    "{names}. Högst 1 av 20 väntas göra det av slump. Tillsammans är de {weight} av "
    "modellens utslag; {judged}.",
    "{n} of {all} features of {model} have changed more than chance would explain: "
    "{names}. At most 1 in 20 is expected to do so by chance. Together they are "
    "{weight} of how the model moves values; {judged}.",
)
CALM = Words("under {limit} räknas som lugnt", "below {limit} counts as calm")
NOT_CALM = Words("från {limit} är det värt en titt", "from {limit} on it needs a look")
MORE_NAMES = Words("{names} och {n} till", "{names} and {n} more")
QUOTED = Words("”{name}”", "“{name}”")
LEDE = Words(
    "{verdict} Jämför {current} försäljningar {from_}\u00a0– {to} med {reference} "
    "under året före. Visar de {top} viktigaste egenskaperna för {model}{changed}, var "
    "och en med sin andel av modellens utslag.",
    "{verdict} Compares {current} sales from {from_} to {to} with {reference} of the "
    "year before. Shows the {top} features that matter most to {model}{changed}, each "
    "with its share of how the model moves values.",
)
AND_CHANGED = Words(
    ", och de {n} till som har ändrats", ", and the {n} more that have changed"
)
CHART = Words(
    "PSI · egenskapens vikt i modellen, den viktigaste överst",
    "PSI · the feature's importance in the model, the most important on top",
)
LABEL = Words(
    "{name}: PSI {psi} (slumpen når {chance}), vikt {weight}",
    "{name}: PSI {psi} (chance reaches {chance}), importance {weight}",
)
LIMITS = Words(
    "PSI (population stability index) över tiondelar av årets värden. Streckade "
    "linjer: 0,1 är en förskjutning, 0,25 en stor (Siddiqi 2006). Orange: över 0,1 och "
    "mer än slumpen ger en gång på tjugo vid så få försäljningar (Yurdakul och Naranjo "
    "2020).",
    "PSI (population stability index) over tenths of the year's values. Dashed lines: "
    "0.1 a shift, 0.25 a large one (Siddiqi 2006). Orange: above 0.1 and more than "
    "chance gives one time in twenty with so few sales (Yurdakul and Naranjo 2020).",
)
SOURCE = Words(
    "reports/drift.json, räknat {when} ur marts.sale_features och modellens bidrag",
    "reports/drift.json, computed {when} of marts.sale_features and the model's "
    "contributions",
)
COLUMNS = {
    "name": Words("Egenskap", "Feature"),
    "importance_pct": Words("Vikt %", "Importance %"),
    "psi": Words("PSI", "PSI"),
    "chance_psi": Words("PSI av slump", "PSI by chance"),
    "is_shift": Words("Ändrad", "Changed"),
    "reference_median": Words("Median året före", "Median, year before"),
    "current_median": Words("Median kvartalet", "Median, quarter"),
    "reference_missing_pct": Words("Saknas året före %", "Missing, year before %"),
    "current_missing_pct": Words("Saknas kvartalet %", "Missing, quarter %"),
}
YES, NO = Words("ja", "yes"), Words("nej", "no")


def drift_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Draw the drift of the features, the most important first."""
    found = flow.drift
    if found is None:
        return shell.card(DRIFT.to(language), said(NO_DRIFT.to(language)))
    if not found["features"]:
        return shell.card(DRIFT.to(language), said(drift_sentence(found, language)))
    return shell.card(
        DRIFT.to(language),
        subtitle(CHART, language),
        *shell.chart_parts(
            _chart(found, language),
            language=language,
            source=SOURCE.to(language).format(when=found["created_at"][:10]),
            table=_table(found["features"], language),
            file_name="drift",
        ),
        said(LIMITS.to(language), is_small=True),
        lede=_lede(found, language),
    )


def _model(title: str, language: Language) -> str:
    """Name the model of ``xgboost 3``."""
    name, _, version = title.rpartition(" ")
    return f"{served_name(name, language)}, version {version}" if name else title


def drift_sentence(found: Mapping[str, Any], language: Language) -> str:
    """Say in a sentence whether anything drifted, the most important first."""
    features = found["features"]
    if not features:
        return TOO_FEW.to(language).format(
            current=found["current"]["sale_count"],
            reference=found["reference"]["sale_count"],
        )
    shifted = [each for each in features if each["is_shift"]]
    if not shifted:
        return NOTHING.to(language)
    judged = NOT_CALM if is_notable(found) else CALM
    limit = theme.percent(NOTABLE_IMPORTANCE_PCT, 0, language)
    return SHIFTED.to(language).format(
        n=len(shifted),
        all=len(features),
        model=served_name(found["model"].rpartition(" ")[0], language),
        weight=theme.percent(shifted_weight_pct(found), 1, language),
        names=_names([each["feature"] for each in shifted], language),
        judged=judged.to(language).format(limit=limit),
    )


def _names(features: Sequence[str], language: Language) -> str:
    """Quote the first names within a sentence, in lower case."""
    named = [feature_name(each, language) for each in features]
    quoted = ", ".join(
        QUOTED.to(language).format(name=name[:1].lower() + name[1:])
        for name in named[:NAMED_FEATURES]
    )
    more = len(named) - NAMED_FEATURES
    if more <= 0:
        return quoted
    return MORE_NAMES.to(language).format(names=quoted, n=more)


def shifted_weight_pct(found: Mapping[str, Any]) -> float:
    """Give the importance of what changed, in percent of all."""
    return sum(e["importance_pct"] for e in found["features"] if e["is_shift"])


def is_notable(found: Mapping[str, Any]) -> bool:
    """Say whether what changed matters to the values."""
    return shifted_weight_pct(found) >= NOTABLE_IMPORTANCE_PCT


def feature_name(feature: str, language: Language) -> str:
    """Name a feature for a reader; by its column where we have no words for it."""
    named = FEATURE_NAMES.get(feature)
    return named.label(language) if named else feature


def _chart(found: Mapping[str, Any], language: Language) -> Chart:
    limits = (
        (found["shift_psi"], theme.MUTED),
        (found["large_shift_psi"], theme.RED),
    )
    chart = numbered_bars(
        [_bar(each, language) for each in _shown(found)],
        write=lambda value: theme.number(value, 2, language),
        title=DRIFT.to(language),
        limits=limits,
    )
    # The limits alone are marked: what lies between them has no meaning.
    ticks = [0.0, *(limit for limit, _ in limits)]
    axis = chart.figure.xaxis[0]
    mark_axis(axis, {tick: theme.plain(tick, language) for tick in ticks})
    chart.figure.xgrid.ticker = FixedTicker(ticks=ticks)
    return chart


def _shown(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        each
        for place, each in enumerate(found["features"])
        if place < SHOWN_FEATURES or each["is_shift"]
    ]


def _lede(found: Mapping[str, Any], language: Language) -> str:
    top = min(SHOWN_FEATURES, len(found["features"]))
    more = len(_shown(found)) - top
    return LEDE.to(language).format(
        verdict=drift_sentence(found, language),
        current=theme.number(found["current"]["sale_count"], 0, language),
        reference=theme.number(found["reference"]["sale_count"], 0, language),
        from_=found["current"]["first_sold_date"],
        to=found["current"]["last_sold_date"],
        model=_model(found["model"], language),
        top=top,
        changed=AND_CHANGED.to(language).format(n=more) if more else "",
    )


def _bar(each: Mapping[str, Any], language: Language) -> NumberedBar:
    name = feature_name(each["feature"], language)
    psi = theme.number(each["psi"], 2, language)
    decimals = 0 if each["importance_pct"] >= ROUND_FROM_PCT else 1
    weight = theme.percent(each["importance_pct"], decimals, language)
    number = f"{psi} · {weight}"
    chance = theme.number(each["chance_psi"], 2, language)
    label = LABEL.to(language).format(name=name, psi=psi, weight=weight, chance=chance)
    return NumberedBar(name, each["psi"], number, label, is_marked=each["is_shift"])


def _table(features: Sequence[Mapping[str, Any]], language: Language) -> pd.DataFrame:
    frame = pd.DataFrame(features)
    frame.insert(0, "name", [feature_name(each, language) for each in frame["feature"]])
    frame["is_shift"] = [
        (YES if each else NO).to(language) for each in frame["is_shift"]
    ]
    shown = frame[list(COLUMNS)].round(3)
    return shown.rename(
        columns={name: words.to(language) for name, words in COLUMNS.items()}
    )
