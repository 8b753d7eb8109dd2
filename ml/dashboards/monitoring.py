"""The monitoring page: how the models do, the latest sale, and the data behind both.

What belongs here: the tabs, which are built when they are first opened, and the market
they show. What does not: what stands in a tab. Run it with
``panel serve ml/dashboards/monitoring.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui

from ml.dashboards import shell
from ml.dashboards.data_health import data_health_section
from ml.dashboards.latest_sale import latest_sale_section
from ml.dashboards.market_switch import (
    Market,
    banners,
    market_switch,
    settings_of,
    shown_market,
    what_to_run,
)
from ml.dashboards.model_health import model_health_section
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

Section = Callable[[Settings, Language], pn.viewable.Viewable]
"""Makes what a tab holds of a data folder; may take seconds, so in a thread."""


@dataclass(frozen=True)
class Tab:
    """A tab: its name in links, its title, and what it holds."""

    name: str
    title: Words
    section: Section


TABS = (
    Tab("models", Words("Modellerna", "Model health"), model_health_section),
    Tab("latest", Words("Senast sålda", "Latest sales"), latest_sale_section),
    Tab("data", Words("Dataflödet", "The data flow"), data_health_section),
)
LOADING = Words("Räknar på siffrorna …", "Computing the figures …")


class MonitoringPage(pn.viewable.Viewer):
    """The market switch, and tabs over the folder of the chosen market.

    Parameters
    ----------
    settings
        Over the data folder that the pages serve.
    market
        The side that is shown first.
    tab
        The name of the tab that is shown first.
    """

    def __init__(
        self, settings: Settings, market: Market, tab: str, language: Language
    ) -> None:
        super().__init__()
        self._settings = settings
        self._language: Language = language
        self._market: Market = market
        self._switch = market_switch(market, language, self._show_market)
        self._said = pn.Column(sizing_mode="stretch_width", margin=0)
        self._places = [_place() for _ in TABS]
        names = [each.name for each in TABS]
        self._tabs = pmui.Tabs(
            *(
                (each.title.to(language), place)
                for each, place in zip(TABS, self._places, strict=True)
            ),
            active=names.index(tab) if tab in names else 0,
            dynamic=True,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._opened: set[int] = set()
        self._tabs.param.watch(self._open_shown, "active")
        self._say_market()
        pn.state.onload(self._open_shown)

    def __panel__(self) -> pn.viewable.Viewable:
        """Lay the page out."""
        return pn.Column(
            self._switch,
            self._said,
            self._tabs,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _show_market(self, market: Market) -> None:
        self._market = market
        self._opened.clear()
        self._say_market()
        _to_link(market=market)
        pn.state.execute(self._open_shown)

    def _say_market(self) -> None:
        folder = settings_of(self._settings, self._market)
        if folder is None:
            how = what_to_run(self._settings, self._market, self._language)
            title = shell.NOTHING_YET.to(self._language)
            self._said.objects = [shell.only_this(title, *how)]
        else:
            self._said.objects = banners(folder, self._language)
        self._tabs.visible = folder is not None

    async def _open_shown(self, *_: object) -> None:
        """Build the shown tab, once for each market."""
        position = int(self._tabs.active)
        folder = settings_of(self._settings, self._market)
        _to_link(tab=TABS[position].name)
        if position in self._opened or folder is None:
            return
        self._opened.add(position)
        place, market = self._places[position], self._market
        place.objects = [_loading(self._language)]
        section = TABS[position].section
        made = await asyncio.to_thread(_made, section, folder, self._language)
        # The switch may have been turned meanwhile.
        if market == self._market:
            place.objects = [made]


def _made(
    section: Section, settings: Settings, language: Language
) -> pn.viewable.Viewable:
    try:
        return section(settings, language)
    except SlutprisError as error:
        return shell.nothing_yet(str(error), language)


def _place() -> pn.Column:
    return pn.Column(sizing_mode="stretch_width", margin=(16, 0, 0, 0))


def _loading(language: Language) -> pn.pane.HTML:
    return shell.content(f'<p class="muted" role="status">{LOADING.to(language)}</p>')


def _to_link(**parameters: str) -> None:
    """Keep what is shown in the page's link, so that it can be shared."""
    if pn.state.location is not None:
        pn.state.location.update_query(**parameters)  # ty: ignore[invalid-argument-type]


def monitoring_page(tabs: Sequence[Tab] = TABS) -> pmui.Page:
    """Make the page for the visitor who asks for it."""
    language = shell.shown_language()
    try:
        settings = Settings()
        made = MonitoringPage(
            settings,
            shown_market(settings),
            shell.asked_for("tab") or tabs[0].name,
            language,
        ).__panel__()
    except SlutprisError as error:
        made = shell.nothing_yet(str(error), language)
    return shell.page("monitoring", made, language=language)


if pn.state.served:
    shell.serve(monitoring_page())
