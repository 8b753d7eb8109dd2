"""What is in use: the snapshot, its tables, the models and the packages.

What belongs here: which version of each thing the page and the valuations read. What
does not: how good a model is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ml.dashboards import shell, theme
from ml.dashboards.flow_now import folded, said, subtitle
from ml.dashboards.health_words import served_name
from ml.dashboards.run_words import local_time
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    import panel as pn

    from ml.dashboards.flow_state import Flow
    from ml.registry import ModelVersion
    from warehouse.serving import Manifest

SNAPSHOT = Words("Ögonblicksbilden som läses", "The snapshot that is read")
SNAPSHOT_LEDE = Words(
    "Sidorna läser alltid en hel ögonblicksbild, aldrig datalagret självt. Nu läses "
    "{id}, publicerad {when}.",
    "The pages always read one whole snapshot, never the warehouse itself. This one is "
    "{id}, published {when}.",
)
KEPT = Words("Ögonblicksbilder som är kvar", "Snapshots that are kept")
TABLES = Words("Rader i varje tabell", "Rows of each table")
MODELS = Words("Modeller och vad de är gjorda av", "Models, and what they are made of")
NO_MODELS = Words(
    "Ingen modell är registrerad ännu. Kör make demo eller gruppen models i Dagster.",
    "No model is registered yet. Run make demo or the group models in Dagster.",
)
UNREADABLE = Words(
    "De här modellerna gick inte att läsa, registrera dem igen: {names}.",
    "These models could not be read, register them again: {names}.",
)
PACKAGES = Words("Paket i bruk", "Packages in use")
PACKAGES_LEDE = Words(
    "I processen som visar den här sidan.", "In the process that shows this page."
)
ID, PUBLISHED = Words("Id", "Id"), Words("Publicerad", "Published")
TABLE_COUNT, ROWS = Words("Tabeller", "Tables"), Words("Rader", "Rows")
IN_USE = Words("Läses nu", "Read now")
YES = Words("ja", "yes")
TABLE, COLUMNS = Words("Tabell", "Table"), Words("Kolumner", "Columns")
MODEL, VERSION = Words("Modell", "Model"), Words("Version", "Version")
REGISTERED = Words("Registrerad", "Registered")
SOLD, NEWEST = Words("Försäljningar", "Sales"), Words("Till och med", "Up to")
DATA, COMMIT = Words("Data", "Data"), Words("Kod (commit)", "Code (commit)")
PACKAGE = Words("Paket", "Package")
SHORT = 12
"""Characters of a digest that are shown."""


def snapshot_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Show the snapshot in use, the others that are kept, and each table's rows."""
    manifest = flow.manifest
    lede = SNAPSHOT_LEDE.to(language).format(
        id=manifest.snapshot_id, when=_published(manifest)
    )
    kept = pd.DataFrame([_kept_row(each, manifest, language) for each in flow.kept])
    tables = pd.DataFrame(
        [
            {
                TABLE.to(language): table.name,
                ROWS.to(language): theme.number(table.row_count, 0, language),
                COLUMNS.to(language): len(table.columns),
            }
            for table in manifest.tables
        ]
    )
    numbers = [words.to(language) for words in (ROWS, COLUMNS, TABLE_COUNT)]
    return shell.card(
        SNAPSHOT.to(language),
        subtitle(KEPT, language),
        shell.content(shell.table_html(kept, right=numbers)),
        folded(TABLES, tables, language),
        lede=lede,
    )


def models_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Show every registered model's newest version and its lineage."""
    parts: list[pn.viewable.Viewable] = []
    if flow.unreadable_models:
        names = ", ".join(flow.unreadable_models)
        parts.append(shell.notice(UNREADABLE.to(language).format(names=names)))
    if flow.models:
        frame = pd.DataFrame([_model_row(each, language) for each in flow.models])
        numbers = [VERSION.to(language), SOLD.to(language)]
        parts.append(shell.content(shell.table_html(frame, right=numbers)))
    else:
        parts.append(said(NO_MODELS.to(language)))
    return shell.card(MODELS.to(language), *parts)


def packages_card(flow: Flow, language: Language) -> pn.viewable.Viewable:
    """Show the versions of what this runs on."""
    frame = pd.DataFrame(
        {
            PACKAGE.to(language): list(flow.packages),
            VERSION.to(language): list(flow.packages.values()),
        }
    )
    return shell.card(
        PACKAGES.to(language),
        shell.content(shell.table_html(frame)),
        lede=PACKAGES_LEDE.to(language),
    )


def _kept_row(each: Manifest, current: Manifest, language: Language) -> dict[str, str]:
    rows = sum(table.row_count for table in each.tables)
    is_current = each.snapshot_id == current.snapshot_id
    return {
        PUBLISHED.to(language): _published(each),
        ID.to(language): each.snapshot_id,
        TABLE_COUNT.to(language): str(len(each.tables)),
        ROWS.to(language): theme.number(rows, 0, language),
        IN_USE.to(language): YES.to(language) if is_current else "",
    }


def _model_row(model: ModelVersion, language: Language) -> dict[str, object]:
    lineage = model.lineage
    inputs = lineage.get("inputs", {})
    data = inputs.get("data_fingerprint") or lineage.get("data_snapshot")
    rows = lineage.get("rows")
    return {
        MODEL.to(language): served_name(model.name, language),
        VERSION.to(language): model.version,
        REGISTERED.to(language): local_time(model.created_at),
        SOLD.to(language): None if rows is None else theme.number(rows, 0, language),
        NEWEST.to(language): lineage.get("last_sold_date"),
        DATA.to(language): None if data is None else str(data)[:SHORT],
        COMMIT.to(language): str(lineage.get("git_commit") or "–")[:SHORT],
    }


def _published(manifest: Manifest) -> str:
    return local_time(f"{manifest.created_at.isoformat()}+00:00")
