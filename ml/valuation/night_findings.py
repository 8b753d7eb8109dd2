"""What the night's checks find of models, features and the forward log.

What belongs here: verdicts on reports and files that others wrote. What does not:
measuring (``drift``, ``health``), the gate, and how Dagster shows a verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.champions import Champions
from ml.folder_registry import FolderRegistry
from ml.model_versions import verify
from ml.registry import RegistryError
from ml.valuation.forward_log import read_log
from ml.valuation.health import by_month, champion, totals
from warehouse.findings import Finding, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ml.valuation.health import SegmentHealth
    from ml.valuation.kept_reports import Backtested
    from warehouse.settings import Settings

FEWEST_SALES = 20
"""A month of fewer sales has an average error of its own."""
NOT_ENOUGH = "nothing to judge yet"


def judge_drift(
    report: Mapping[str, Any], *, limit_psi: float, least_importance_pct: float
) -> Finding:
    """Name the important features whose last quarter differs from the year before."""
    important = [
        each
        for each in report["features"]
        if each["importance_pct"] >= least_importance_pct
    ]
    drifted = [
        each for each in important if each["is_shift"] and each["psi"] >= limit_psi
    ]
    calm = f"{len(important)} important features, none beyond" if important else ""
    return Finding(
        passed=not drifted,
        found=named([_drifted(each) for each in drifted]) or calm or NOT_ENOUGH,
        expected=f"a stability index below {limit_psi:g} of features with "
        f"{least_importance_pct:g} % or more of the influence",
        advice="look at these features on the monitoring page: a field that is missing "
        "or misread is mended in scrapy_project/pages, a market that moved by training "
        "anew.",
        figures={"important": len(important), "drifted": len(drifted)}
        | {f"{each['feature']}_psi": round(each["psi"], 3) for each in drifted},
        is_grave=False,
    )


def _drifted(feature: Mapping[str, Any]) -> str:
    return (
        f"{feature['feature']} has {feature['psi']:.2f} (median "
        f"{_written(feature['reference_median'])} to "
        f"{_written(feature['current_median'])}, missing "
        f"{feature['reference_missing_pct']:.0f} to "
        f"{feature['current_missing_pct']:.0f} %)"
    )


def _written(figure: float | None) -> str:
    return "none" if figure is None else f"{figure:.4g}"


def judge_bias(
    backtested: Backtested, registered: list[str], *, limit_pct: float
) -> Finding:
    """Say how far the champion lay off on average in the last month it was tested on.

    Parameters
    ----------
    backtested
        The standing backtest.
    registered
        Models of the registry, of which the best is judged.
    limit_pct
        An average beyond it fails, unless chance alone may have made it.
    """
    name = champion(totals(backtested), registered)
    months = by_month(backtested, name) if name else []
    last = months[-1] if months else None
    if last is None or last.n < FEWEST_SALES:
        sold = last.n if last else 0
        found = f"{NOT_ENOUGH}: {sold} sales in the last month"
        expected = f"{FEWEST_SALES} sales or more"
        return Finding(True, found, expected, "", {"sales": sold}, is_grave=False)
    bias = last.bias_pct
    is_sure = bias.low > 0 or bias.high < 0
    return Finding(
        passed=not (is_sure and abs(bias.figure) > limit_pct),
        found=f"{name} lay {bias.figure:+.1f} % off on average in {last.label} "
        f"(95 %: {bias.low:+.1f} to {bias.high:+.1f}, {last.n} sales)",
        expected=f"at most {limit_pct:g} % either way, or no more than chance",
        advice="look at the months before on the monitoring page: a lasting bias means "
        "that the market turned, so train anew (group models); one month may have been "
        "odd.",
        figures=_bias_figures(last),
        is_grave=False,
    )


def _bias_figures(month: SegmentHealth) -> dict[str, Any]:
    bias = month.bias_pct
    return {
        "month": month.label,
        "bias_pct": round(bias.figure, 2),
        "bias_low_pct": round(bias.low, 2),
        "bias_high_pct": round(bias.high, 2),
        "sales": month.n,
    }


def registry_is_intact(settings: Settings, name: str) -> Finding:
    """Prove that what serves, and the newest version, are as they were registered.

    A damaged champion that another version stands in for is not grave: the newest one
    may be the cure, and the gate has to judge it for that.
    """
    registry = FolderRegistry(settings.registry_dir)
    numbers = registry.numbers(name)[-1:]
    notes, damage = [], []
    try:
        served = Champions.of(settings).verified(name)
    except RegistryError as error:
        damage.append(str(error))
    else:
        notes += [served.note] if served.note else []
        numbers = sorted({*numbers, served.version.version})
    damage += _unverified(registry, name, numbers)
    problems = notes + damage
    versions = " and ".join(map(str, numbers))
    return Finding(
        passed=not problems,
        found=named(problems)
        or f"{name}: every file of version {versions} has the digest it was given",
        expected="every served version as it was registered",
        advice="nothing where the newest version is whole: the gate judges it, and "
        "the champion before serves meanwhile. Otherwise train again (materialize the "
        "model in Dagster), or restore the version's folder from a backup.",
        figures={"versions": len(numbers), "problems": len(problems)},
        is_grave=bool(damage),
    )


def _unverified(
    registry: FolderRegistry, name: str, numbers: list[int]
) -> Iterator[str]:
    for number in numbers:
        try:
            verify(registry.folder(name, number), f"{name} version {number}")
        except RegistryError as error:
            yield str(error)


def forward_log_is_intact(folder: Path) -> Finding:
    """Look whether every line of the log of valuations is a whole record."""
    log = read_log(folder)
    lines = [
        f"{line.file} line {line.line_number}: {line.reason}" for line in log.damaged
    ]
    return Finding(
        passed=not lines,
        found=named(lines) or f"{len(log.records)} valuations, every line whole",
        expected="no damaged line",
        advice="restore the file from a backup, or leave the line: it is skipped, kept "
        "where it stands, and no other is touched.",
        figures={"valuations": len(log.records), "damaged_lines": len(lines)},
        is_grave=False,
    )
