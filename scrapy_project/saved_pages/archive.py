"""What HAR and WARC have in common: many answers, few of them pages of sold homes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from scrapy_project.saved_pages.addresses import is_data, page_url
from scrapy_project.saved_pages.payload import as_utf8, document_of, fault_of
from scrapy_project.saved_pages.sources import (
    DamagedSourceError,
    SavedPage,
    UnreadableSource,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

logger = logging.getLogger(__name__)


@attrs.frozen
class Answer:
    """The site's answer to a question for a page of sold homes."""

    place: str
    """Where it stands in the archive."""
    url: str
    status: int
    saved_at: datetime
    body: bytes = b""
    fault: str = ""
    """Why the body could not be had; empty when it was."""


def tells_of_a_page(status: object) -> bool:
    """Tell whether an answer is a page or stands for one that was refused.

    A redirect, a page that is gone (404) or an aborted request is neither.
    """
    return isinstance(status, int) and (
        status in (200, 202, 403, 429) or 500 <= status < 600
    )


def pages_in(
    source: str, answers: Iterator[Answer | None]
) -> Iterator[SavedPage | UnreadableSource]:
    """Read the pages among an archive's answers; None stands for any other answer.

    A refusal is told only if the same page was not had elsewhere in the archive: a
    browser that is challenged asks again.
    """
    read: set[str] = set()
    failed: dict[str, UnreadableSource] = {}
    others = 0
    damage = ""
    try:
        for answer in answers:
            page = _page(source, answer)
            if isinstance(page, SavedPage):
                read.add(page.url)
                yield page
            elif page is not None and answer is not None:
                failed.setdefault(page_url(answer.url), page)
            else:
                others += 1
    except DamagedSourceError as error:
        damage = str(error)
    refused = [fault for url, fault in failed.items() if url not in read]
    yield from refused
    logger.info(
        "%s: %d pages, %d refused, %d other answers left alone",
        *(source, len(read), len(refused), others),
    )
    if damage or not (read or refused):
        yield UnreadableSource(source, damage or _without_pages(others))


def _page(source: str, answer: Answer | None) -> SavedPage | UnreadableSource | None:
    if answer is None:
        return None
    place = f"{source}#{answer.place}"
    body = as_utf8(answer.body)
    if answer.status == 200 and not answer.fault and is_data(answer.url):
        document = document_of(body, answer.url)
        if document is None:
            return None
        body = document
    fault = answer.fault or _fault_of_status(answer.status) or fault_of(body)
    if fault:
        return UnreadableSource(place, f"{answer.url}: {fault}", body)
    return SavedPage(place, page_url(answer.url), body, answer.saved_at)


def _fault_of_status(status: int) -> str:
    if status == 200:
        return ""
    return (
        f"the site answered {status}, a challenge or a limit, and no page after it; "
        "wait in the browser until the page itself shows, then save again"
    )


def _without_pages(others: int) -> str:
    return (
        f"none of its {others} answers is a page of sold homes of booli.se; open "
        "such pages while recording, reload each with F5, and save again"
    )
