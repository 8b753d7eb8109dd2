"""Parts of a page that are worked out once the page is shown.

What belongs here: the place-holder, the thread and the error. What does not: what is
worked out, and how it looks.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import panel as pn
import panel_material_ui as pmui

from ml.dashboards import shell
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from panel.viewable import Viewable

Found = TypeVar("Found")


class Later:
    """A place on the page that is filled when what it shows is found.

    Parameters
    ----------
    find
        Finds it, in a thread of its own; may take seconds. A ``SlutprisError`` is
        shown in its place.
    show
        Makes it visible.
    waiting
        Stands there meanwhile.
    """

    def __init__(
        self,
        find: Callable[[], Found],
        show: Callable[[Found], Viewable],
        waiting: Viewable,
    ) -> None:
        self._find, self._show, self._waiting = find, show, waiting
        self._asked = 0
        self.view = pmui.Column(waiting, sizing_mode="stretch_width", margin=0)
        # What is sent before the browser listens would be lost.
        pn.state.onload(self.load)

    async def load(self, *_: object) -> None:
        """Find it, again if need be; only what was asked for last is shown."""
        self._asked += 1
        asked = self._asked
        self.view[:] = [self._waiting]
        try:
            found = await asyncio.to_thread(self._find)
        except SlutprisError as error:
            shown: Viewable = shell.notice(str(error))
        else:
            shown = self._show(found)
        if asked == self._asked:
            self.view[:] = [shown]
