"""The gate: a new version of a model serves when it has proved better, and not before.

What belongs here: judging the newest version, and having the verdict acted on and
logged. What does not: the rules (``gate_rules``), what they are asked of
(``gate_evidence``), and what a champion is (``ml.champions``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ml.champions import Champions
from ml.decision_log import GATE
from ml.registry import RegistryError
from ml.valuation.described import read_described_sales
from ml.valuation.gate_evidence import CannotBeJudgedError, gather
from ml.valuation.gate_rules import (
    CHALLENGER,
    TITLES,
    Rule,
    judged,
    mape_of_each,
)

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from ml.registry import ModelVersion
    from warehouse.settings import Settings

Verdict = Literal["promoted", "refused", "serves_already"]


@dataclass(frozen=True)
class Judgement:
    """The rules' verdicts on one version, and the figures they rest on.

    ``mape_pct`` is by contender; ``since`` and ``until`` are the first and last day of
    the sales, empty where the version could not be judged.
    """

    rules: list[Rule]
    mape_pct: dict[str, float]
    sale_count: int = 0
    since: str = ""
    until: str = ""

    @property
    def failed(self) -> list[Rule]:
        """The rules that were not met."""
        return [rule for rule in self.rules if not rule.passed]

    @property
    def comparison(self) -> str:
        """Its mean error beside those of the others; for a version that was judged."""
        others = ", ".join(
            f"{TITLES[name]} {mape:.2f} %"
            for name, mape in self.mape_pct.items()
            if name != CHALLENGER
        )
        return (
            f"on {self.sale_count} sales from {self.since} to {self.until} its mean "
            f"error is {self.mape_pct[CHALLENGER]:.2f} %, against {others}"
        )

    def figures(self) -> dict[str, Any]:
        """Give what the log of decisions keeps."""
        return {
            "sales": self.sale_count,
            "since": self.since,
            "until": self.until,
            **{f"{name}_mape_pct": round(x, 4) for name, x in self.mape_pct.items()},
            **{
                rule.name: round(rule.figure, 4)
                for rule in self.rules
                if rule.figure is not None and not rule.name.startswith("beats_")
            },
            "failed": [rule.words for rule in self.failed],
        }


@dataclass(frozen=True)
class Decision:
    """What the gate made of the newest version of a model, and what serves now."""

    name: str
    version: int
    verdict: Verdict
    served_before: int | None
    serves: int
    judgement: Judgement

    @property
    def is_fine(self) -> bool:
        """Whether the newest version serves and meets every rule."""
        return self.serves == self.version and not self.judgement.failed

    @property
    def sentence(self) -> str:
        """Say it plainly, with the figures that decided."""
        return f"{self._what} {self._why}"

    @property
    def _what(self) -> str:
        title = f"{self.name} version {self.version}"
        if self.verdict == "promoted":
            return f"{title} serves from now on."
        if self.verdict == "serves_already":
            return f"{title} is the champion already."
        if self.serves == self.version:
            return f"{title} was refused, and stands in since nothing else can serve."
        return f"{title} was refused; version {self.serves} goes on serving."

    @property
    def _why(self) -> str:
        judgement = self.judgement
        if judgement.failed:
            said = "; ".join(rule.words for rule in judgement.failed)
            return f"Not met: {said}. {self._to_do}"
        return f"It met every rule: {judgement.comparison}."

    @property
    def _to_do(self) -> str:
        if self.verdict == "serves_already":
            return (
                "It would not be promoted today: look at the models on the monitoring "
                "page, and roll back if an older version was better."
            )
        return (
            "Nothing needs to be done: the next version is judged anew. To let this "
            f"one serve all the same: python -m ml.champions promote {self.name} "
            f"{self.version} --reason TEXT"
        )


def ensure_judged(
    name: str, connection: duckdb.DuckDBPyConnection, settings: Settings
) -> Decision:
    """Judge a model's newest version, promote it or not, and log what is new.

    Judging the same version on the same sales again decides the same, and logs nothing.

    Raises
    ------
    SlutprisError
        When the model was never trained, or the marts are not built.
    """
    champions = Champions.of(settings)
    champions.registry.get(name)
    sales = read_described_sales(connection, settings)
    return decided(name, champions, sales, settings)


def decided(
    name: str, champions: Champions, sales: pd.DataFrame, settings: Settings
) -> Decision:
    """The same on described sales that are read already."""
    challenger = champions.registry.get(name)
    incumbent = _incumbent(challenger, champions)
    judgement = judgement_of(challenger, champions, sales, settings)
    last = champions.history(name).last
    verdict = _acted_on(judgement, challenger, incumbent, champions)
    serves = challenger if verdict != "refused" else incumbent or challenger
    return Decision(
        name,
        challenger.version,
        verdict,
        last.to_version if last else None,
        serves.version,
        judgement,
    )


def judgement_of(
    challenger: ModelVersion,
    champions: Champions,
    sales: pd.DataFrame,
    settings: Settings,
) -> Judgement:
    """Judge a version against what serves; nothing is changed."""
    wished = _no_person_passed_it_over(challenger, champions)
    try:
        answers = gather(challenger, champions, sales, settings)
    except (CannotBeJudgedError, RegistryError) as error:
        rule = Rule("can_be_judged", False, None, "files that answer", str(error))
        return Judgement([rule, *wished], {})
    days = answers.sales.loc[answers.common, "sold_date"]
    return Judgement(
        [*judged(answers, settings), *wished],
        mape_of_each(answers),
        len(days),
        *(_day(days.min()), _day(days.max())),
    )


def _acted_on(
    judgement: Judgement,
    challenger: ModelVersion,
    incumbent: ModelVersion | None,
    champions: Champions,
) -> Verdict:
    """Promote the challenger, or log that it was refused."""
    if not judgement.failed:
        before = champions.history(challenger.name).last
        entry = champions.promote(
            challenger.name,
            challenger.version,
            by=GATE,
            reason=f"met every rule: {judgement.comparison}",
            figures=judgement.figures(),
        )
        return "serves_already" if entry == before else "promoted"
    if _is_champion(challenger, champions, incumbent):
        return "serves_already"
    names = ", ".join(rule.name.replace("_", " ") for rule in judgement.failed)
    champions.keep(
        challenger,
        incumbent or challenger,
        by=GATE,
        reason=f"not met: {names}",
        figures=judgement.figures(),
    )
    return "refused"


def _no_person_passed_it_over(
    challenger: ModelVersion, champions: Champions
) -> list[Rule]:
    entry = champions.history(challenger.name).passed_over(challenger.version)
    if entry is None:
        return []
    return [
        Rule(
            "no_person_passed_it_over",
            False,
            None,
            "a newer version, or a person's word",
            f"{entry.by} chose version {entry.to_version} on {entry.at[:10]} "
            f"({entry.reason}), and that stands until a newer version comes",
        )
    ]


def _incumbent(challenger: ModelVersion, champions: Champions) -> ModelVersion | None:
    try:
        return champions.incumbent(challenger.name, challenger.version)
    except RegistryError:
        return None  # nothing that served can be read any more


def _is_champion(
    challenger: ModelVersion, champions: Champions, incumbent: ModelVersion | None
) -> bool:
    return (
        incumbent is not None
        and incumbent.version == challenger.version
        and champions.history(challenger.name).has_passed(challenger.version)
    )


def _day(day: pd.Timestamp) -> str:
    return "" if day != day else f"{day:%Y-%m-%d}"
