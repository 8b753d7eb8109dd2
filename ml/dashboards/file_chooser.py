"""A field that takes one file from the reader's disk, chosen or dropped.

What belongs here: the field, and its limit on size. What does not: what a file holds.

The library's own field sends whatever is chosen, and the server drops the connection
when that is too large. This one looks at the size first, and sends the name alone.
"""

from __future__ import annotations

from typing import ClassVar

import panel as pn
import param


class FileChooser(pn.custom.JSComponent):
    """Sends ``{name, size, data}`` for each file; no data when it is too large."""

    label = param.String(default="")
    hint = param.String(default="")
    accept = param.String(default=".csv,.xlsx")
    most_bytes = param.Integer(default=5_000_000)
    is_busy = param.Boolean(default=False)

    _esm = """
    export function render({model, el}) {
      const zone = document.createElement("div")
      const input = document.createElement("input")
      const label = document.createElement("label")
      const hint = document.createElement("p")
      input.type = "file"
      input.id = "file"
      input.accept = model.accept
      label.htmlFor = "file"
      label.textContent = model.label
      hint.id = "hint"
      hint.textContent = model.hint
      input.setAttribute("aria-describedby", "hint")
      zone.className = "zone"
      zone.append(input, label, hint)
      el.append(zone)

      const send = async file => {
        if (!file || model.is_busy) return
        const told = {name: file.name, size: file.size}
        if (file.size <= model.most_bytes) told.data = await file.arrayBuffer()
        model.send_msg(told)
      }
      input.addEventListener("change", async () => {
        await send(input.files[0])
        input.value = ""  // so that the same file, mended, can be chosen again
      })
      const hover = is_over => event => {
        event.preventDefault()
        zone.classList.toggle("over", is_over)
      }
      zone.addEventListener("dragover", hover(true))
      zone.addEventListener("dragleave", hover(false))
      zone.addEventListener("drop", event => {
        hover(false)(event)
        send(event.dataTransfer.files[0])
      })
      const wait = () => {
        input.disabled = model.is_busy
        zone.classList.toggle("busy", model.is_busy)
      }
      model.on("is_busy", wait)
      wait()
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
        .zone { position: relative; padding: 26px 20px; text-align: center;
          border: 1.5px dashed color-mix(in srgb, var(--panel-on-surface-color, #17212b)
          34%, transparent); border-radius: 12px; font-size: 15px;
          color: var(--panel-on-surface-color, #17212b); }
        .zone.over { background: color-mix(in srgb, var(--panel-primary-color, #0d5c56)
          9%, transparent); border-color: var(--panel-primary-color, #0d5c56); }
        .zone.busy { opacity: 0.55; }
        input { position: absolute; width: 1px; height: 1px; opacity: 0; }
        label { display: inline-block; cursor: pointer; font-weight: 550;
          padding: 11px 22px; border-radius: 10px;
          color: var(--panel-on-primary-color, #ffffff);
          background: var(--panel-primary-color, #0d5c56); }
        .busy label { cursor: default; }
        label:hover { filter: brightness(1.12); }
        input:focus-visible + label { outline: 3px solid
          var(--panel-primary-color, #0d5c56); outline-offset: 3px; }
        p { margin: 12px 0 0; font-size: 13.5px; line-height: 1.45;
          color: color-mix(in srgb, var(--panel-on-surface-color, #17212b) 70%,
          transparent); }
        """
    ]
