"""Parts of a page that are worked out once the page is shown.

What belongs here: the place-holder, whose turn it is, and the error. What does not:
what is worked out, and how it looks.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, TypeVar

import panel as pn

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from panel.viewable import Viewable

Found = TypeVar("Found")

WAITING_AT_LEAST_S = 0.4
"""A part that is exchanged while the browser still builds its place is lost, so the
place-holder stands so long, however fast the part is found."""

SLOW = ThreadPoolExecutor(max_workers=1, thread_name_prefix="later")
"""Works out the slow parts of all visitors, one after the other: side by side they
would take the processor from whoever waits for a value."""

SOON = ThreadPoolExecutor(max_workers=1, thread_name_prefix="soon")
"""Works out what takes milliseconds, the other models' values, past the slow parts."""

PATIENCE_S = 3.0
"""So long a slow part steps back for values that are waited for, then it goes on: many
anxious visitors must not keep a calm one from his."""


class Haste:
    """What visitors wait for right now; slow parts let it go first."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()
        self._is_calm = threading.Event()
        self._is_calm.set()

    def __enter__(self) -> None:
        with self._lock:
            self._count += 1
            self._is_calm.clear()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
            if not self._count:
                self._is_calm.set()

    def let_pass(self) -> None:
        """Wait until nothing is waited for, or patience ends; not in the event loop."""
        self._is_calm.wait(PATIENCE_S)


VALUES_FIRST = Haste()
"""Entered while a value is worked out."""


async def in_turn(work: Callable[[], Found], queue: ThreadPoolExecutor = SLOW) -> Found:
    """Do work when its turn comes, away from the event loop."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(queue, context.run, _after_values, work)


def _after_values(work: Callable[[], Found]) -> Found:
    VALUES_FIRST.let_pass()
    return work()


class Later:
    """A place on the page that is filled when what it shows is found.

    Parameters
    ----------
    find
        Finds it, when its turn comes; may take seconds. A ``SlutprisError`` is
        shown in its place.
    show
        Makes it visible: as markup, which takes the place-holder's pane, or as parts.
    pane
        Holds the place-holder.
    """

    def __init__(
        self,
        find: Callable[[], Found],
        show: Callable[[Found], Viewable | str],
        pane: pn.pane.HTML,
    ) -> None:
        self._find, self._show, self._pane = find, show, pane
        self._waiting = pane.object
        self._asked = 0
        self.view = pn.Column(pane, sizing_mode="stretch_width", margin=0)
        # What is sent before the browser listens would be lost.
        pn.state.onload(self.load)

    async def load(self, *_: object) -> None:
        """Find it, again if need be; only what was asked for last is shown."""
        self._asked += 1
        asked = self._asked
        self._put(self._waiting)
        soonest = asyncio.create_task(asyncio.sleep(WAITING_AT_LEAST_S))
        try:
            found = await in_turn(self._find)
        except SlutprisError as error:
            text = escape(str(error))
            shown: Viewable | str = f'<p class="notice" role="status">{text}</p>'
        else:
            shown = self._show(found)
        await soonest
        if asked == self._asked:
            self._put(shown)

    def _put(self, shown: Viewable | str) -> None:
        if isinstance(shown, str):
            self._pane.object = shown
            shown = self._pane
        if list(self.view) != [shown]:
            self.view[:] = [shown]
