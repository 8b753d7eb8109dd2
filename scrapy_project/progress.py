"""How far a crawl is, counted by the spider and told in one line for a person.

What does not belong here: when the line is shown (``extensions``).
"""

from __future__ import annotations

import attrs


@attrs.define
class Progress:
    """How far the crawl is; what is done counts what this run did."""

    windows: int = 0
    windows_done: int = 0
    search_pages: int = 0
    cards: int = 0
    listings: int = 0
    """Listing pages to read, as far as they are known."""
    listings_done: int = 0
    homes: int = 0
    files: int = 0
    """Files of saved pages; none when a site is crawled."""
    files_done: int = 0
    reads_homes: bool = True
    """Whether listing pages will be read once the windows have landed."""

    @property
    def pages(self) -> int:
        """All pages read."""
        return self.search_pages + self.listings_done


def progress_line(counts: Progress, elapsed_s: float) -> str:
    """One line for a person; the time left counts the pages known so far."""
    if counts.files:
        return (
            f"{counts.files_done}/{counts.files} files, "
            f"{counts.search_pages} search pages with {counts.cards} sales, "
            f"{counts.homes} homes"
        )
    rate = counts.pages / elapsed_s if elapsed_s > 0 else 0.0
    return (
        f"{counts.windows_done}/{counts.windows} windows, {counts.cards} sales, "
        f"{counts.listings_done}/{counts.listings} listing pages, "
        f"{counts.homes} homes; {grouped(rate * 3600)} pages/h, "
        f"{_time_left(counts, rate)}"
    )


def grouped(number: float) -> str:
    """Write a whole number the Swedish way: ``3 250 000``."""
    return f"{number:,.0f}".replace(",", " ")


def _time_left(counts: Progress, rate: float) -> str:
    pages_left = _pages_left(counts)
    if pages_left is None or (pages_left and not rate):
        return "time left unknown"
    if pages_left <= 0:
        return "nothing left"
    minutes, seconds = divmod(round(pages_left / rate), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days} d ' if days else ''}{hours}:{minutes:02}:{seconds:02} left"


def _pages_left(counts: Progress) -> float | None:
    """Estimate what is to come: windows not read yet are like those read so far."""
    windows_left = counts.windows - counts.windows_done
    if windows_left and not counts.windows_done:
        return None
    done = max(1, counts.windows_done)
    search_left = windows_left * counts.search_pages / done
    if not windows_left or not counts.reads_homes:
        return search_left + counts.listings - counts.listings_done
    return search_left + counts.cards * counts.windows / done
