"""A button that saves a file the server writes when it is asked for.

What belongs here: the button. What does not: what the file holds. A small file that is
there already is better a link (``shell.file_link``).

The library's own button saves a file when its content changes: the same file a second
time, or before the browser listens, and nothing happens.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import panel as pn
import param

if TYPE_CHECKING:
    from collections.abc import Callable


class FileDownload(pn.custom.JSComponent):
    """Asks for the file at each click, and saves it under its name."""

    label = param.String(default="")
    file_name = param.String(default="")

    _esm = """
    export function render({model, el}) {
      const button = document.createElement("button")
      button.textContent = model.label
      button.addEventListener("click", () => {
        button.disabled = true
        model.send_msg({})
      })
      model.on("msg:custom", message => {
        button.disabled = false
        const link = document.createElement("a")
        link.href = URL.createObjectURL(new Blob([message.content]))
        link.download = model.file_name
        link.click()
        setTimeout(() => URL.revokeObjectURL(link.href), 1000)
      })
      el.append(button)
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
        button { font: inherit; font-size: 15px; cursor: pointer; padding: 8px 16px;
          border-radius: 10px; color: var(--panel-primary-color);
          background: transparent;
          border: 1px solid color-mix(in srgb, currentColor 50%, transparent); }
        button:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
        button:disabled { cursor: default; opacity: 0.6; }
        button:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
        """
    ]

    def __init__(
        self,
        write: Callable[[], bytes],
        **params: Any,  # noqa: ANN401 - its own and Panel's
    ) -> None:
        super().__init__(**params)
        self._write = write

    def _handle_msg(self, data: dict[str, Any]) -> None:
        """Write the file aside: other visitors do not wait for it."""

        async def answer() -> None:
            content = await asyncio.to_thread(self._write)
            self._send_msg({"content": content})

        pn.state.execute(answer)
