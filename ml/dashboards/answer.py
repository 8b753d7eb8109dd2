"""The markup of an answer: the value, its range, how sure it is, all models' values.

What belongs here: turning valuations into HTML, everything escaped. What does not:
widgets, and why the value is what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ml.dashboards import theme
from ml.dashboards.shell import with_whole_dates
from ml.dashboards.written import (
    MODEL_NAMES,
    PLACED,
    floor_text,
    rooms_text,
    titled,
)
from ml.valuation.confidence import CLASS_NAMES, REFUSAL_WORDS, class_meaning
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.dashboards.city import City
    from ml.valuation.request import ModelName
    from ml.valuation.valuation import Valuation

ROUNDED_TO_SEK = 10_000
"""A value's last digits say nothing; the page leaves them out."""
CLASS_COUNT = 7
SPAN_EM = 15
"""As wide as a written span may be; it stands under the middle of its bar."""

VALUED_AT = Words("Värde {date}", "Value on {date}")
WITHOUT_PRICE = Words(
    "Värde {date} före annons; med utgångspriset står det nedanför",
    "Value on {date} before listing; with the asking price it stands below",
)
NINE_OF_TEN = Words(
    "Nio av tio slutpriser hamnade inom ett så brett spann när modellen prövades.",
    "Nine in ten final prices fell within a span this wide when the model was tested.",
)
PER_M2 = Words("per m²", "per m²")
CLASS_OF = Words("klass {level} av 7", "class {level} of 7")
REFUSED_SPAN = Words(
    "Modellens gissning spänner över {low} till {high}.",
    "The model's guess spans {low} to {high}.",
)
KNOWN_LEVEL = Words(
    "Prisnivån är känd till och med {month}. Värdet står på den nivån, inte på nivån "
    "den {date}.",
    "The price level is known up to {month}. The value stands on that level, not on "
    "the level of {date}.",
)
NO_LEVEL = Words(
    "Prisnivån är känd först från {month}; värdet är en gissning.",
    "The price level is known from {month} only; the value is a guess.",
)
MODELS = Words("Modellerna sida vid sida", "The models side by side")
MODELS_LEDE = Words(
    "Varje registrerad modell har fått samma fråga. Stapeln är spannet som nio av tio "
    "slutpriser ryms i, strecket är värdet.",
    "Every registered model was asked the same question. The bar is the span that "
    "holds nine in ten final prices, the mark is the value.",
)
MODELS_ASKED = Words(
    "Varje registrerad modell har fått samma fråga.",
    "Every registered model was asked the same question.",
)
MODEL, VALUE = Words("Modell", "Model"), Words("Värde", "Value")
SPAN, TIME = Words("Spann", "Span"), Words("Svarstid", "Time taken")
SHOWN_ABOVE = Words("visas ovan", "shown above")
PENDING = Words("räknar …", "working …")
SECONDS = Words("svar på {number}\u00a0s", "answered in {number}\u00a0s")

LISTED = Words("Med utgångspriset {price}", "With the asking price {price}")
LISTED_LEDE = Words(
    "Ett utgångspris säger något om bostaden som ingen annan uppgift gör. Därför "
    "värderar en särskild modell bostaden när det är känt. Den streckade linjen är "
    "utgångspriset.",
    "An asking price says something about the home that no other fact does. So a "
    "separate model values the home when it is known. The dashed line is the asking "
    "price.",
)
BEFORE_LISTING = Words("Före annons", "Before listing")
ONCE_LISTED = Words("När den är annonserad", "Once listed")
GAP_ABOVE = Words("{amount} över utgångspriset", "{amount} above the asking price")
GAP_BELOW = Words("{amount} under utgångspriset", "{amount} below the asking price")
GAP_NONE = Words("som utgångspriset", "as the asking price")
ASKING_PRICE = Words("Utgångspris", "Asking price")
NO_LISTED_MODEL = Words(
    "Modellen för annonserade bostäder är inte registrerad ({model}), så värdet efter "
    "annonsering kan inte visas. Värdet ovan är det före annons.",
    "The model for listed homes is not registered ({model}), so the value once listed "
    "cannot be shown. The value above is the one before listing.",
)

REFUSED_SOURCE = Words(
    "Modell: {model} version {version}, {count} försäljningar till och med {last}.",
    "Model: {model} version {version}, {count} sales up to {last}.",
)
SOURCE = Words(
    "Beräknat av {model} version {version} på {count} försäljningar till och med "
    "{last}. Det ersätter inte en mäklares värdering: modellen vet inget om skick, "
    "balkong och planlösning.",
    "Worked out by {model} version {version} from {count} sales up to {last}. It does "
    "not replace a broker's valuation: the model knows nothing of condition, balcony "
    "and layout.",
)

ANSWER_CSS = """
.steps { display: inline-flex; gap: 3px; vertical-align: middle; margin-right: 10px; }
.steps i { width: 22px; height: 8px; border-radius: 2px; background: var(--line); }
.steps i.on { background: var(--accent); }
.sure { margin-top: 22px; }
.sure strong { margin-right: 8px; }
.sure strong, .sure span { white-space: nowrap; }
.sure p { margin-top: 4px; }
.models { list-style: none; margin: 16px 0 0; padding: 0; }
.models li { display: grid; align-items: center; column-gap: 18px; row-gap: 4px;
  grid-template-columns: 10em 7.5em minmax(0, 1fr) 5.5em; padding: 12px 0;
  border-top: 1px solid var(--line); }
.models .name { font-weight: 600; }
.models .name small { display: block; font-weight: 400; color: var(--muted); }
.models .amount { font-weight: 650; text-align: right; }
.models .took { text-align: right; color: var(--muted); font-size: 13px; }
.models .note { grid-column: 2 / -1; color: var(--muted); font-size: 14px; }
.span { position: relative; height: 26px; }
.span .bar { position: absolute; top: 3px; height: 8px; border-radius: 4px;
  background: color-mix(in srgb, var(--accent) 45%, transparent); }
.span .mark { position: absolute; top: 0; width: 4px; height: 14px; margin-left: -2px;
  border-radius: 2px; background: var(--accent); }
.span .asked { position: absolute; top: -5px; height: 20px; margin-left: -1px;
  border-left: 2px dashed var(--amber); }
.span small { position: absolute; top: 15px; transform: translateX(-50%);
  color: var(--muted); font-size: 12px; white-space: nowrap; }
.skeleton { display: block; height: 12px; border-radius: 6px;
  background: linear-gradient(90deg, var(--wash), var(--line), var(--wash));
  background-size: 200% 100%; animation: shimmer 1.4s linear infinite; }
@keyframes shimmer { to { background-position: -200% 0; } }
@media (prefers-reduced-motion: reduce) { .skeleton { animation: none; } }
@container (max-width: 560px) {
  .models li { grid-template-columns: minmax(0, 1fr) auto; }
  .models .span { grid-column: 1 / -1; order: 3; }
  .models .took { order: 4; grid-column: 1 / -1; text-align: left; }
  .models .note { grid-column: 1 / -1; }
}
"""


@dataclass(frozen=True)
class ModelAnswer:
    """What one model said of a home: a valuation, a problem, or nothing as yet."""

    name: ModelName
    valuation: Valuation | None = None
    problem: str | None = None


def answer_html(
    valuation: Valuation, facts: City, language: Language, *, is_listed: bool = False
) -> str:
    """Show the value, its range and how sure it is; of a refused one why.

    Of a home with an asking price, ``is_listed``, it says that the value is without it.
    """
    request, place = valuation.request, valuation.place
    home = [
        f"{titled(place.address or request.address)}, "
        f"{titled(place.district, language)}",
        f"{theme.plain(request.living_area_m2, language)}{theme.NBSP}m²",
        rooms_text(request.rooms, language),
        floor_text(request.floor, language),
    ]
    where = escape(theme.in_a_row(home))
    body = (
        _refused_html(valuation, language)
        if valuation.refusal_reason
        else _valued_html(valuation, language, is_listed=is_listed)
    )
    return (
        '<section class="card" aria-live="polite">'
        f'<p class="place">{where}</p>{body}'
        f"{_notices_html(valuation, facts, language)}</section>"
    )


def models_html(
    answers: Sequence[ModelAnswer], shown: ModelName, language: Language
) -> str:
    """Show every model's value on one scale, with the time each took."""
    valued = [
        each.valuation
        for each in answers
        if each.valuation is not None and each.valuation.refusal_reason is None
    ]
    scale = _Scale.of(valued)
    reasons = {each.valuation.refusal_reason for each in answers if each.valuation}
    rows = "".join(
        _model_html(each, scale, shown, language, has_reason=len(reasons) > 1)
        for each in answers
    )
    lede = MODELS_LEDE if valued else MODELS_ASKED
    return (
        f'<section class="card"><h2>{MODELS.to(language)}</h2>'
        f'<p class="lede">{lede.to(language)}</p>'
        f'<ul class="models">{rows}</ul></section>'
    )


def listed_html(
    before: Valuation,
    once_listed: Valuation | None,
    price_sek: float,
    language: Language,
) -> str:
    """Show the value before listing and once listed, against the asking price."""
    valued = [each for each in (before, once_listed) if each is not None]
    scale = _Scale.of(valued, price_sek)
    pending = f'<span class="skeleton" role="img" aria-label="{PENDING.to(language)}">'
    rows = _listed_row(BEFORE_LISTING, before, price_sek, scale, language)
    rows += (
        _listed_row(ONCE_LISTED, once_listed, price_sek, scale, language)
        if once_listed
        else f'<li><span class="name">{ONCE_LISTED.to(language)}</span>'
        f"{pending}</span></li>"
    )
    title = LISTED.to(language).format(price=theme.sek(price_sek))
    return (
        f'<section class="card"><h2>{title}</h2>'
        f'<p class="lede">{LISTED_LEDE.to(language)}</p>'
        f'<ul class="models">{rows}</ul></section>'
    )


def no_listed_model_html(model: str, price_sek: float, language: Language) -> str:
    """Say plainly that the value once listed cannot be shown."""
    reason = NO_LISTED_MODEL.to(language).format(model=model)
    return listed_problem_html(reason, price_sek, language)


def listed_problem_html(reason: str, price_sek: float, language: Language) -> str:
    """Say why there is no value once listed."""
    title = LISTED.to(language).format(price=theme.sek(price_sek))
    return (
        f'<section class="card"><h2>{title}</h2>'
        f'<p class="notice">{escape(reason)}</p></section>'
    )


def source_html(valuation: Valuation, facts: City, language: Language) -> str:
    """Say which model and how many sales the value rests on, and what it leaves out."""
    words = REFUSED_SOURCE if valuation.refusal_reason else SOURCE
    text = words.to(language).format(
        model=MODEL_NAMES[valuation.model].to(language),
        version=valuation.model_version,
        count=theme.number(facts.sale_count),
        last=facts.last_sale,
    )
    said = with_whole_dates(text)
    return f'<p class="small muted" style="padding: 0 4px 24px">{said}</p>'


def rounded(value_sek: float) -> str:
    """Write a value without the digits that say nothing: ``3 250 000``."""
    return theme.number(_rounded_sek(value_sek))


def _rounded_sek(value_sek: float) -> int:
    return round(value_sek / ROUNDED_TO_SEK) * ROUNDED_TO_SEK


def _valued_html(valuation: Valuation, language: Language, *, is_listed: bool) -> str:
    words = WITHOUT_PRICE if is_listed else VALUED_AT
    date = words.to(language).format(date=valuation.request.date)
    # of the value as it is written, so that one can be worked out from the other
    per_m2_sek = _rounded_sek(valuation.value_sek) / valuation.request.living_area_m2
    return (
        f'<p class="small muted" style="margin-top: 14px">{date}</p>'
        f'<h2 class="value number">{rounded(valuation.value_sek)}'
        f'<span class="unit">{theme.NBSP}kr</span></h2>'
        '<p class="per-m2 muted number">'
        f"{theme.sek(per_m2_sek, 100)} {PER_M2.to(language)}</p>"
        f"{_range_html(valuation, language)}{_certainty_html(valuation, language)}"
    )


def _made_of(valuation: Valuation) -> str:
    """Name snapshot and model, for who compares answers by a program."""
    return f"{valuation.snapshot_id} {valuation.model} {valuation.model_version}"


def _range_html(valuation: Valuation, language: Language) -> str:
    low, high = valuation.low_sek, valuation.high_sek
    if low is None or high is None:
        return ""
    share = 100 * (valuation.value_sek - low) / max(high - low, 1)
    return (
        '<div class="range"><div class="bar" aria-hidden="true">'
        f'<i style="left: {share:.1f}%"></i></div>'
        f'<div class="ends number"><span>{rounded(low)}{theme.NBSP}kr</span>'
        f"<span>{rounded(high)}{theme.NBSP}kr</span></div>"
        '<p class="small muted" style="margin-top: 6px">'
        f"{NINE_OF_TEN.to(language)}</p></div>"
    )


def _certainty_html(valuation: Valuation, language: Language) -> str:
    level = valuation.confidence_class
    if level is None:
        return ""
    steps = "".join(
        f'<i class="{"on" if step <= level else ""}"></i>'
        for step in range(1, CLASS_COUNT + 1)
    )
    return (
        f'<div class="sure"><span class="steps" aria-hidden="true">{steps}</span>'
        f"<strong>{CLASS_NAMES[level].to(language)}</strong>"
        f'<span class="muted small">{CLASS_OF.to(language).format(level=level)}</span>'
        f'<p class="small muted">{class_meaning(level).to(language)}</p></div>'
    )


def _refused_html(valuation: Valuation, language: Language) -> str:
    reason = valuation.refusal_reason
    if reason is None:
        return ""
    low, high = valuation.low_sek, valuation.high_sek
    span = (
        ""
        if low is None or high is None
        else REFUSED_SPAN.to(language).format(
            low=theme.sek(low, ROUNDED_TO_SEK), high=theme.sek(high, ROUNDED_TO_SEK)
        )
    )
    return (
        '<h2 class="refused" style="font-size: 26px; margin-top: 10px">'
        f"{CLASS_NAMES[0].to(language)}</h2>"
        f'<p class="notice">{class_meaning(0).to(language)} '
        f"{REFUSAL_WORDS[reason].to(language)}</p>"
        + (f'<p class="muted" style="margin-top: 14px">{span}</p>' if span else "")
    )


def _notices_html(valuation: Valuation, facts: City, language: Language) -> str:
    notices = []
    place = valuation.place
    if place.precision in PLACED:
        within = f", ± {place.uncertainty_m:.0f} m" if place.uncertainty_m else ""
        notices.append(f"{PLACED[place.precision].to(language)}{within}.")
    if valuation.is_extrapolation:
        known = valuation.price_index_period_start
        month = theme.month(known or facts.first_sale, language)
        words = KNOWN_LEVEL if known else NO_LEVEL
        notices.append(
            words.to(language).format(month=month, date=valuation.request.date)
        )
    return "".join(f'<p class="notice">{escape(notice)}</p>' for notice in notices)


@dataclass(frozen=True)
class _Scale:
    """The amounts that rows of spans share."""

    low_sek: float
    high_sek: float

    @classmethod
    def of(cls, valued: Sequence[Valuation], *others: float) -> _Scale:
        amounts = [float(each.value_sek) for each in valued] + list(others)
        for each in valued:
            amounts += [end for end in (each.low_sek, each.high_sek) if end is not None]
        return cls(min(amounts, default=0.0), max(amounts, default=1.0))

    def at(self, amount_sek: float) -> float:
        """Place an amount, in per cent of the width, with some room at either end."""
        share = (amount_sek - self.low_sek) / max(self.high_sek - self.low_sek, 1.0)
        return 3 + 94 * share


def _span_html(
    valuation: Valuation, scale: _Scale, asked_sek: float | None = None
) -> str:
    marks = f'<i class="mark" style="left: {scale.at(valuation.value_sek):.1f}%"></i>'
    low, high = valuation.low_sek, valuation.high_sek
    said = ""
    if low is not None and high is not None:
        left, right = scale.at(low), scale.at(high)
        room, middle = f"{SPAN_EM / 2}em", f"{(left + right) / 2:.1f}%"
        where = f"clamp({room}, {middle}, 100% - {room})"
        ends = f"{rounded(low)} – {rounded(high)}{theme.NBSP}kr"
        said = f'<small class="number" style="left: {where}">{ends}</small>'
        marks = (
            f'<i class="bar" style="left: {left:.1f}%; width: {right - left:.1f}%"></i>'
            f"{marks}"
        )
    if asked_sek is not None:
        marks += f'<i class="asked" style="left: {scale.at(asked_sek):.1f}%"></i>'
    return f'<span class="span">{marks}{said}</span>'


def _model_html(
    answer: ModelAnswer,
    scale: _Scale,
    shown: ModelName,
    language: Language,
    *,
    has_reason: bool,
) -> str:
    """Show a model's answer; why it refused only where others answer otherwise."""
    valuation = answer.valuation
    is_valued = valuation is not None and valuation.refusal_reason is None
    is_above = is_valued and answer.name == shown
    note = f"<small>{SHOWN_ABOVE.to(language)}</small>" if is_above else ""
    name = f'<span class="name">{MODEL_NAMES[answer.name].to(language)}{note}</span>'
    if answer.problem is not None:
        return f'<li>{name}<span class="note">{escape(answer.problem)}</span></li>'
    if valuation is None:
        pending = PENDING.to(language)
        return (
            f'<li aria-busy="true">{name}<span class="amount muted">{pending}</span>'
            '<span class="skeleton"></span><span class="took"></span></li>'
        )
    if valuation.refusal_reason is not None:
        reason = REFUSAL_WORDS[valuation.refusal_reason]
        words = reason if has_reason else CLASS_NAMES[0]
        refused = words.to(language)
        return f'<li>{name}<span class="note">{refused}</span></li>'
    seconds = theme.number(valuation.latency_ms / 1000, 2, language)
    took = SECONDS.to(language).format(number=seconds)
    amount = f"{rounded(valuation.value_sek)}{theme.NBSP}kr"
    return (
        f'<li data-value="{valuation.value_sek}" data-made-of="{_made_of(valuation)}">'
        f'{name}<span class="amount number">{amount}</span>'
        f'{_span_html(valuation, scale)}<span class="took number">{took}</span></li>'
    )


def _listed_row(
    name: Words,
    valuation: Valuation,
    price_sek: float,
    scale: _Scale,
    language: Language,
) -> str:
    gap_sek = _rounded_sek(valuation.value_sek - price_sek)
    words = GAP_ABOVE if gap_sek > 0 else GAP_BELOW if gap_sek < 0 else GAP_NONE
    gap = words.to(language).format(amount=theme.sek(abs(gap_sek)))
    share = theme.percent(100 * gap_sek / price_sek, 1, language)
    note = f"{gap} ({'+' if gap_sek > 0 else ''}{share})"
    return (
        f'<li><span class="name">{name.to(language)}<small>{note}</small></span>'
        f'<span class="amount number">{rounded(valuation.value_sek)}'
        f"{theme.NBSP}kr</span>{_span_html(valuation, scale, price_sek)}"
        '<span class="took"></span></li>'
    )
