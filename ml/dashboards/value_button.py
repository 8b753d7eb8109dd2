"""The button that values: it shows that work goes on, and can always be pressed.

What belongs here: the button. What does not: what it starts.

Two changes sent at almost the same time may reach the browser in the wrong order, and
a busy server sends many: a flag would leave the button waiting for ever. So it is told
which works have started and which are finished, and looks at the highest of either.
"""

from __future__ import annotations

from typing import ClassVar

import panel as pn
import param


class ValueButton(pn.custom.JSComponent):
    """A button; ``presses`` counts how often it was pressed."""

    label = param.String(default="")
    presses = param.Integer(default=0)
    started = param.Integer(default=0, doc="The number of the latest work.")
    finished = param.Integer(default=0, doc="The latest work that is done.")

    _esm = """
    // a quick answer shows no waiting
    const WAITING_AFTER_MS = 200

    export function render({model, el}) {
      const button = document.createElement("button")
      button.type = "button"
      const spinner = document.createElement("i")
      button.append(spinner, model.label)
      button.addEventListener("click", () => { model.presses += 1 })
      let started = 0, finished = 0
      const look = () => {
        started = Math.max(started, model.started)
        finished = Math.max(finished, model.finished)
        if (started <= finished) button.removeAttribute("aria-busy")
        else setTimeout(() => {
          if (started > finished) button.setAttribute("aria-busy", "true")
        }, WAITING_AFTER_MS)
      }
      model.on("started", look)
      model.on("finished", look)
      look()
      el.append(button)
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
        button { display: flex; align-items: center; justify-content: center; gap: 10px;
          width: 100%; min-height: 44px; padding: 8px 22px; border: 0; cursor: pointer;
          border-radius: 10px; font: inherit; font-size: 15px; font-weight: 500;
          color: var(--panel-on-primary-color); background: var(--panel-primary-color);
          box-shadow: 0 2px 5px rgb(0 0 0 / 0.22); }
        button:hover { filter: brightness(0.9); }
        button:focus-visible
          { outline: 3px solid var(--panel-primary-color); outline-offset: 2px; }
        i { display: none; width: 15px; height: 15px; border-radius: 50%;
          border: 2px solid currentColor; border-right-color: transparent; }
        [aria-busy] i { display: block; animation: turn 0.8s linear infinite; }
        @keyframes turn { to { transform: rotate(360deg); } }
        @media (prefers-reduced-motion: reduce) { [aria-busy] i { animation: none; } }
        """
    ]
