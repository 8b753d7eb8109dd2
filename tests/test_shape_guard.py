"""The guard that ends a crawl of a site that has changed shape."""

from __future__ import annotations

import pytest

from scrapy_project.pages.next_data import UnknownShapeError
from scrapy_project.shape_guard import ShapeGuard

ODD = {"unknown_datapoint/solceller": 1}


def guard_after(good: int, kind: str = "search") -> ShapeGuard:
    guard = ShapeGuard()
    for number in range(good):
        guard.saw(kind, f"/page/{number}", {})
    return guard


def test_odd_first_page_ends_the_run_naming_what_is_odd_and_where() -> None:
    with pytest.raises(UnknownShapeError, match=r"solceller.*/sok/slutpriser\?page=7"):
        ShapeGuard().saw("search", "/sok/slutpriser?page=7", ODD)


def test_first_page_that_cannot_be_read_ends_the_run() -> None:
    with pytest.raises(UnknownShapeError, match="no ROOT_QUERY"):
        ShapeGuard().unreadable("listing", "/bostad/1", "no ROOT_QUERY")


def test_message_is_one_line() -> None:
    with pytest.raises(UnknownShapeError) as refusal:
        ShapeGuard().saw(
            "search", "/sok", {f"unknown_root_key/{n}": 1 for n in "abcdefgh"}
        )
    assert "\n" not in str(refusal.value)
    assert "and 2 more" in str(refusal.value)


def test_one_odd_page_is_borne_and_a_second_is_not() -> None:
    guard = guard_after(1)
    guard.saw("search", "/odd/1", ODD)
    guard.saw("search", "/good", {})
    with pytest.raises(UnknownShapeError, match="2 of 4 search pages"):
        guard.saw("search", "/odd/2", ODD)


def test_one_page_in_a_hundred_may_be_odd() -> None:
    guard = guard_after(297)
    for number in range(3):
        guard.saw("search", f"/odd/{number}", ODD)
    with pytest.raises(UnknownShapeError, match="4 of 301"):
        guard.saw("search", "/odd/4", ODD)


def test_kinds_are_counted_apart() -> None:
    guard = guard_after(1)
    guard.saw("search", "/odd", ODD)
    guard.saw("listing", "/odd", ODD)
    guard.saw("listing", "/good", {})
    with pytest.raises(UnknownShapeError, match="2 of 3 listing pages"):
        guard.unreadable("listing", "/bostad/2", "not JSON")


def test_names_counted_zero_times_are_no_oddity() -> None:
    guard = ShapeGuard()
    guard.saw("search", "/good", {"unknown_datapoint/x": 0})
    guard.verdict()


def test_verdict_is_stricter_than_the_run_when_pages_are_few() -> None:
    guard = guard_after(10)
    guard.saw("search", "/odd", ODD)
    with pytest.raises(UnknownShapeError, match="1 of 11 search pages"):
        guard.verdict()


def test_verdict_bears_one_odd_page_in_a_hundred() -> None:
    guard = guard_after(99)
    guard.saw("search", "/odd", ODD)
    guard.verdict()


def test_run_without_pages_has_nothing_to_judge() -> None:
    ShapeGuard().verdict()
