"""Small files as Riksbanken and SCB publish them, for the tests of the economy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

AKU_TITLE = "Befolkningen 15-74 år (AKU) efter arbetskraftstillhörighet och månad"


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def dimension(**labels: str) -> dict[str, Any]:
    """A dimension of JSON-stat, its categories in order."""
    index = {code: place for place, code in enumerate(labels)}
    return {"category": {"index": index, "label": labels}}


def json_stat(
    dimensions: dict[str, dict[str, Any]],
    value: object,
    label: str = "",
    updated: str | None = None,
) -> str:
    document = {
        "version": "2.0",
        "class": "dataset",
        "label": label,
        "source": "SCB",
        "id": list(dimensions),
        "size": [len(d["category"]["label"]) for d in dimensions.values()],
        "dimension": dimensions,
        "value": value,
    }
    return json.dumps(document | ({"updated": updated} if updated else {}))


def periods(*codes: str) -> dict[str, Any]:
    return dimension(**{code: code for code in codes})


def unemployment_file(folder: Path, name: str, updated: str, *values: float) -> Path:
    """Unemployment of the first months of 2025, of both adjustments and all ages."""
    adjusted = dimension(O_DATA="Icke säsongrensade data", SR_DATA="Säsongrensade data")
    months = periods(*(f"2025M{n + 1:02}" for n in range(len(values))))
    text = json_stat(
        {
            "Arbetskraftstillh": dimension(ALÖSP="arbetslöshetstal"),
            "TypData": adjusted,
            "Kon": {"category": {"index": ["1+2"], "label": {"1+2": "totalt"}}},
            "Alder": {
                "category": {"index": {"tot15-74": 0}, "label": {"tot15-74": "15-74"}}
            },
            "ContentsCode": {"category": {"label": {"000007L9": "Procent"}}},
            "Tid": months,
        },
        [value + 1 for value in values] + list(values),
        AKU_TITLE,
        updated,
    )
    return write(folder, name, text)
