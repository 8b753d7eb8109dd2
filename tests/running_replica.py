"""A replica of its own process for a test, and a plain client that asks it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler as RedirectHandler
from urllib.request import Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Generator

TODAY = date(2026, 6, 30)
ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "scrapy_project.replica", "--today", str(TODAY)]
FLATS = f"areaIds=1&objectType={quote('Lägenhet')}"
NEXT_DATA = re.compile(
    r'<script id="__NEXT_DATA__" type="application/json">(.*)</script>'
)


class _NoRedirect(RedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class Site:
    """A running replica."""

    def __init__(self, address: str, said: list[str]) -> None:
        self.address = address
        self.said = said

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.send(path, None, "GET", **headers)

    def data(self, path: str) -> dict[str, Any]:
        status, _, body = self.get(path)
        assert status == 200, (path, status)
        found = NEXT_DATA.search(body.decode())
        assert found is not None
        return json.loads(found[1])

    def state(self, path: str) -> dict[str, Any]:
        return self.data(path)["props"]["pageProps"]["__APOLLO_STATE__"]

    def search(self, query: str) -> tuple[dict[str, Any], dict[str, Any], list[dict]]:
        """The echo of a search, its result, and its cards."""
        state = self.state(f"/sok/slutpriser?{query}")
        (key,) = [key for key in state["ROOT_QUERY"] if key.startswith("searchSold(")]
        result = state["ROOT_QUERY"][key]
        cards = [state[link["__ref"]] for link in result["result"]]
        return json.loads(key[len("searchSold(") : -1])["input"], result, cards

    def root(self, path: str) -> dict[str, Any]:
        state = self.state(path)
        (key,) = [key for key in state["ROOT_QUERY"] if key.startswith("propertyBy")]
        return state[state["ROOT_QUERY"][key]["__ref"]]

    def control(self, name: str, **wishes: Any) -> dict[str, Any]:
        """Post to one of the replica's controls; its JSON answer."""
        status, answer = self.ask(name, wishes)
        assert status == 200, answer
        return answer

    def ask(self, name: str, wishes: object) -> tuple[int, dict[str, Any]]:
        status, _, body = self.send(f"/__replica__/{name}", json.dumps(wishes).encode())
        return status, json.loads(body)

    def send(
        self, path: str, body: bytes | None, method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        request = Request(
            self.address + path, data=body, headers=headers, method=method
        )
        try:
            with build_opener(_NoRedirect).open(request, timeout=20) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def log(self) -> list[dict[str, Any]]:
        return json.loads(self.get("/__replica__/log")[2])

    def truth(self) -> list[dict[str, Any]]:
        _, _, body = self.get("/__replica__/truth.jsonl")
        return [json.loads(line) for line in body.splitlines()]


@contextmanager
def running(*arguments: str) -> Generator[Site]:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--exit-with-parent", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if line.startswith("address: "):
                break
        yield Site(said[-1].removeprefix("address: "), said)
    finally:
        process.kill()
        process.wait()
