"""The resource that says where publishing goes; the one place that chooses."""

from __future__ import annotations

from contextlib import ExitStack

import dagster as dg
from pydantic import PrivateAttr

from ml.backends import Backend, open_backend
from warehouse.settings import Settings


class PublishingBackend(dg.ConfigurableResource):
    """Feature store, registry and files, as ``FEATURE_BACKEND`` says.

    Opened by the first asset that asks, so that a run in which it cannot be opened
    still does all that needs none, and kept for the others of the run.
    """

    _opened: Backend | None = PrivateAttr(default=None)
    _stack: ExitStack = PrivateAttr(default_factory=ExitStack)

    def open(self) -> Backend:
        """Give the opened backend.

        Raises
        ------
        SlutprisError
            When a setting that it needs is missing.
        """
        if self._opened is None:
            self._opened = self._stack.enter_context(open_backend(Settings()))
        return self._opened

    def teardown_after_execution(
        self,
        context: dg.InitResourceContext,
    ) -> None:
        """Close what was opened."""
        self._opened = None
        self._stack.close()
