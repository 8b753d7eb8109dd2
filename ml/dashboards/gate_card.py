"""Which version of each model answers visitors, and who decided that.

What belongs here: the card of the last decisions. What does not: deciding
(``ml.champions``), and how good the models are (``model_health``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.champions import Champions
from ml.dashboards import shell
from ml.dashboards.health_words import served_name
from ml.dashboards.tables import marked_table
from ml.decision_log import GATE
from ml.registry import RegistryError
from ml.valuation.registration import served_names
from ml.valuation.words import Words

if TYPE_CHECKING:
    import panel as pn

    from ml.decision_log import Entry
    from ml.valuation.words import Language
    from warehouse.settings import Settings

TITLE = Words("Versionen som svarar", "The version that answers")
LEDE = Words(
    "En ny version tar över när den på samma senaste försäljningar slår den som "
    "svarar, de indexerade jämförelserna och föregångarens recept, med intervall och "
    "kvotmått inom sina gränser. Siffrorna står i Dagster, under kontrollen ”gate”.",
    "A new version takes over when it beats the one that answers, the indexed "
    "comparables and the predecessor's recipe on the same latest sales, with ranges "
    "and ratio figures within their bands. The figures are in Dagster, under the "
    "check “gate”.",
)
COLUMNS = (
    Words("Modell", "Model"),
    Words("Svarar", "Answers"),
    Words("Nyast", "Newest"),
    Words("Senaste beslut", "Last decision"),
)
UNDECIDED = Words(
    "Inget: den nyaste svarar tills någon prövats.",
    "None: the newest answers until one is judged.",
)
UNREADABLE = Words("går inte att läsa", "cannot be read")
DECISIONS = {
    "promote": Words(
        "{day}: version {version} tog över", "{day}: version {version} took over"
    ),
    "first": Words(
        "{day}: version {version}, den första", "{day}: version {version}, the first"
    ),
    "keep": Words(
        "{day}: version {version} nekades", "{day}: version {version} was refused"
    ),
    "roll_back": Words(
        "{day}: version {version} togs ur bruk",
        "{day}: version {version} was rolled back",
    ),
}
NONE_BETTER = Words(
    ", men svarar tills en version godkänts", ", but answers until one passes"
)
BY_PERSON = Words(", av {by}: {reason}", ", by {by}: {reason}")
VERSION = Words("version {number}", "version {number}")


def gate_card(settings: Settings, language: Language) -> pn.viewable.Viewable | None:
    """List the served models; None where none is registered here."""
    champions = Champions.of(settings)
    names = [name for name in served_names() if champions.registry.numbers(name)]
    if not names:
        return None
    rows = [_row(champions, name, language) for name in names]
    html = marked_table(COLUMNS, rows, language)
    return shell.card(TITLE.to(language), shell.content(html), lede=LEDE.to(language))


def _row(champions: Champions, name: str, language: Language) -> list[object]:
    last = champions.history(name).last
    newest = champions.registry.numbers(name)[-1]
    answering = _answering(champions, name, language)
    return [
        served_name(name, language),
        answering,
        VERSION.to(language).format(number=newest),
        UNDECIDED.to(language)
        if last is None
        else _decision(last, language) + _until(last, answering, language),
    ]


def _answering(champions: Champions, name: str, language: Language) -> str:
    try:
        number = champions.served(name).version.version
    except RegistryError:
        return UNREADABLE.to(language)
    return VERSION.to(language).format(number=number)


def _until(entry: Entry, answering: str, language: Language) -> str:
    """Explain that a refused version answers: no version passed as yet."""
    refused = VERSION.to(language).format(number=entry.version)
    is_explained = entry.action == "keep" and refused == answering
    return NONE_BETTER.to(language) if is_explained else ""


def _decision(entry: Entry, language: Language) -> str:
    # The first version has none to take over from.
    is_first = entry.action == "promote" and entry.version == 1
    is_first = is_first and entry.from_version is None
    said = (
        DECISIONS["first" if is_first else entry.action]
        .to(language)
        .format(day=entry.at[:10], version=entry.version)
    )
    if entry.by == GATE:
        return said
    by, reason = entry.by[: shell.LONGEST_CELL], entry.reason[: shell.LONGEST_CELL]
    return said + BY_PERSON.to(language).format(by=by, reason=reason)
