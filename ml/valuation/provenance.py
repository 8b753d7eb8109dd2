"""What a result rests on: fingerprints of rows and of code, the commit.

What belongs here: naming inputs so that equal names mean equal results. What does not:
deciding what to do again (``evaluation``, ``registration``).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from warehouse.code_version import git_commit as git_commit

AFTER_FITTING = {
    "agencies",
    "agency_report",
    "agency_table",
    "assessment",
    "backtest",
    "batch",
    "batch_files",
    "batch_output",
    "batch_words",
    "bootstrap",
    "checkpoints",
    "evaluation",
    "cadence",
    "forward_log",
    "gate",
    "gate_evidence",
    "gate_rules",
    "health",
    "kept_reports",
    "latest_sales",
    "markup",
    "metrics",
    "plots",
    "report",
    "report_charts",
    "report_sections",
    "report_tables",
    "segments",
    "tables",
    "typed",
    "unseen",
}
"""Modules that only see valuations that are made."""


def fingerprint(sales: pd.DataFrame) -> str:
    """Hash every value of a frame (sha256): equal rows, equal fingerprint."""
    hashes = pd.util.hash_pandas_object(sales, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()


def fitting_fingerprint() -> str:
    """Hash the code and hyperparameters that valuations may rest on (sha256)."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in {".py", ".json"} and path.stem not in AFTER_FITTING:
            digest.update(path.read_bytes())
    return digest.hexdigest()
