"""The gate: which version of each model serves, and the two ways to overrule it."""

from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_assets.defs.training import HEDONICS
from ml.champions import Champions
from ml.decision_log import GATE, Entry
from ml.valuation.gate import Decision, ensure_judged
from ml.valuation.registration import served_names
from warehouse.errors import SlutprisError
from warehouse.settings import Settings
from warehouse.store import connect

CHECK = "gate"
COLUMNS = ("rule", "verdict", "figure", "limit", "in_words")


def champion_key(name: str) -> dg.AssetKey:
    """Give the key of a served model's champion."""
    return dg.AssetKey(["champions", name])


def champion_asset(name: str) -> dg.AssetsDefinition:
    """The asset of one model's champion: the version that serves."""
    key = champion_key(name)

    @dg.asset(
        key=key,
        description=f"The version of {name} that serves. A new one takes over when it "
        "meets every rule of its check; to overrule that, launch the job promote_model "
        "or roll_back_model.",
        deps=[
            dg.AssetKey(["models", name]),
            dg.AssetKey(["models", "seed_recipe"]),
            HEDONICS,
        ],
        group_name="gate",
        kinds={"python"},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                description="The newest version serves: it beats the champion, the "
                "indexed comparables and the seed recipe on the same recent sales, its "
                "ranges and ratio figures are inside their bands, and no slice is "
                "worse. Refused, the champion goes on serving.",
            )
        ],
    )
    def champion() -> dg.MaterializeResult:
        settings = Settings()
        with connect(read_only=True) as connection:
            decision = ensure_judged(name, connection, settings)
        return dg.MaterializeResult(
            metadata=_figures(decision), check_results=[_check(decision)]
        )

    return champion


xgboost_champion = champion_asset("xgboost")
xgboost_listed_champion = champion_asset("xgboost_listed")
autogluon_champion = champion_asset("autogluon")
autogluon_listed_champion = champion_asset("autogluon_listed")
blend_champion = champion_asset("blend")
blend_listed_champion = champion_asset("blend_listed")


class Served(Enum):
    """The models that are served: the Launchpad offers them, and takes no other."""

    xgboost = "xgboost"
    xgboost_listed = "xgboost_listed"
    autogluon = "autogluon"
    autogluon_listed = "autogluon_listed"
    blend = "blend"
    blend_listed = "blend_listed"


class RollBackConfig(dg.Config):
    """Which model, why and who."""

    name: Served = Field(description=f"The model: one of {', '.join(served_names())}.")
    reason: str = Field(description="Why; kept in the log of decisions.")
    by: str = Field(description="Who decides: your name, kept in the log.")


class PromoteConfig(RollBackConfig):
    """Which version of which model, why and who."""

    version: int | None = Field(
        None, description="The version's number; the newest when left out."
    )


@dg.op(out=dg.Out(dg.Nothing))
def promote(context: dg.OpExecutionContext, config: PromoteConfig) -> None:
    """Let a version serve, whatever the gate said of it."""
    entry = Champions.of(Settings()).promote(
        config.name.value, config.version, by=_person(config), reason=config.reason
    )
    _tell(context, entry)


@dg.op(out=dg.Out(dg.Nothing))
def roll_back(context: dg.OpExecutionContext, config: RollBackConfig) -> None:
    """Let the version serve that did before."""
    entry = Champions.of(Settings()).roll_back(
        config.name.value, by=_person(config), reason=config.reason
    )
    _tell(context, entry)


@dg.job(
    description="Let a version of a model serve, whatever the gate said of it. The "
    "dashboards take it up within seconds, the registry that is published to with the "
    "next run. The gate lets it be until a newer version comes."
)
def promote_model() -> None:
    """One step."""
    promote()


@dg.job(
    description="Let the version of a model serve that did before the present one. The "
    "dashboards take it up within seconds, the registry that is published to with the "
    "next run. The gate does not undo it: only a newer version is judged again."
)
def roll_back_model() -> None:
    """One step."""
    roll_back()


def _person(config: RollBackConfig) -> str:
    """Give who decides; it must not look as if the gate had."""
    if config.by.strip() == GATE:
        raise SlutprisError(f"{GATE!r} is nobody's name; say in `by` who decides")
    return config.by


def _tell(context: dg.OpExecutionContext, entry: Entry) -> None:
    champions = Champions.of(Settings())
    context.log.info(
        f"{entry.name} version {entry.to_version} serves; "
        f"{entry.by}: {entry.reason} ({champions.path(entry.name)})"
    )
    context.log_event(
        dg.AssetObservation(
            asset_key=champion_key(entry.name),
            description=f"{entry.action} by {entry.by}: {entry.reason}",
            metadata={
                "serves_version": entry.to_version,
                "served_before": entry.from_version or 0,
                "by": entry.by,
                "reason": entry.reason,
            },
        )
    )


def _figures(decision: Decision) -> dict[str, Any]:
    judgement = decision.judgement
    return {
        "decision": decision.sentence,
        "serves_version": decision.serves,
        "newest_version": decision.version,
        "sales": judgement.sale_count,
        "since": judgement.since,
        "until": judgement.until,
        **{f"{name}_mape_pct": round(x, 3) for name, x in judgement.mape_pct.items()},
        **{
            rule.name: round(rule.figure, 4)
            for rule in judgement.rules
            if rule.figure is not None and not rule.name.startswith("beats_")
        },
        "log": dg.MetadataValue.path(Champions.of(Settings()).path(decision.name)),
    }


def _check(decision: Decision) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=decision.is_fine,
        severity=dg.AssetCheckSeverity.WARN,
        description=decision.sentence,
        metadata={
            "decision": decision.sentence,
            "rules": _table(decision),
            "serves_version": decision.serves,
            "newest_version": decision.version,
            "rules_not_met": len(decision.judgement.failed),
            "sales": decision.judgement.sale_count,
        },
    )


def _table(decision: Decision) -> dg.TableMetadataValue:
    """Show every rule with its figure and limit, those not met first."""
    rules = sorted(decision.judgement.rules, key=lambda rule: rule.passed)
    records = [
        dg.TableRecord(
            {
                "rule": rule.name.replace("_", " "),
                "verdict": "met" if rule.passed else "NOT MET",
                "figure": ""
                if rule.figure is None
                else f"{rule.figure:.3f}".rstrip("0").rstrip("."),
                "limit": rule.limit,
                "in_words": rule.words,
            }
        )
        for rule in rules
    ]
    columns = [dg.TableColumn(name, "string") for name in COLUMNS]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
