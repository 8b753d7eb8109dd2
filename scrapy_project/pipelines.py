"""From items to rows: windows and homes land with the pages they were read from.

What belongs here: hashing, compressing and batching, at the rim between the spider and
``warehouse.crawl_store``. What does not: SQL, requests. It is called by the spider
rather than by Scrapy's item pipeline: a window's cards, pages and ledger line are one
transaction, and the listing pages still missing are known once it is committed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from typing import TYPE_CHECKING, Any

import attrs
import orjson

from warehouse.crawl_store import (
    CardChanges,
    CrawlStore,
    Row,
    SearchScope,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    from scrapy_project.items import Home, SaleCard
    from scrapy_project.pages.search import UnreadableCard

logger = logging.getLogger(__name__)

HOMES_PER_TRANSACTION = 100


@attrs.frozen(kw_only=True)
class ServedPage:
    """A page as it was served: its payload is what ``raw.pages`` keeps."""

    url: str
    """Path and query, without the origin."""
    kind: str
    """``search`` or ``listing``."""
    payload: bytes = b""
    http_status: int = 200
    fetched_at: datetime = attrs.field(factory=utc_now)

    @property
    def sha256(self) -> str:
        """The payload's hash; empty when the page had none."""
        return hashlib.sha256(self.payload).hexdigest() if self.payload else ""


@attrs.frozen(kw_only=True)
class ReadSearchPage:
    """A search page with what was read from it."""

    page: ServedPage
    cards: list[SaleCard]
    unreadable: list[UnreadableCard]


@attrs.frozen(kw_only=True)
class LandedWindow:
    """A window of sold dates as the ledger will hold it."""

    from_date: date
    to_date: date
    status: str
    page_count: int
    total_count: int


class Landing:
    """Lands what the spider has read; homes in batches, a window at once.

    Parameters
    ----------
    store
        The open warehouse.
    """

    def __init__(self, store: CrawlStore) -> None:
        self.store = store
        self._run_id = store.run.run_id
        self._behind = store.clock_is_behind
        if self._behind:
            logger.warning(
                "the clock is %s behind what earlier crawls observed: it was ahead "
                "then, or is wrong now. Set it right; until it has caught up, what is "
                "observed is dated after what was",
                self._behind,
            )
        self._pages: list[Row] = []
        self._homes: list[Row] = []
        self._ledger: list[Row] = []

    def land_window(
        self,
        scope: SearchScope,
        window: LandedWindow,
        pages: Iterable[ReadSearchPage] = (),
    ) -> CardChanges:
        """Land the window and its pages; tells what its cards changed."""
        rows = self._search_rows(pages)
        card_count = len({card["booli_id"] for card in rows["cards"]})
        ledger = attrs.asdict(window) | {"card_count": card_count}
        return self.store.land_window(scope, ledger, **rows)

    def land_search_page(self, page: ReadSearchPage) -> CardChanges:
        """Land one search page that belongs to no window."""
        return self.store.land_search_pages(**self._search_rows([page]))

    def add_home(self, page: ServedPage, home: Home | None) -> None:
        """Add a listing page, with its home unless it was gone; lands when full."""
        sha256 = page.sha256
        self._pages.append(self._page_row(page, sha256))
        self._ledger.append(self._ledger_row(page, home))
        if home is not None:
            self._homes.append(self._observed(home, page, sha256))
        if len(self._pages) >= HOMES_PER_TRANSACTION:
            self.flush()

    def flush(self) -> None:
        """Land the homes that wait."""
        pages, self._pages = self._pages, []
        homes, self._homes = self._homes, []
        ledger, self._ledger = self._ledger, []
        if pages:
            self.store.land_homes(pages=pages, homes=homes, ledger=ledger)

    def quarantine_page(self, page: ServedPage, reason: str) -> None:
        """Keep a whole page that no page object understood."""
        record = _as_json(page.payload) if page.payload else None
        row = self._quarantine_row(
            page.url, page.sha256 or page.url, -1, None, reason, record
        )
        self.store.quarantine([row])

    def _search_rows(self, pages: Iterable[ReadSearchPage]) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = {"pages": [], "cards": [], "quarantined": []}
        for read in pages:
            sha256 = read.page.sha256
            rows["pages"].append(self._page_row(read.page, sha256))
            for card in read.cards:
                row = self._observed(card, read.page, sha256)
                rows["cards"].append(row | {"page_url": read.page.url})
            for bad in read.unreadable:
                record = _record(bad.record)
                rows["quarantined"].append(
                    self._quarantine_row(
                        read.page.url,
                        sha256,
                        bad.position,
                        bad.field,
                        bad.reason,
                        record,
                    )
                )
        return rows

    def _at(self, page: ServedPage) -> datetime:
        return page.fetched_at + self._behind

    def _page_row(self, page: ServedPage, sha256: str) -> Row:
        return {
            "url": page.url,
            "page_kind": page.kind,
            "http_status": page.http_status,
            "payload_sha256": sha256,
            "payload_zlib": zlib.compress(page.payload) if page.payload else None,
            "fetched_at": self._at(page),
            "run_id": self._run_id,
        }

    def _ledger_row(self, page: ServedPage, home: Home | None) -> Row:
        return {
            "site": self.store.run.site,
            "url": page.url,
            "read_at": self._at(page),
            "http_status": page.http_status,
            "sold_date": home.sold_date if home is not None else None,
            "run_id": self._run_id,
        }

    def _observed(self, item: SaleCard | Home, page: ServedPage, sha256: str) -> Row:
        values = attrs.asdict(item, recurse=False)
        return values | {
            "observed_at": self._at(page),
            "content_sha256": content_sha256(values),
            "run_id": self._run_id,
            "payload_sha256": sha256,
        }

    def _quarantine_row(
        self,
        source: str,
        sha256: str,
        position: int,
        field: str | None,
        reason: str,
        record: str | None,
    ) -> Row:
        return {
            "source": source,
            "source_sha256": sha256,
            "row_number": position,
            "field": field,
            "reason": reason,
            "record": record,
            "quarantined_at": utc_now(),
        }


def _as_json(payload: bytes) -> str:
    """Write JSON as it is, anything else as one JSON text.

    Strictly: Python's own reader takes ``NaN`` and half characters, DuckDB does not.
    """
    text = payload.decode("utf-8", "replace")
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.dumps(text.replace("\x00", "\ufffd"))
    return text


def _record(value: Any) -> str:  # noqa: ANN401 - whatever stood on the page
    try:
        return _as_json(json.dumps(value).encode())
    except RecursionError:
        return json.dumps("nested too deep to be written; see the page in raw.pages")


def content_sha256(values: Mapping[str, Any]) -> str:
    """Hash an item's fields: equal observations have equal hashes."""
    text = json.dumps(list(values.values()), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
