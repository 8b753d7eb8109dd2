"""The description file every saved model carries: which model, how it was encoded.

Knows nothing of any model's own format; ``models.load_model`` dispatches on it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION = "model.json"


def write_description(folder: Path, model: str, **values: Any) -> None:  # noqa: ANN401
    """Write ``model.json`` into a folder, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"model": model, **values}, ensure_ascii=False, indent=1)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """Read ``model.json``.

    Raises
    ------
    SlutprisError
        When the folder holds no saved model.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise SlutprisError(
            f"{folder} holds no saved model ({DESCRIPTION} is missing); train one first"
        )
    return json.loads(path.read_text(encoding="utf-8"))
