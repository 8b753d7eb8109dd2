"""What the body of a saved page holds, told apart without reading it.

What does not belong here: a value of the page; page objects read those.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

import orjson

from scrapy_project.pages.next_data import (
    MissingPayloadError,
    UnknownShapeError,
    payload_of,
)
from scrapy_project.saved_pages.addresses import asked_by

SAVE_AGAIN = (
    "open the page, press F5, and save it again as 'Webpage, HTML Only' or 'Complete'"
)
_CHALLENGE = re.compile(
    rb"_cf_chl_opt|gokuProps|<title>\s*(?:Just a moment|V\xc3\xa4nta)", re.IGNORECASE
)
_SHOWN_PAGE = re.compile(rb"Visar sida\s*(?:<!--\s*-->)?\s*(\d+)")


def as_utf8(raw: bytes) -> bytes:
    """Write the text in UTF-8 without a byte order mark."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace").encode()
    return raw.removeprefix(codecs.BOM_UTF8)


def fault_of(body: bytes) -> str:
    """Say why the body is no page with homes; empty when it is one."""
    try:
        has_homes = b"__APOLLO_STATE__" in payload_of(body)
    except MissingPayloadError:
        return _fault_without_payload(body)
    except UnknownShapeError as error:
        return f"{error}; keep the file, and report it"
    if has_homes:
        return ""
    return f"it is a page without homes; expected sold homes of booli.se; {SAVE_AGAIN}"


def _fault_without_payload(body: bytes) -> str:
    if not body.strip():
        return f"it is empty; {SAVE_AGAIN}"
    if _CHALLENGE.search(body):
        return (
            "it is a challenge ('Just a moment...'), not a page; wait in the browser "
            "until the page itself shows, then save that"
        )
    if b"__NEXT_DATA__" in body:
        return f"it is cut off inside its data; {SAVE_AGAIN}"
    return f"it has no __NEXT_DATA__, as every page of booli.se has; {SAVE_AGAIN}"


def is_of_another_page(url: str, body: bytes) -> bool:
    """Tell whether the data is older than what the page shows.

    A click inside the site changes address and text but not ``__NEXT_DATA__``, which
    stays that of the page opened first.
    """
    asked = _query_of(body)
    shown = {"page": "1"} | asked_by(url) if url else {}
    if asked and shown and ("id" in asked) != ("id" in shown):
        return True
    number = _SHOWN_PAGE.search(body)
    if number:
        shown["page"] = number[1].decode()
    return any(asked[key] != shown[key] for key in asked.keys() & shown.keys())


def _query_of(body: bytes) -> dict[str, str]:
    try:
        envelope: Any = orjson.loads(payload_of(body))
    except (orjson.JSONDecodeError, UnknownShapeError):
        return {}
    query = envelope.get("query") if isinstance(envelope, dict) else None
    if not isinstance(query, dict) or not query:
        return {}
    flat = {
        key: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in query.items()
    }
    return {"page": "1"} | flat if "id" not in flat else flat


def document_of(data: bytes, url: str) -> bytes | None:
    """Write the page that a browser would have got instead of its data alone.

    None when the data holds no homes: the site also asks ahead for pages nobody opens,
    and is then answered ``{}``.
    """
    try:
        props: Any = orjson.loads(as_utf8(data))
    except orjson.JSONDecodeError:
        return None
    page_props = props.get("pageProps") if isinstance(props, dict) else None
    if not isinstance(page_props, dict) or "__APOLLO_STATE__" not in page_props:
        return None
    asked = asked_by(url)
    page = "/bostad/[id]" if "id" in asked else "/sok/[searchType]"
    envelope = orjson.dumps({"props": props, "page": page, "query": asked})
    # As Next.js itself does: nothing in the JSON may end the script.
    text = envelope.replace(b"<", b"\\u003c")
    return (
        b'<!DOCTYPE html><html lang="sv"><head></head><body>'
        b'<script id="__NEXT_DATA__" type="application/json">'
        + text
        + b"</script></body></html>"
    )
