"""What is known of a building: its facts, and its former sales to choose from.

What belongs here: how they are listed. What does not: reading them
(``ml.valuation.known_home``).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import panel as pn
import param

from ml.dashboards import theme
from ml.dashboards.written import (
    FIELD_NAMES,
    PER_MONTH,
    fact_text,
    floor_text,
    rooms_text,
)
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from ml.valuation.known_home import KnownBuilding, PastSale

SHOWN_FIRST = 4

THIS_ONE = Words("Det här är lägenheten", "This is the flat")
WHICH = Words(
    "Tidigare sålda i huset. Är en av dem din? Välj den, så fylls uppgifterna i.",
    "Sold in the building before. Is one of them yours? Choose it to fill in its "
    "facts.",
)
SHOW_ALL = Words("Visa alla {count}", "Show all {count}")
HOUSE = Words("Känt om huset", "Known about the building")
NOT_SOLD = Words(
    "Inget är sålt här enligt uppgifterna, så om huset är inget känt.",
    "Nothing is sold here as far as is known, so nothing is known of the building.",
)
SOLD_ONCE = Words("1 försäljning", "1 sale")
SOLD = Words("{count} försäljningar", "{count} sales")
USUAL_FEE = Words(
    "avgift ca {amount} per m² och månad", "fee about {amount} per m² a month"
)
USUAL_COST = Words(
    "drift ca {amount} per m² och månad", "running cost about {amount} per m² a month"
)


class PastSales(pn.custom.JSComponent):
    """Former sales as buttons; ``choice`` is the one that was pressed last."""

    rows = param.List(default=[], item_type=dict)
    shown_first = param.Integer(default=SHOWN_FIRST)
    this_one = param.String(default="")
    show_all = param.String(default="")
    choice = param.Integer(default=-1)
    choices = param.Integer(default=0)

    _esm = """
    export function render({model, el}) {
      const list = document.createElement("ul")
      const more = document.createElement("button")
      more.className = "more"
      el.append(list, more)
      let is_whole = false
      const piece = (tag, text) => {
        const made = document.createElement(tag)
        made.textContent = text
        return made
      }
      const draw = () => {
        // the one that was chosen stands alone, to leave room for the form
        const numbers = [...model.rows.keys()]
        const shown = is_whole ? numbers : model.choice >= 0 ? [model.choice]
          : numbers.slice(0, model.shown_first)
        list.replaceChildren(...shown.map(n => {
          const row = model.rows[n]
          const item = document.createElement("li")
          const button = document.createElement("button")
          button.setAttribute("aria-pressed", n === model.choice)
          button.title = model.this_one
          button.append(piece("b", row.sold), piece("b", row.price),
            piece("small", row.facts))
          button.addEventListener("click", () => {
            model.choice = n
            model.choices += 1
            is_whole = false
            draw()
            list.querySelector("button").focus()
          })
          item.append(button)
          return item
        }))
        more.hidden = shown.length === model.rows.length
        more.textContent = model.show_all.replace("{count}", model.rows.length)
      }
      more.addEventListener("click", () => {
        is_whole = true
        draw()
        list.querySelector("button")?.focus()
      })
      model.on("rows", () => { is_whole = false; draw() })
      draw()
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
        :host { --ink: var(--panel-on-surface-color);
          --accent: var(--panel-primary-color); color: var(--ink); }
        ul { list-style: none; margin: 0; padding: 0; }
        button { font: inherit; color: inherit; cursor: pointer; background: none; }
        li button { display: grid; grid-template-columns: 1fr auto; gap: 1px 12px;
          width: 100%; text-align: left; padding: 7px 10px; margin: 0 0 5px;
          border: 1px solid color-mix(in srgb, var(--ink) 14%, transparent);
          border-radius: 8px; font-size: 14px; font-variant-numeric: tabular-nums; }
        li b { font-weight: 550; }
        li small { grid-column: 1 / -1; font-size: 13px;
          color: color-mix(in srgb, var(--ink) 68%, transparent); }
        li button:hover { background: color-mix(in srgb, var(--ink) 5%, transparent); }
        li button[aria-pressed="true"] { border-color: var(--accent);
          background: color-mix(in srgb, var(--accent) 12%, transparent); }
        .more { border: 0; padding: 4px 2px; font-size: 13.5px; color: var(--accent); }
        button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        """
    ]


def past_sales(language: Language) -> PastSales:
    """Make the list, empty as yet."""
    return PastSales(
        this_one=THIS_ONE.to(language),
        show_all=SHOW_ALL.to(language),
        sizing_mode="stretch_width",
        margin=(0, 10, 10, 10),
    )


def sale_row(sale: PastSale, language: Language) -> dict[str, Any]:
    """Write a former sale as a row of the list."""
    fee = sale.fee_sek_per_month
    facts = [
        fact_text("living_area_m2", sale.living_area_m2, language),
        rooms_text(sale.rooms, language),
        floor_text(sale.floor, language),
        "" if fee is None else f"{theme.number(fee)} {PER_MONTH.to(language)}",
    ]
    return {
        "sold": str(sale.sold_date),
        "price": theme.sek(sale.sold_price_sek),
        "facts": theme.in_a_row(facts),
    }


def building_html(known: KnownBuilding | None, language: Language) -> str:
    """Say in a line or two what is known of a building."""
    if known is None:
        return f'<p class="small muted">{NOT_SOLD.to(language)}</p>'
    year, brf = known.construction_year, known.brf_name
    fee, cost = known.fee_sek_per_m2_month, known.operating_cost_sek_per_m2_month
    count = known.sale_count
    facts = [
        f"{FIELD_NAMES['construction_year'].to(language).lower()} {year}"
        if year
        else "",
        brf or "",
        USUAL_FEE.to(language).format(amount=theme.sek(fee)) if fee else "",
        USUAL_COST.to(language).format(amount=theme.sek(cost)) if cost else "",
        SOLD_ONCE.to(language)
        if count == 1
        else SOLD.to(language).format(count=theme.number(count)),
    ]
    told = escape(theme.in_a_row(facts))
    return (
        f'<p class="small"><strong>{HOUSE.to(language)}:</strong> {told}</p>'
        f'<p class="small muted" style="margin: 8px 0 2px">{WHICH.to(language)}</p>'
    )
