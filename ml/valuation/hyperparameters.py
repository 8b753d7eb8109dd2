"""Hyperparameters as last searched and reviewed, in ``hyperparameters.json``.

What belongs here: reading the file. What does not: searching (``search``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("hyperparameters.json")


def reviewed_parameters() -> dict[str, dict[str, Any]]:
    """Hyperparameters by learner: ``xgboost``, ``lightgbm`` and ``neural``."""
    content = json.loads(PATH.read_text(encoding="utf-8"))
    return {name: content[name] for name in ("xgboost", "lightgbm", "neural")}
