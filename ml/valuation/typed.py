"""What a person typed or a spreadsheet holds, as a computer reads it.

What belongs here: spelling of numbers and dates. What does not: what a field may be
(``request``), and words of refusal.
"""

from __future__ import annotations

import datetime as dt
import re

UNIT = re.compile(
    r"(kr|sek|:-|kronor|m²|m2|kvm|tr|rum|rok)?(/mån(ad)?|/month|permånad)?\.?$",
    re.IGNORECASE,
)
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
THOUSANDS = re.compile(r"-?\d{1,3}([.,]\d{3})+")
OF_FLOORS = re.compile(r"(-?\d+)(av|of)\d+", re.IGNORECASE)
DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S")


def as_number(typed: str, *, is_amount: bool = False) -> str:
    """Turn what a Swede types into what a computer reads.

    ``3 200,50 kr`` is 3200.50, ``3 av 5`` is 3 and ``BV``, the ground floor, is 0; what
    is no number stays as it is.

    Parameters
    ----------
    typed
        What was typed.
    is_amount
        Whether it is money: ``3,200`` is then three thousand, as English writes it,
        for no fee is told in thousandths.
    """
    bare = re.sub(r"\s", "", typed).replace("\u2212", "-")
    bare = UNIT.sub("", bare)
    if of_floors := OF_FLOORS.fullmatch(bare):
        bare = of_floors[1]
    if is_amount and THOUSANDS.fullmatch(bare):
        bare = re.sub(r"[.,]", "", bare)
    bare = "0" if bare.upper() in ("BV", "NB") else bare.replace(",", ".")
    return bare if NUMBER.fullmatch(bare) else typed.strip()


def as_date(typed: str) -> str:
    """Turn a date as spreadsheets write it into ``2024-06-15``; else leave it."""
    for written in DATE_FORMATS:
        try:
            return f"{dt.datetime.strptime(typed.strip(), written).date()}"
        except ValueError:
            continue
    return typed
