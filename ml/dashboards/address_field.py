"""The address field: suggestions as one types, asked for on the server.

What belongs here: the field, its list and its keys. What does not: which suggestions
there are (``ml.valuation.suggestions``).

The library's own field filters the suggestions again by what is typed, which hides the
very ones that mend a typo. The pattern is that of an editable combobox with a list
(w3.org/WAI/ARIA/apg/patterns/combobox): the focus stays in the field.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import panel as pn
import param

if TYPE_CHECKING:
    from collections.abc import Callable

Option = dict[str, str]


class AddressField(pn.custom.JSComponent):
    """A text field that lists what may be meant.

    ``value`` is what stands in it. ``chosen`` counts the suggestions that were taken
    and ``entered`` the presses of Enter that took none.
    """

    value = param.String(default="")
    label = param.String(default="")
    list_label = param.String(default="")
    placeholder = param.String(default="")
    hits = param.String(default="", doc="How many were found, {} for the number.")
    is_wrong = param.Boolean(default=False)
    chosen = param.Integer(default=0)
    entered = param.Integer(default=0)

    _esm = """
    const DELAY_MS = 180

    export function render({model, el}) {
      const make = (tag, attributes = {}, text = "") => {
        const made = document.createElement(tag)
        for (const [name, value] of Object.entries(attributes))
          made.setAttribute(name, value)
        made.textContent = text
        return made
      }
      const box = make("div", {class: "box"})
      const input = make("input", {
        id: "address", type: "text", role: "combobox", autocomplete: "off",
        spellcheck: "false", "aria-autocomplete": "list", "aria-expanded": "false",
        "aria-controls": "options", maxlength: "300",
      })
      const label = make("label", {for: "address"}, model.label)
      const list = make("ul",
        {id: "options", role: "listbox", "aria-label": model.list_label})
      const count = make("p", {class: "unseen", role: "status"})
      box.append(input, label)
      el.append(box, list, count)
      input.value = model.value
      input.placeholder = model.placeholder

      let options = [], active = -1, asked = 0, timer = null
      const close = () => {
        clearTimeout(timer)
        asked += 1
        options = []
        draw()
      }
      const mark = position => {
        active = position
        ;[...list.children].forEach((item, n) =>
          item.setAttribute("aria-selected", n === active))
        if (active < 0) input.removeAttribute("aria-activedescendant")
        else {
          input.setAttribute("aria-activedescendant", `option-${active}`)
          list.children[active].scrollIntoView({block: "nearest"})
        }
      }
      const draw = () => {
        list.replaceChildren(...options.map((option, n) => {
          const item = make("li", {role: "option", id: `option-${n}`})
          item.append(make("span", {}, option.text), make("small", {}, option.detail))
          item.addEventListener("mousedown", event => {
            event.preventDefault()
            take(n)
          })
          return item
        }))
        input.setAttribute("aria-expanded", options.length > 0)
        box.classList.toggle("open", options.length > 0)
        count.textContent =
          options.length ? model.hits.replace("{}", options.length) : ""
        mark(-1)
      }
      const take = position => {
        input.value = options[position].text
        close()
        model.value = input.value
        model.chosen += 1
      }
      const ask = () => {
        asked += 1
        model.send_msg({id: asked, text: input.value})
      }
      model.on("msg:custom", message => {
        if (message.id !== asked || el.getRootNode().activeElement !== input) return
        options = message.options
        draw()
      })
      input.addEventListener("input", () => {
        clearTimeout(timer)
        asked += 1
        timer = setTimeout(() => { model.value = input.value; ask() }, DELAY_MS)
      })
      input.addEventListener("blur", () => { close(); model.value = input.value })
      input.addEventListener("keydown", event => {
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          event.preventDefault()
          if (!options.length) return ask()
          const step = event.key === "ArrowDown" ? 1 : -1
          const places = options.length + 1
          mark((active + 1 + step + places) % places - 1)
        } else if (event.key === "Escape" && options.length) {
          event.preventDefault()
          event.stopPropagation()
          close()
        } else if (event.key === "Enter") {
          event.preventDefault()
          if (active >= 0) return take(active)
          close()
          model.value = input.value
          model.entered += 1
        }
      })
      model.on("value", () => {
        if (input.value !== model.value) input.value = model.value
      })
      const wrong = () => {
        box.classList.toggle("wrong", model.is_wrong)
        input.setAttribute("aria-invalid", model.is_wrong)
      }
      model.on("is_wrong", wrong)
      wrong()
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
        :host { position: relative; z-index: 20; --ink: var(--panel-on-surface-color);
          --paper: var(--panel-surface-color); --accent: var(--panel-primary-color); }
        .box { position: relative; }
        input { box-sizing: border-box; width: 100%; height: 46px; padding: 8px 14px;
          font: inherit; font-size: 16px; color: var(--ink); background: transparent;
          border: 1px solid color-mix(in srgb, var(--ink) 26%, transparent);
          border-radius: 10px; outline: none; text-overflow: ellipsis; }
        input:hover { border-color: var(--ink); }
        input:focus { border: 2px solid var(--accent); padding: 7px 13px; }
        input::placeholder { color: var(--ink); opacity: 0; }
        input:focus::placeholder { opacity: 0.62; }
        label { position: absolute; left: 10px; top: 13px; padding: 0 5px;
          font-size: 16px; line-height: 1.25;
          color: color-mix(in srgb, var(--ink) 66%, var(--paper));
          background: var(--paper); pointer-events: none; transform-origin: 4px 0;
          transition: transform 120ms; }
        input:focus + label, input:not(:placeholder-shown) + label
          { transform: translateY(-22px) scale(0.75); }
        input:focus + label { color: var(--accent); }
        .wrong input { border-color: #d0484f; }
        .wrong label { color: color-mix(in srgb, #d0484f 82%, var(--ink)); }
        ul { position: absolute; left: 0; right: 0; top: 50px; margin: 0;
          padding: 6px 0; list-style: none; color: var(--ink); background: var(--paper);
          max-height: 380px; overflow-y: auto; border-radius: 10px;
          border: 1px solid color-mix(in srgb, var(--ink) 14%, transparent);
          box-shadow: 0 8px 28px rgb(0 0 0 / 0.22); }
        ul:empty { display: none; }
        li { display: flex; justify-content: space-between; align-items: baseline;
          gap: 14px; padding: 9px 14px; cursor: pointer; font-size: 15.5px; }
        li span { overflow-wrap: anywhere; }
        li small { color: color-mix(in srgb, var(--ink) 66%, transparent);
          font-size: 13px; text-align: right; }
        li:hover { background: color-mix(in srgb, var(--ink) 6%, transparent); }
        li[aria-selected="true"]
          { background: color-mix(in srgb, var(--accent) 18%, transparent); }
        .unseen { position: absolute; width: 1px; height: 1px; margin: -1px;
          overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        """
    ]

    def __init__(
        self,
        suggest: Callable[[str], list[Option]],
        **params: Any,  # noqa: ANN401 - its own and Panel's
    ) -> None:
        super().__init__(**params)
        self._suggest = suggest

    def _handle_msg(self, data: dict[str, Any]) -> None:
        """Answer what is typed, aside: other visitors do not wait for it."""

        async def answer() -> None:
            options = await asyncio.to_thread(self._suggest, str(data["text"]))
            self._send_msg({"id": data["id"], "options": options})

        pn.state.execute(answer)
