"""How the site writes numbers: U+00A0 between groups, decimal comma, plus signs."""

from __future__ import annotations

from typing import Any

NBSP = "\u00a0"


def grouped(number: float) -> str:
    """Whole numbers in groups of three; other numbers with a decimal comma."""
    if number == int(number):
        return f"{int(number):,}".replace(",", NBSP)
    whole, _, decimals = f"{number:,.2f}".rstrip("0").partition(".")
    return whole.replace(",", NBSP) + f",{decimals}"


def halved(number: float) -> str:
    """As :func:`grouped`, with ``½`` for one half, as in earlier years."""
    whole = int(number)
    if number < 0 or number - whole != 0.5:
        return grouped(number)
    return f"{whole}½" if whole else "½"


def kronor(amount_sek: int) -> str:
    """``3 250 000 kr``, with U+00A0 for spaces."""
    return f"{grouped(amount_sek)}{NBSP}kr"


def change_kronor(amount_sek: int) -> str:
    """Write a price change: ``+255 000 kr``, ``-5 000 kr`` or ``±0 kr``."""
    if amount_sek == 0:
        return f"±0{NBSP}kr"
    return f"+{kronor(amount_sek)}" if amount_sek > 0 else kronor(amount_sek)


def change_percent(percent: float) -> str:
    """Write a price change: ``+23,5%``, ``-2%`` or ``+/-0%``."""
    if percent == 0:
        return "+/-0%"
    return f"+{grouped(percent)}%" if percent > 0 else f"{grouped(percent)}%"


def early_change_percent(percent: float) -> str:
    """Write a price change as in 2022 and 2023: ``-12 %``, ``-7.2%``, ``+5 %``.

    Assumed: the sign of a rise, and how no change was written.
    """
    sign = "±" if percent == 0 else "+" if percent > 0 else ""
    if percent == int(percent):
        return f"{sign}{int(percent)}{NBSP}%"
    return f"{sign}{percent}%"


def formatted_value(**members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Write a ``FormattedValue`` with the members one field has."""
    return {"__typename": "FormattedValue", **members}


def full_value(number: float, unit: str, *, text: str | None = None) -> dict[str, Any]:
    """Write a ``FormattedValue`` with all four members."""
    value = text or grouped(number)
    return formatted_value(
        formatted=f"{value}{NBSP}{unit}",
        value=value,
        raw=json_number(number),
        unit=unit,
    )


def json_number(number: float) -> float:
    """Drop the decimal point of a whole number, as JavaScript does."""
    return int(number) if number == int(number) else number
