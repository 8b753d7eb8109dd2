"""Where `dg` and Dagster find everything: the modules of ``defs/``, loaded by name."""

from __future__ import annotations

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """All assets, checks, schedules and resources of the project."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
