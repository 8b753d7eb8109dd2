"""The switch between real sales and the synthetic market, and which folder holds which.

What belongs here: telling what a data folder holds, choosing the folder of a side, and
saying plainly when figures are of invented homes. What does not: what is shown of a
folder. A folder holds one market (docs/decisions/0007); the two are never mixed.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Literal

import panel_material_ui as pmui

from ml.dashboards import shell, theme
from ml.valuation.markup import element
from ml.valuation.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import panel as pn

    from ml.valuation.markup import Markup
    from ml.valuation.words import Language
    from warehouse.settings import Settings

Market = Literal["real", "synthetic"]

MARKER = "demo.json"
"""The file by which the demo says what it crawled."""

SIDES: dict[Market, Words] = {
    "real": Words("Riktiga försäljningar", "Real sales"),
    "synthetic": Words("Syntetisk marknad", "Synthetic market"),
}
SWITCH_LABEL = Words("Marknad", "Market")
SYNTHETIC_BANNER = Words(
    "Syntetisk marknad: alla försäljningar, adresser och priser på den här sidan är "
    "påhittade. Siffrorna visar att systemet fungerar, inte hur bra det är på riktiga "
    "bostäder.",
    "Synthetic market: every sale, address and price on this page is invented. The "
    "figures show that the system works, not how good it is on real homes.",
)
UNKNOWN_BANNER = Words(
    "Filen {path} går inte att läsa, så vi vet inte om försäljningarna är riktiga. Den "
    "skrivs om av make demo; finns inga påhittade försäljningar i mappen kan den tas "
    "bort.",
    "The file {path} cannot be read, so we do not know whether the sales are real. "
    "make demo writes it again; where no invented sales are in the folder it can be "
    "removed.",
)
NO_REAL = Words(
    "Datamappen {data} håller den syntetiska marknaden, och riktiga försäljningar får "
    "inte blandas med den. Ge dem en egen mapp, med en crawl eller ur en fil, bygg "
    "sedan i Dagster och starta sidorna över mappen.",
    "The data folder {data} holds the synthetic market, and real sales must not be "
    "mixed with it. Give them a folder of their own, by a crawl or from a file, then "
    "build in Dagster and start the pages over the folder.",
)
GIVE_REAL = (
    Words(
        "SLUTPRIS_DATA=MAPP scrapy crawl booli -a from=2024-01-01 -a to=2024-12-31",
        "SLUTPRIS_DATA=FOLDER scrapy crawl booli -a from=2024-01-01 -a to=2024-12-31",
    ),
    Words(
        "SLUTPRIS_DATA=MAPP python -m warehouse.land FIL.csv",
        "SLUTPRIS_DATA=FOLDER python -m warehouse.land FILE.csv",
    ),
)
NO_SYNTHETIC = Words(
    "Ingen syntetisk marknad finns i {data}. Gör en i projektets mapp, och ladda sedan "
    "om sidan:",
    "There is no synthetic market in {data}. Make one in the project's folder, then "
    "reload the page:",
)
GIVE_SYNTHETIC = "SLUTPRIS_DATA={data} make demo SERVE=0"
OTHER_FOLDER = Words(
    "En annan mapp väljs med SLUTPRIS_SYNTHETIC_DATA.",
    "SLUTPRIS_SYNTHETIC_DATA chooses another folder.",
)


def market_of(folder: Path) -> Market | None:
    """Tell which market a data folder holds: real unless the demo says otherwise.

    None when the demo left a note that cannot be read.
    """
    try:
        name = json.loads((folder / MARKER).read_text(encoding="utf-8"))["market"]
    except FileNotFoundError:
        return "real"
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return "synthetic" if name == "synthetic" else "real"


def own_market(settings: Settings) -> Market:
    """Give the side of the switch that the data folder itself stands on."""
    return market_of(settings.data) or "real"


def settings_of(settings: Settings, market: Market) -> Settings | None:
    """Give the settings over the folder that holds a market; None when none does."""
    if own_market(settings) == market:
        return settings
    if market == "synthetic" and market_of(settings.synthetic_data) == "synthetic":
        return settings.over(settings.synthetic_data)
    return None


def shown_market(settings: Settings) -> Market:
    """Give the side the link asks for, else the data folder's own."""
    asked = shell.asked_for("market")
    if asked == "real":
        return "real"
    if asked == "synthetic":
        return "synthetic"
    return own_market(settings)


def what_to_run(settings: Settings, market: Market, language: Language) -> list[Markup]:
    """Say how a side without data gets some, each command on a line of its own."""
    if market == "real":
        said = NO_REAL.to(language).format(data=settings.data)
        commands = [shell.to_run(words.to(language)) for words in GIVE_REAL]
        return [element("p", said, class_="lede"), *commands]
    folder = settings.synthetic_data
    command = GIVE_SYNTHETIC.format(data=shlex.quote(str(folder)))
    return [
        element("p", NO_SYNTHETIC.to(language).format(data=folder), class_="lede"),
        shell.to_run(command),
        element("p", OTHER_FOLDER.to(language), class_="muted small"),
    ]


def banners(settings: Settings, language: Language) -> list[pn.viewable.Viewable]:
    """Say plainly when the figures of a folder are not of real sales."""
    market = market_of(settings.data)
    if market == "synthetic":
        return [shell.notice(SYNTHETIC_BANNER.to(language))]
    if market is None:
        path = settings.data / MARKER
        return [shell.notice(UNKNOWN_BANNER.to(language).format(path=path))]
    return []


def market_switch(
    market: Market, language: Language, show: Callable[[Market], None]
) -> pmui.RadioButtonGroup:
    """Make the switch; ``show`` is told the side that is chosen."""
    switch = pmui.RadioButtonGroup(
        label=SWITCH_LABEL.to(language),
        options={words.to(language): side for side, words in SIDES.items()},
        value=market,
        size="small",
        width=340,
        sx=theme.NO_WRAP_SX,
        margin=(0, 0, 12, 0),
    )
    switch.param.watch(lambda change: show(change.new), "value")
    return switch
