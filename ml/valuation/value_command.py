"""The command line of valuations: one as JSON, or a file of them.

What belongs here: arguments and output. What does not: valuing (``value``), and files
of requests (``batch``).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, get_args

from ml.serving_models import refresh_models
from ml.valuation.features import MODES
from ml.valuation.registration import registered_name, served_names
from ml.valuation.request import ModelName, ValuationRequest
from ml.valuation.value import Valuer
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence


class _OneLineParser(argparse.ArgumentParser):
    """Reports a wrong command line as our other errors: in one line."""

    def error(self, message: str) -> NoReturn:
        raise SlutprisError(f"{message}; see --help")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="python -m ml.valuation.value",
        description="Value a home, as JSON on stdout, or a file of homes.",
    )
    parser.add_argument("--address", help="e.g. 'Sveavägen 98'")
    parser.add_argument("--living-area", dest="living_area_m2", metavar="M2")
    parser.add_argument("--rooms")
    parser.add_argument("--floor", help="0 is the ground floor")
    parser.add_argument("--fee", dest="fee_sek_per_month", metavar="SEK_PER_MONTH")
    parser.add_argument(
        "--operating-cost",
        dest="operating_cost_sek_per_month",
        metavar="SEK_PER_MONTH",
    )
    parser.add_argument("--construction-year", metavar="YEAR")
    parser.add_argument("--agency")
    parser.add_argument("--date", help="YYYY-MM-DD; today when left out")
    parser.add_argument("--model", help=" or ".join(get_args(ModelName)))
    parser.add_argument(
        "--mode", help=f"{' or '.join(MODES)}; the first unless it is given"
    )
    parser.add_argument(
        "--list-price",
        dest="list_price_sek",
        metavar="SEK",
        help="the asking price, with --mode listed",
    )
    parser.add_argument(
        "--batch", type=Path, metavar="FILE", help="csv, xlsx or parquet"
    )
    parser.add_argument("--out", type=Path, help="csv, xlsx or parquet, with --batch")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = vars(_parser().parse_args(arguments))
    batch, out = options.pop("batch"), options.pop("out")
    fields = {name: value for name, value in options.items() if value is not None}
    if batch is not None:
        return _value_file(batch, out, fields)
    if out is not None:
        raise SlutprisError("--out goes with --batch; one valuation is printed")
    request = ValuationRequest.of(**fields)
    settings = Settings()
    refresh_models(settings, [registered_name(request.model, request.mode)])
    valuation = Valuer(settings).value(request)
    text = valuation.model_dump_json(indent=2) + "\n"
    sys.stdout.buffer.write(text.encode("utf-8"))
    return 0


def _value_file(batch: Path, out: Path | None, fields: dict[str, str]) -> int:
    from ml.valuation.batch import value_file

    if out is None:
        raise SlutprisError("--batch needs --out FILE (.csv, .xlsx or .parquet)")
    unfit = sorted(set(fields) - {"model", "date", "mode"})
    if unfit:
        raise SlutprisError(f"with --batch, {', '.join(unfit)} come from the file")
    settings = Settings()
    refresh_models(settings, served_names())
    return value_file(Valuer(settings), batch, out, defaults=fields)
