"""What dbt's tests say, and what its last build found, kept small for the pages.

What belongs here: reading dbt's own artifacts, such as into ``reports/dbt_tests.json``.
What does not: running dbt (``defs.transform``).
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from warehouse.json_files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REPORT = "dbt_tests.json"
KINDS = {"test", "model", "seed"}


def write_dbt_tests(target_dir: Path, reports_dir: Path) -> None:
    """Keep what a build found; a build that died before its first node says nothing.

    Parameters
    ----------
    target_dir
        Where dbt wrote ``run_results.json`` and ``manifest.json``.
    reports_dir
        Where the report goes.
    """
    found = read_json(target_dir / "run_results.json")
    if found is None:
        return
    nodes = (read_json(target_dir / "manifest.json") or {}).get("nodes", {})
    results = [_result(each, nodes) for each in found["results"]]
    content = {
        "finished_at": found["metadata"]["generated_at"],
        "elapsed_s": found["elapsed_time"],
        "results": [each for each in results if each["kind"] in KINDS],
    }
    write_json(reports_dir / REPORT, content)


def said_of_test(test: Mapping[str, Any]) -> str:
    """Say what a test of the manifest holds to be true, in a sentence.

    Its own description; for a generic test the column, or the expression; for one of
    its own file the comment that it begins with.
    """
    if test.get("description"):
        return str(test["description"])
    generic = test.get("test_metadata")
    if not generic:
        return _leading_comment(test["raw_code"]) or test["name"].replace("_", " ")
    held = generic["name"].replace("_", " ")
    expression = generic.get("kwargs", {}).get("expression")
    subject = test.get("column_name") or "its rows"
    said = " ".join(expression.split()) if expression else f"{subject}: {held}"
    return f"dbt test: {said}."


def _leading_comment(sql: str) -> str:
    lines = [line.strip() for line in sql.splitlines() if not line.startswith("{{")]
    comment = list(takewhile(lambda line: line.startswith("--"), filter(None, lines)))
    return " ".join(line.removeprefix("--").strip() for line in comment)


def _result(result: Mapping[str, Any], nodes: Mapping[str, Any]) -> dict[str, Any]:
    kind, _, name, *_ = result["unique_id"].split(".")
    return {
        "name": name,
        "kind": kind,
        "model": _tested_model(nodes.get(result["unique_id"], {})) or name,
        "status": result["status"],
        "failures": result["failures"],
        "message": _first_line(result["message"]),
    }


def _tested_model(node: Mapping[str, Any]) -> str | None:
    attached: str | None = node.get("attached_node")
    tested = [attached] if attached else node.get("depends_on", {}).get("nodes", [])
    return tested[0].split(".")[-1] if tested and node.get("test_metadata") else None


def _first_line(text: str | None) -> str:
    return next(
        (line.strip() for line in (text or "").splitlines() if line.strip()), ""
    )
