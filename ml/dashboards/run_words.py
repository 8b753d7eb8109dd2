"""What the last runs did, in sentences: what failed, and what to do about it.

What belongs here: the words of runs, steps, checks and the kinds of errors we know.
What does not: reading Dagster (``dagster_assets.run_history`` writes the file), and
HTML: an error's own text is given as text, which whoever shows it must escape.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ml.dashboards.health_words import served_name
from ml.dashboards.theme import NBSP
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NIGHTLY = "nightly"

STATUSES = {
    "SUCCESS": Words("klar", "done"),
    "FAILURE": Words("misslyckades", "failed"),
    "CANCELED": Words("avbruten", "cancelled"),
    "CANCELING": Words("avbryts", "being cancelled"),
    "STARTED": Words("pågår", "running"),
    "STARTING": Words("startar", "starting"),
    "QUEUED": Words("väntar", "queued"),
    "NOT_STARTED": Words("väntar", "queued"),
    "MANAGED": Words("väntar", "queued"),
}
STARTED_BY_HAND = Words("Körningen", "The run")
STARTED_BY_NIGHT = Words("Nattkörningen", "The nightly run")
NAMED_STEPS = {
    "booli_crawl": Words("crawlen", "the crawl"),
    "dbt_models": Words("dbt-bygget", "the dbt build"),
}
STEP = Words("steget", "the step")

RUN_AGAIN = Words(
    "Kör sedan om det som misslyckades i Dagster.",
    "Then run what failed again in Dagster.",
)


@dataclass(frozen=True)
class KnownError:
    """An error we know: how to tell it, what it means and what to do."""

    kinds: frozenset[str]
    pattern: str
    meaning: Words
    advice: Words

    def fits(self, kind: str, message: str) -> bool:
        """Say whether an error is of this sort, by its class and its first line."""
        if self.kinds and kind not in self.kinds:
            return False
        return re.search(self.pattern, message, re.IGNORECASE) is not None


def _known(kinds: str, pattern: str, meaning: Words, advice: Words) -> KnownError:
    return KnownError(frozenset(kinds.split()), pattern, meaning, advice)


KNOWN_ERRORS = (
    _known(
        "Failure",
        r"exit code 4\b",
        Words(
            "Sajten stoppade crawlen med en robotkontroll.",
            "The site stopped the crawl with a bot challenge.",
        ),
        Words(
            "Vänta till nästa natt: det som hann landa är kvar och crawlen fortsätter "
            "därifrån. Kringgå aldrig kontrollen.",
            "Wait for the next night: what had landed is kept, and the crawl goes on "
            "from there. Never work around the challenge.",
        ),
    ),
    _known(
        "Failure",
        r"exit code 5\b",
        Words(
            "Sajtens sidor ser inte ut som väntat.",
            "The site's pages do not look as expected.",
        ),
        Words(
            "Sidorna är sparade. Läs crawlens sista rader i loggen och rätta "
            "sidtolkningen i scrapy_project/pages; inget behöver hämtas om.",
            "The pages are kept. Read the crawl's last lines in the log and mend the "
            "reading in scrapy_project/pages; nothing need be fetched again.",
        ),
    ),
    _known(
        "Failure",
        r"exit code 6\b",
        Words(
            "Några sidor gick inte att hämta.",
            "Some pages could not be had.",
        ),
        Words(
            "Det som landade är helt. Kör crawlen igen, den tar resten.",
            "What landed is whole. Run the crawl again; it takes the rest.",
        ),
    ),
    _known(
        "Failure",
        r"exit code 7\b",
        Words(
            "Sajten bad crawlen att vänta längre än en natt.",
            "The site asked the crawl to wait longer than a night.",
        ),
        Words(
            "Låt den vila; nästa natts crawl fortsätter där den slutade.",
            "Let it rest; the next night's crawl goes on where it stopped.",
        ),
    ),
    _known(
        "Failure",
        r"exit code 8\b",
        Words(
            "Crawlen blev klar, men kontrollerna hade invändningar mot det den fann.",
            "The crawl finished, but its monitors object to what it found.",
        ),
        Words(
            "Läs invändningarna sist i crawlens logg; varje säger vad som ska göras.",
            "Read the objections at the end of the crawl's log; each says what to do.",
        ),
    ),
    _known(
        "Failure",
        r"exit code 2\b",
        Words(
            "Crawlen fick argument som den inte förstår, eller en tid då den inte får "
            "köra.",
            "The crawl was given arguments it does not understand, or hours in which "
            "it may not run.",
        ),
        Words(
            "Rätta inställningarna för steget i Dagster.",
            "Mend the step's configuration in Dagster.",
        ),
    ),
    _known(
        "",
        r"exit code 3\b|could not set lock|conflicting lock|another process holds",
        Words(
            "Ett annat program hade warehouse.duckdb öppen.",
            "Another program had warehouse.duckdb open.",
        ),
        Words(
            "Stäng det: felet i Dagster nämner det. DuckDB har en skrivare i taget.",
            "Close it: the error in Dagster names it. DuckDB has one writer at a time.",
        ),
    ),
    _known(
        "WarehouseBusyError",
        "",
        Words(
            "Ett annat program hade datalagret öppet.",
            "Another program had the warehouse open.",
        ),
        Words(
            "Stäng det. DuckDB har en skrivare i taget.",
            "Close it. DuckDB has one writer at a time.",
        ),
    ),
    _known(
        "",
        r"no space left|disk full|disk quota",
        Words("Disken är full.", "The disk is full."),
        Words(
            "Gör plats, eller flytta datamappen med SLUTPRIS_DATA.",
            "Make room, or move the data folder with SLUTPRIS_DATA.",
        ),
    ),
    _known(
        "OutOfMemoryException MemoryError",
        "",
        Words("Minnet tog slut.", "It ran out of memory."),
        Words(
            "Stäng andra program, eller ge DuckDB en lägre gräns med "
            "SLUTPRIS_MEMORY_LIMIT så att den använder disken.",
            "Close other programs, or give DuckDB a lower limit with "
            "SLUTPRIS_MEMORY_LIMIT so that it uses the disk.",
        ),
    ),
    # dbt's error holds what every table said: what is known of that says more
    _known(
        "DagsterDbtCliRuntimeError",
        "",
        Words(
            "dbt kunde inte bygga alla tabeller, eller ett dbt-test föll.",
            "dbt could not build every table, or a dbt test failed.",
        ),
        Words(
            "Se kortet om dbt-tester nedan: det säger vilket test och hur många rader.",
            "See the card on dbt tests below: it says which test, and how many rows.",
        ),
    ),
    _known(
        "UnreachableError LateError RegistryUnreachableError "
        "FeatureStoreUnreachableError SharedFilesUnreachableError ConnectionError "
        "ConnectionRefusedError TimeoutError",
        "",
        Words(
            "En tjänst svarade inte, eller inte i tid.",
            "A service did not answer, or not in time.",
        ),
        Words(
            "Se efter att nätet och tjänsten fungerar. Lokala data är orörda.",
            "See that the network and the service are up. Local data are untouched.",
        ),
    ),
    _known(
        "RegistryError",
        "",
        Words(
            "En modell i registret saknas eller är inte den som registrerades.",
            "A model in the registry is missing or is not what was registered.",
        ),
        Words(
            "Träna och registrera den igen: kör gruppen models i Dagster.",
            "Train and register it again: run the group models in Dagster.",
        ),
    ),
    _known(
        "DagsterAssetCheckFailedError",
        "",
        Words(
            "En kontroll stoppade det som skulle ha gjorts av detta.",
            "A check stopped what would have been made of this.",
        ),
        Words(
            "Öppna kontrollen i Dagster: den säger vad den fann, vad den väntade sig "
            "och vad som ska göras.",
            "Open the check in Dagster: it says what it found, what it expected and "
            "what to do.",
        ),
    ),
    _known(
        "DagsterExecutionInterruptedError KeyboardInterrupt",
        "",
        Words("Någon avbröt körningen.", "Somebody stopped the run."),
        Words("Starta den igen.", "Start it again."),
    ),
)
OWN_ADVICE = Words(
    "Felet säger själv vad som ska göras:", "The error itself says what to do:"
)
LOOK_IN_DAGSTER = Words(
    "Felet är inte ett av de kända. Öppna körningen i Dagster och läs hela felet.",
    "The error is none of those we know. Open the run in Dagster and read all of it.",
)
SPEAKING_ERRORS = frozenset(
    {
        "SlutprisError",
        "HopsworksError",
        "MissingError",
        "FeatureStoreError",
        "SharedFileError",
        "LockedError",
        "WarehouseWriteError",
        "NoReportError",
        "ReportError",
    }
)
"""Errors whose message is written for a person, with what to do in it."""

NOT_ENDED = Words(
    "{run} {when} pågår, eller avbröts utan att Dagster hann märka det.",
    "{run} of {when} is running, or was cut off before Dagster could notice.",
)
FAILED = Words("{run} {when} misslyckades.", "{run} of {when} failed.")
CANCELLED = Words("{run} {when} avbröts.", "{run} of {when} was cancelled.")
SUCCEEDED = Words(
    "{run} {when} gick bra: {steps} steg på {time}.",
    "{run} of {when} went well: {steps} steps in {time}.",
)
STEP_FAILED = Words("{step} misslyckades.", "{step} failed.")
NOT_TAKEN_OVER = Words(
    "{model}: den nya versionen klarade inte slutprovet (kontrollen ”{check}”).",
    "{model}: the new version did not pass the final check (“{check}”).",
)
GATE, CHAMPIONS = "gate", "champions/"
CHECK_FAILED = Words(
    "Kontrollen {check} av {asset} godkändes inte.",
    "The check {check} of {asset} did not pass.",
)


@dataclass(frozen=True)
class Failure:
    """One thing that failed, in words; ``quoted`` is the error's own first line."""

    what: str
    meaning: str
    advice: str
    quoted: str


def run_sentence(run: Mapping[str, Any], language: Language) -> str:
    """Say how a run went, in a sentence."""
    words = {
        "SUCCESS": SUCCEEDED,
        "FAILURE": FAILED,
        "CANCELED": CANCELLED,
        "CANCELING": CANCELLED,
    }.get(run["status"], NOT_ENDED)
    return words.to(language).format(
        run=run_name(run, language),
        when=local_time(run["started_at"]),
        time=duration(run["started_at"], run["finished_at"], language),
        steps=run["steps_succeeded"],
    )


def run_name(run: Mapping[str, Any], language: Language) -> str:
    """Name a run by what started it."""
    is_nightly = run.get("schedule") == NIGHTLY
    return (STARTED_BY_NIGHT if is_nightly else STARTED_BY_HAND).to(language)


def failures(run: Mapping[str, Any], language: Language) -> list[Failure]:
    """Say what failed in a run: its steps, or the run itself when no step did."""
    found = [_step_failure(step, language) for step in run["failed_steps"]]
    if not found and run["status"] == "FAILURE":
        step = {"step": "", "kind": None, "message": run.get("message") or ""}
        found = [_step_failure(step, language)]
    return found


def check_sentences(run: Mapping[str, Any], language: Language) -> list[str]:
    """Say which checks did not pass in a run."""
    return [_check_sentence(found, language) for found in run["failed_checks"]]


def _check_sentence(found: Mapping[str, Any], language: Language) -> str:
    check, asset = found["check"], found["asset"]
    if check == GATE and asset.startswith(CHAMPIONS):
        model = served_name(asset.removeprefix(CHAMPIONS), language)
        return NOT_TAKEN_OVER.to(language).format(model=model, check=check)
    return CHECK_FAILED.to(language).format(check=check, asset=asset)


def step_name(step: str, language: Language) -> str:
    """Name a step as a person would: ``steget models/xgboost``, ``crawlen``."""
    named = NAMED_STEPS.get(step)
    return named.to(language) if named else f"{STEP.to(language)} {step}"


def local_time(utc: str | None) -> str:
    """Write a moment in Swedish time: ``2026-11-24 03:10``."""
    if utc is None:
        return "–"
    return f"{dt.datetime.fromisoformat(utc).astimezone(STOCKHOLM):%Y-%m-%d %H:%M}"


def duration(start: str | None, end: str | None, language: Language) -> str:
    """Write how long it took: ``3 h 12 min``, ``45 s``; no line breaks in it."""
    if start is None or end is None:
        return "–"
    seconds = round(
        (dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(start))
        / dt.timedelta(seconds=1)
    )
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    hour = Words("tim", "h").to(language)
    if hours:
        written = f"{hours} {hour} {minutes} min"
    else:
        written = f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
    return written.replace(" ", NBSP)


def _step_failure(step: Mapping[str, Any], language: Language) -> Failure:
    kind, message = step["kind"] or "", step["message"] or ""
    name = step_name(step["step"], language) if step["step"] else ""
    what = STEP_FAILED.to(language).format(step=_capitalised(name)) if name else ""
    for known in KNOWN_ERRORS:
        if known.fits(kind, message):
            advice = f"{known.advice.to(language)} {RUN_AGAIN.to(language)}"
            return Failure(what, known.meaning.to(language), advice, _quoted(message))
    advice = OWN_ADVICE if kind in SPEAKING_ERRORS else LOOK_IN_DAGSTER
    return Failure(what, "", advice.to(language), _quoted(message))


def _quoted(message: str) -> str:
    """Leave out the module before the name of an error's class."""
    return re.sub(r"^(\w+\.)+(?=\w+: )", "", message)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
