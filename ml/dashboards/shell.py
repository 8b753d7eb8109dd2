"""The frame every page shares: title, theme, links between pages, the empty page.

What belongs here: nothing of any page's subject.
"""

from __future__ import annotations

from html import escape

import panel as pn
import panel_material_ui as pmui

from ml.dashboards import theme

NAVIGATION = {"Värdering": "./valuation", "Drift": "./monitoring"}
NAVIGATION_CSS = """
nav { display: flex; gap: 4px; font-size: 15px; margin-left: 16px;
      color: var(--panel-on-primary-color); }
nav a { color: inherit; text-decoration: none; padding: 6px 12px; border-radius: 8px; }
nav a:hover { background: rgb(128 128 128 / 0.18); }
nav a[aria-current] { background: rgb(128 128 128 / 0.22); }
"""


def page(title: str, *main: pn.viewable.Viewable) -> pmui.Page:
    """Make a page of the given parts, titled and linked to the others."""
    links = "".join(
        f'<a href="{address}"{" aria-current=page" if name == title else ""}>{name}</a>'
        for name, address in NAVIGATION.items()
    )
    navigation = pn.pane.HTML(
        f"<nav>{links}</nav>", stylesheets=[NAVIGATION_CSS], margin=0
    )
    return pmui.Page(
        title="Slutpris",
        meta=pmui.template.base.Meta(title=f"{title} · Slutpris"),
        main=list(main),
        header=[navigation],
        main_width=1240,
        theme_config=theme.THEME_CONFIG,
        sx=theme.PAGE_SX,
        site_url="./valuation",
    )


def content(html: str) -> pn.pane.HTML:
    """Make a pane of our own markup, in the page's colours."""
    return pn.pane.HTML(
        html,
        stylesheets=[theme.CONTENT_CSS],
        sizing_mode="stretch_width",
        margin=0,
    )


def nothing_yet(reason: str) -> pn.pane.HTML:
    """Say what to run when there is no snapshot or model."""
    return content(
        '<section class="card"><h2>Här finns inget att visa ännu</h2>'
        '<p class="lede">Sidan läser publicerade data och tränade modeller. Kör '
        "<code>make demo</code> i projektets mapp, eller bygg och publicera i Dagster, "
        "och ladda sedan om sidan.</p>"
        f'<p class="muted small" style="margin-top: 16px">{escape(reason)}</p>'
        "</section>"
    )
