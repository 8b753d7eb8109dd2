"""Colours, typography and Swedish formats of the pages.

What belongs here: how things look and how numbers and dates are written. What does
not: any state, any query, any Panel component.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from ml.valuation.words import Language

NBSP = "\u00a0"
MINUS = "\u2212"

FONT = '"Inter", "Segoe UI", -apple-system, Roboto, "Helvetica Neue", Arial, sans-serif'

FIELD = {"minHeight": "46px"}

MILLION_SEK: dict[Language, str] = {"sv": "mkr", "en": "MSEK"}

MONTHS: dict[Language, tuple[str, ...]] = {
    "sv": (
        *("jan", "feb", "mars", "apr", "maj", "juni"),
        *("juli", "aug", "sep", "okt", "nov", "dec"),
    ),
    "en": (
        *("Jan", "Feb", "Mar", "Apr", "May", "June"),
        *("July", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ),
}

TEAL, AMBER, RED, BLUE, MUTED = "#1f8f83", "#c8781f", "#d0484f", "#4b86c2", "#8a949c"
"""Mid-tones for charts: they read on white and on ink, so a switch of the theme need
not draw a chart again."""


def _components(muted: str) -> dict[str, Any]:
    """Mend what the library draws otherwise than we want it."""
    return {
        "MuiOutlinedInput": {"styleOverrides": {"root": FIELD}},
        # a date must fit beside the calendar on the narrowest phone
        "MuiPickersOutlinedInput": {
            "styleOverrides": {"root": FIELD | {"paddingRight": "10px"}}
        },
        "MuiPickersTextField": {"styleOverrides": {"root": {"width": "100%"}}},
        # the library writes the labels of its fields in three sizes
        "MuiInputLabel": {
            "styleOverrides": {"root": {"&.MuiInputLabel-shrink": {"fontSize": "1rem"}}}
        },
        "MuiFormLabel": {
            "styleOverrides": {
                "root": {
                    "&:not(.MuiInputLabel-root)": {
                        "fontSize": "0.875rem",
                        "marginBottom": "6px",
                    }
                }
            }
        },
        "MuiFormControlLabel": {"styleOverrides": {"label": {"fontSize": "0.9375rem"}}},
        # the library's own greys are too faint on the page's background
        "MuiInputAdornment": {
            "styleOverrides": {"root": {"& .MuiIconButton-root": {"color": muted}}}
        },
        "MuiToggleButton": {"styleOverrides": {"root": {"color": muted}}},
        # a list that fades away would take the next Tab, and lose the focus with it
        "MuiPopover": {
            "styleOverrides": {
                "root": {"&[aria-hidden=true]": {"visibility": "hidden"}}
            }
        },
        # the library's one tip is in English; ``spoken`` gives one of our own
        "MuiTooltip": {
            "defaultProps": {
                "disableFocusListener": True,
                "disableHoverListener": True,
                "disableTouchListener": True,
            }
        },
    }


def _mode(
    primary: str,
    on_primary: str,
    background: str,
    paper: str,
    ink: str,
    muted: str,
    error: str,
) -> dict[str, Any]:
    return {
        "palette": {
            "primary": {"main": primary, "contrastText": on_primary},
            "background": {"default": background, "paper": paper},
            "text": {"primary": ink, "secondary": muted},
            "error": {"main": error},
        },
        "typography": {"fontFamily": FONT, "button": {"textTransform": "none"}},
        "shape": {"borderRadius": 10},
        "components": _components(muted),
    }


THEME_CONFIG = {
    "light": _mode(
        *("#0d5c56", "#ffffff", "#f5f3ee", "#ffffff", "#17212b", "#5a6570", "#c62f36")
    ),
    "dark": _mode(
        *("#7fd1c4", "#0c1a19", "#10161b", "#182027", "#e9e7e2", "#a3adb5", "#f2777c")
    ),
}
"""Warm paper and pine by day, ink and mint by night."""

PAGE_SX = {
    "& .main": {"backgroundColor": "background.default"},
    "& .main-content": {"padding": {"xs": "16px 10px", "md": "24px 20px"}},
    "& .header": {
        "backgroundColor": "#0d4a46",
        "backgroundImage": "none",
        "boxShadow": "none",
        "--panel-on-primary-color": "#ffffff",
        "& .MuiIconButton-root": {"color": "#ffffff"},
    },
}

CARD_SX = {
    "border": "1px solid",
    "borderColor": "divider",
    "borderRadius": "14px",
    "padding": "clamp(16px, 3vw, 28px)",
    "minWidth": 0,
}

NO_WRAP_SX = {"& .MuiToggleButton-root": {"whiteSpace": "nowrap"}}
"""For a group of buttons whose words must not break."""

CONTENT_CSS = """
:host {
  --ink: var(--panel-on-surface-color, #17212b);
  --muted: color-mix(in srgb, var(--ink) 66%, transparent);
  --line: color-mix(in srgb, var(--ink) 13%, transparent);
  --wash: color-mix(in srgb, var(--ink) 4%, transparent);
  --accent: var(--panel-primary-color, #0d5c56);
  --amber: #c8781f;
  color: var(--ink);
  font-size: 15px;
  line-height: 1.45;
}
.card {
  background: var(--panel-surface-color, #fff);
  border: 1px solid var(--line);
  border-radius: 14px;
  padding: clamp(16px, 3vw, 28px);
  margin: 0 0 20px;
  container-type: inline-size;
}
h1, h2, h3, p { margin: 0; text-wrap: pretty; }
h2 { font-size: 17px; font-weight: 650; letter-spacing: -0.005em; }
.muted, .lede { color: var(--muted); }
.lede { margin-top: 4px; max-width: 62ch; }
.small { font-size: 13px; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-family: inherit; fill: var(--muted); font-size: 12.5px; }
.narrow-only { display: none; }
@container (max-width: 520px) {
  .wide-only { display: none; }
  .narrow-only { display: block; }
}
.place { font-size: 15px; color: var(--muted); }
.value {
  font-size: clamp(38px, 9cqw, 64px);
  font-weight: 680;
  letter-spacing: -0.03em;
  line-height: 1.08;
  margin: 6px 0 4px;
}
.value .unit { font-size: 0.5em; font-weight: 550; letter-spacing: 0; }
.per-m2 { font-size: 17px; }
.range { margin: 22px 0 0; max-width: 560px; }
.range .bar {
  position: relative;
  height: 10px;
  border-radius: 5px;
  background: color-mix(in srgb, var(--accent) 26%, transparent);
}
.range .bar i {
  position: absolute;
  top: -5px;
  width: 4px;
  height: 20px;
  margin-left: -2px;
  border-radius: 2px;
  background: var(--accent);
}
.range .ends { display: flex; justify-content: space-between; margin-top: 9px; }
.notice {
  border-left: 3px solid var(--amber);
  background: color-mix(in srgb, var(--amber) 10%, transparent);
  border-radius: 4px;
  padding: 10px 14px;
  margin-top: 18px;
}
.dates { list-style: none; margin: 20px 0 0; padding: 0; }
.dates li {
  display: grid;
  grid-template-columns: minmax(0, 1fr) auto 6em;
  column-gap: 18px;
  align-items: baseline;
  padding: 11px 0;
  border-top: 1px solid var(--line);
}
.dates .difference { text-align: right; }
.dates .amount { text-align: right; font-weight: 600; }
.tag {
  display: inline-block;
  font-size: 12px;
  line-height: 1;
  padding: 4px 7px;
  border-radius: 99px;
  color: color-mix(in srgb, var(--amber) 70%, var(--ink));
  border: 1px dashed var(--amber);
  white-space: nowrap;
}
.sales { display: grid; grid-template-columns: 300px minmax(0, 1fr); gap: 28px; }
.sales table { width: 100%; border-collapse: collapse; }
th {
  text-align: left;
  font-weight: 500;
  font-size: 13px;
  color: var(--muted);
  padding: 0 0 8px;
  vertical-align: bottom;
}
td { padding: 9px 0; border-top: 1px solid var(--line); vertical-align: top; }
td + td, th + th, th + td { padding-left: 16px; }
.right { text-align: right; }
@container (max-width: 720px) {
  .sales { grid-template-columns: minmax(0, 1fr); }
  .sales .map { max-width: 340px; }
}
@container (max-width: 420px) {
  .dates li { grid-template-columns: minmax(0, 1fr) auto; row-gap: 2px; }
  .dates .difference { grid-column: 2; }
  .dates .when { grid-row: 1 / span 2; }
}
.scroll { overflow-x: auto;
  --paper: var(--panel-surface-color, #fff);
  /* dark on light paper, light on dark */
  --shade: color-mix(in srgb, var(--ink) 26%, transparent);
  /* a shadow where more lies aside; what scrolls along covers it at the end */
  background:
    linear-gradient(90deg, var(--paper) 40%, transparent) 0 0 / 40px 100% local,
    linear-gradient(270deg, var(--paper) 40%, transparent) 100% 0 / 40px 100% local,
    linear-gradient(90deg, var(--shade), transparent) 0 0 / 14px 100% scroll,
    linear-gradient(270deg, var(--shade), transparent) 100% 0 / 14px 100% scroll;
  background-repeat: no-repeat; }
.figures { width: 100%; border-collapse: collapse; }
.figures th { white-space: nowrap; }
.figures .right + :not(.right) { padding-left: 28px; }
.figures .sentence { min-width: 34ch; }
.facts { display: flex; flex-wrap: wrap; gap: 10px 40px; margin-top: 16px; }
.facts div { min-width: 110px; }
.facts b { display: block; font-size: 24px; font-weight: 650; letter-spacing: -0.02em; }
.head { margin-bottom: 14px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px;
  margin: 0 0 6px; padding: 0; font-size: 13px; color: var(--muted); }
.legend li { display: flex; align-items: center; gap: 7px; }
.legend i { display: inline-block; width: 18px; height: 3px; border-radius: 2px;
  background: var(--colour); }
.legend i.dashed { background: repeating-linear-gradient(90deg, var(--colour) 0 5px,
  transparent 5px 8px); }
.legend i.band { height: 12px; opacity: 0.3; }
.legend i.dot { width: 9px; height: 9px; border-radius: 50%; }
.legend i.ring { width: 7px; height: 7px; border-radius: 50%; background: none;
  border: 2px solid var(--colour); }
.source { font-size: 12.5px; color: var(--muted); margin-top: 8px; }
details { display: inline-block; max-width: 100%; margin: 6px 18px 0 0;
  vertical-align: top; }
details[open] { display: block; margin-right: 0; }
summary { cursor: pointer; font-size: 13px; color: var(--accent); padding: 4px 0; }
.download { font-size: 13px; color: var(--accent); display: inline-block;
  padding: 4px 0; margin-top: 6px; }
caption { text-align: left; font-size: 13px; color: var(--muted); padding-bottom: 6px; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px;
  border-radius: 3px; }
code {
  background: var(--wash);
  border: 1px solid var(--line);
  border-radius: 5px;
  padding: 2px 7px;
  font-size: 0.92em;
  overflow-wrap: anywhere;
}
"""


def in_a_row(facts: Iterable[str]) -> str:
    """Write facts after each other: ``59 m² · 2 rum``; no line begins with the dot."""
    return f"{NBSP}· ".join(fact for fact in facts if fact)


def kept(text: str) -> str:
    """Keep numbers with their units where a line ends."""
    return re.sub(r"(?<=\d) (?=m²|m\b|kr\b|%|tr\b|rum\b)", NBSP, text)


def number(value: float, decimals: int = 0, language: Language = "sv") -> str:
    """Write a number as Swedish does: ``3 250 000``, ``2,5``, ``−4``.

    English has the same spaces, and a point: ``2.5``.
    """
    text = f"{abs(value):,.{decimals}f}".replace(",", NBSP)
    is_negative = value < 0 and text.strip("0.") != ""
    text = text.replace(".", ",") if language == "sv" else text
    return f"{MINUS}{text}" if is_negative else text


def plain(value: float, language: Language = "sv") -> str:
    """Write a number with as many decimals as it has, at most two: ``2``, ``2,5``."""
    return number(value, 2, language).rstrip("0").rstrip(",.")


def sek(value: float, nearest: int = 1) -> str:
    """Write an amount, rounded to ``nearest``: ``3 250 000 kr``."""
    return f"{number(round(value / nearest) * nearest)}{NBSP}kr"


def signed_sek(value: float, nearest: int = 1) -> str:
    """Write a difference in SEK with its sign: ``+35 000 kr``, ``−8 000 kr``."""
    return f"{signed(round(value / nearest) * nearest)}{NBSP}kr"


def million_sek(value: float, language: Language = "sv") -> str:
    """Write an amount in millions: ``3,3 mkr``."""
    millions = number(value / 1_000_000, 1, language)
    return f"{millions}{NBSP}{MILLION_SEK[language]}"


def percent(value: float, decimals: int = 1, language: Language = "sv") -> str:
    """Write a percentage: ``5,3 %``; English writes ``5.3%``."""
    gap = NBSP if language == "sv" else ""
    return f"{number(value, decimals, language)}{gap}%"


def signed(value: float, decimals: int = 0, language: Language = "sv") -> str:
    """Write a number with its sign: ``+3,5``, ``−8,2``, ``0``."""
    text = number(value, decimals, language)
    is_zero = text.strip("0,.") == ""
    return text if is_zero or text.startswith(MINUS) else f"+{text}"


def month(date: dt.date, language: Language = "sv") -> str:
    """Write a month: ``okt 2026``."""
    return f"{MONTHS[language][date.month - 1]} {date.year}"
