"""Spoilt pages: each is items, unreadable cards, or a refusal; no wrong number.

A number of an item must be the unspoilt one, or one a second, simple reading finds on
the spoilt page; where it is None although the page holds something, the page must have
counted something odd. ``FUZZ_PAGES=100000 pytest tests/test_page_fuzz.py`` spoils more.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from naive_reading import (
    CARD_FIELDS,
    HOME_FIELDS,
    INFO_FIELDS,
    NaivePage,
    is_among,
)
from page_mutations import mutated, page_text, paths_of
from sample_pages import (
    OLD_SALE,
    SEVERAL_SALES,
    listing_page,
    page_html,
    sample,
    sample_listing,
    sample_search,
    search_page,
)

from scrapy_project.pages.next_data import UnknownShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_project.items import Home, SaleCard
    from scrapy_project.pages.listing import ListingPage
    from scrapy_project.pages.search import SearchPage

PAGES = int(os.environ.get("FUZZ_PAGES", "12000"))
SALE_COLUMNS = {"sold_price_sek", "sold_date"}
OFFER_COLUMNS = {"list_price_sek", "first_price_sek", "days_active"}


def relevant(path: tuple[Any, ...]) -> bool:
    """Leave out what is on the page only to be ignored."""
    ignored = ("propertySearchMeta", "searchForSale", "adTargetingProperties", "svg")
    return not any(str(key).startswith(ignored) for key in path)


def spoilt_pages(name: str, count: int) -> Iterator[tuple[str, str]]:
    """Give (how to get it back, its JSON or what is left of it)."""
    pristine = sample(name)
    text = json.dumps(pristine)
    paths = [path for path in paths_of(pristine) if relevant(path)]
    for number in range(count):
        seed = f"{name}/{number}"
        rng, payload = random.Random(seed), json.loads(text)
        mutated(rng, payload, paths)
        yield seed, page_text(rng, payload)[0]


def is_storable(item: SaleCard | Home) -> bool:
    texts = [value for value in attrs.astuple(item) if isinstance(value, str)]
    return all(text.encode() and "<" not in text for text in texts)


def wrong_in_card(
    naive: NaivePage, entity: Any, card: SaleCard, true: SaleCard | None, odd: bool
) -> list[str]:
    """Name what of a card is neither on the spoilt page nor was on the good one."""
    wrong = []
    for column, name in CARD_FIELDS.items():
        value, field = getattr(card, column), naive.read(entity, name)
        numbers = field.numbers | naive.points(entity, column)
        if value is None:
            is_hidden = field.has_something or bool(numbers)
            wrong += [f"{column}: None unsaid"] if is_hidden and not odd else []
        elif not is_among(value, numbers) and value != getattr(true, column, None):
            wrong.append(f"{column}: {value}, page has {sorted(numbers)}")
    ids = {str(v) for name in ("booliId", "id") for v in naive.below(entity, name)}
    if str(card.booli_id) not in ids:
        wrong.append(f"booli_id: {card.booli_id}")
    days = [str(day)[:10] for day in naive.below(entity, "soldDate")]
    if card.sold_date.isoformat() not in days:
        wrong.append(f"sold_date: {card.sold_date}")
    return wrong if is_storable(card) else [*wrong, "not storable"]


def wrong_in_search(naive: NaivePage, page: SearchPage) -> list[str]:
    true = {card.booli_id: card for card in sample_search().cards}
    root = naive.cache["ROOT_QUERY"]
    (references,) = (
        naive.follow(value)["result"]
        for key, value in root.items()
        if key.startswith("searchSold(")
    )
    unreadable = {bad.position for bad in page.unreadable}
    kept = [r for at, r in enumerate(references or []) if at not in unreadable]
    if len(kept) != len(page.cards):
        return [f"{len(kept)} references, {len(page.cards)} cards"]
    return [
        wrong
        for reference, card in zip(kept, page.cards, strict=True)
        for wrong in wrong_in_card(
            naive, naive.follow(reference), card, true.get(card.booli_id),
            bool(page.oddities),
        )
    ]  # fmt: skip


def root_of(naive: NaivePage) -> Any:
    for name in ("propertyByResidenceId(", "propertyByListingId("):
        for key, value in naive.cache["ROOT_QUERY"].items():
            if key.startswith(name) and naive.follow(value):
                return naive.follow(value)
    return None


def wrong_in_listing(naive: NaivePage, page: ListingPage, true: Home) -> list[str]:
    wrong, home, root = [], page.home, root_of(naive)
    for column, name in HOME_FIELDS.items():
        field = naive.read(root, name)
        info = naive.info(root, INFO_FIELDS.get(column, "-"))
        value, numbers = getattr(home, column), field.numbers | info.numbers
        if value is None:
            is_hidden = field.has_something or info.has_something
            if is_hidden and not page.oddities and _is_told(column, home):
                wrong.append(f"{column}: None unsaid")
        elif not is_among(value, numbers) and value != getattr(true, column):
            wrong.append(f"{column}: {value}, page has {sorted(numbers)}")
    ids = {str(v.get(key)) for v in entities(naive) for key in ("booliId", "id")}
    if home.booli_id is not None and str(home.booli_id) not in ids:
        wrong.append(f"booli_id: {home.booli_id}")
    area_ids = {str(v) for v in naive.below(root, "areas", "id")}
    if not {str(id_) for id_ in home.area_ids} <= area_ids:
        wrong.append(f"area_ids: {home.area_ids}")
    if home.sold_date and home.sold_date not in (true.sold_date, *days_of(naive, root)):
        wrong.append(f"sold_date: {home.sold_date}")
    return wrong if is_storable(home) else [*wrong, "not storable"]


def _is_told(column: str, home: Home) -> bool:
    """Whether the type of home tells the column at all."""
    is_sold = home.detail_typename in ("SoldProperty", "ResidenceWithSoldProperty")
    if column in SALE_COLUMNS:
        return is_sold
    return column not in OFFER_COLUMNS or home.detail_typename != "Residence"


def entities(naive: NaivePage) -> list[dict[str, Any]]:
    inline = [
        s for v in naive.cache.values() for s in naive.below(v, "salesOfResidence")
    ]
    return [v for v in (*naive.cache.values(), *inline) if isinstance(v, dict)]


def days_of(naive: NaivePage, root: Any) -> list[date]:
    texts = json.dumps(
        [naive.below(root, "soldDate"), naive.below(root, "infoSections")]
    )
    found = []
    for at in range(len(texts) - 9):
        try:
            found.append(date.fromisoformat(texts[at : at + 10]))
        except ValueError:
            continue
    return found


def outcome_of_search(seed: str, text: str) -> str:
    page = search_page(page_html(text))
    try:
        assert page.echo.page
        assert page.page_count + page.total_count >= 0
        cards = page.cards
    except UnknownShapeError:
        return "refused"
    wrong = wrong_in_search(NaivePage(text), page)
    assert not wrong, f"{seed}: {wrong}, {dict(page.oddities)}"
    if page.unreadable:
        return "some cards unreadable"
    if page.oddities:
        return "odd"
    return "read" if cards else "empty"


def outcome_of_listing(seed: str, text: str, true: Home) -> str:
    page = listing_page(page_html(text))
    try:
        assert page.home
    except UnknownShapeError:
        return "refused"
    wrong = wrong_in_listing(NaivePage(text), page, true)
    assert not wrong, f"{seed}: {wrong}, {dict(page.oddities)}"
    return "odd" if page.oddities else "read"


def test_spoilt_search_pages_give_no_wrong_number() -> None:
    outcomes = Counter(
        outcome_of_search(*page) for page in spoilt_pages("search_page", PAGES // 2)
    )
    assert sum(outcomes.values()) == PAGES // 2
    # The mutations must reach every outcome, or they test less than they seem to.
    assert all(outcomes[name] for name in ("refused", "odd", "read")), outcomes
    assert outcomes["some cards unreadable"], outcomes


@pytest.mark.parametrize("name", [SEVERAL_SALES, OLD_SALE])
def test_spoilt_listing_pages_give_no_wrong_number(name: str) -> None:
    true = sample_listing(name).home
    outcomes = Counter(
        outcome_of_listing(*page, true) for page in spoilt_pages(name, PAGES // 4)
    )
    assert sum(outcomes.values()) == PAGES // 4
    assert all(outcomes[name] for name in ("refused", "odd", "read")), outcomes


def test_bodies_that_are_no_page_are_refused() -> None:
    good = page_html(sample("search_page"))
    rng = random.Random("bodies")
    for _ in range(500):
        body = bytearray(good[: rng.randrange(len(good))])
        if body and rng.random() < 0.5:
            body[rng.randrange(len(body))] = rng.randrange(256)
        with pytest.raises(UnknownShapeError):
            _ = search_page(bytes(body)).cards
