"""Plots in Dagster's metadata: it has no image type, so they go in as Markdown."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from pathlib import Path


def image_metadata(path: Path) -> dg.MarkdownMetadataValue:
    """A PNG file as metadata that Dagster's pages show."""
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return dg.MetadataValue.md(f"![{path.stem}](data:image/png;base64,{encoded})")
