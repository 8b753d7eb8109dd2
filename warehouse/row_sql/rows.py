"""What compiled programs do to rows: join, gather, group, rank.

What belongs here: operations on lists of row numbers and of values. A position of -1
(or None as a whole list: every row, in order) stands for no row, as left joins give.
What does not: scalar functions (``scalars``).
"""

from __future__ import annotations

import operator
from functools import reduce
from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from warehouse.row_sql.tables import Index

Positions = list[int]
Pairs = tuple[Positions, Positions]


class Grouped:
    """A lookup made on the way, of the few rows there are."""

    def __init__(self, *columns: Iterable[Any]) -> None:
        self._rows: dict[tuple[Any, ...], Positions] = {}
        for position, keys in enumerate(zip(*columns, strict=True)):
            if None not in keys:
                self._rows.setdefault(keys, []).append(position)

    def pairs(self, *keys: Sequence[Any]) -> Pairs:
        """Pair the position of each row asked with the rows that have its keys."""
        ours: Positions = []
        theirs: Positions = []
        for position, wanted in enumerate(zip(*keys, strict=True)):
            for found in self._rows.get(wanted, ()):
                ours.append(position)
                theirs.append(found)
        return ours, theirs


def newest(
    index: Index, count: int, days: Sequence[Any], or_equal: bool, *keys: Sequence[Any]
) -> Positions:
    """Find for each row the newest of an index by its day; -1 where none is."""
    rows = zip(*keys, strict=True) if keys else repeat((), count)
    return [
        index.newest(wanted, day, or_equal=or_equal)
        for wanted, day in zip(rows, days, strict=True)
    ]


def crossed(our_count: int, their_count: int) -> Pairs:
    """Pair every row with every one."""
    ours = [n for n in range(our_count) for _ in range(their_count)]
    return ours, list(range(their_count)) * our_count


def kept_pairs(ours: Positions, theirs: Positions, is_kept: Iterable[Any]) -> Pairs:
    """Keep the pairs that a condition holds for."""
    kept = [
        pair
        for pair, keep in zip(zip(ours, theirs, strict=True), is_kept, strict=True)
        if keep
    ]
    return [ours for ours, _ in kept], [theirs for _, theirs in kept]


def with_missing(
    ours: Positions, theirs: Positions, count: int
) -> tuple[Positions | None, Positions]:
    """Add the rows without a partner, as a left join does."""
    if ours == list(range(count)):
        return None, theirs
    partners: list[Positions] = [[] for _ in range(count)]
    for our, their in zip(ours, theirs, strict=True):
        partners[our].append(their)
    found = [(n, their) for n in range(count) for their in partners[n] or [-1]]
    theirs = [their for _, their in found]
    return (None if len(found) == count else [our for our, _ in found]), theirs


def one_each(ours: Positions, theirs: Positions, count: int) -> Positions:
    """Give each row's one partner, -1 where there is none."""
    partners = [-1] * count
    for our, their in zip(ours, theirs, strict=True):
        partners[our] = their
    return partners


def partnered(ours: Positions, count: int, is_wanted: bool) -> Positions:
    """Give the rows that have a partner (semi join), or that have none (anti join)."""
    having = set(ours)
    return [n for n in range(count) if (n in having) == is_wanted]


def found_rows(theirs: Positions) -> Pairs:
    """Leave out the rows that found none, as an inner join does."""
    ours = [n for n, their in enumerate(theirs) if their >= 0]
    return ours, [theirs[n] for n in ours]


def true_rows(is_kept: Iterable[Any]) -> Positions:
    """Give the rows a condition holds for: neither false nor NULL."""
    return [position for position, keep in enumerate(is_kept) if keep]


def take(values: Sequence[Any], positions: Positions | None) -> Sequence[Any]:
    """Give the values at positions."""
    return values if positions is None else [values[n] for n in positions]


def take_or_null(values: Sequence[Any], positions: Positions) -> list[Any]:
    """Give the values at positions, NULL where there is none."""
    return [None if n < 0 else values[n] for n in positions]


def take_stored(
    values: Sequence[Any], nulls: Sequence[int] | None, positions: Positions
) -> list[Any]:
    """Give a stored column's values at positions."""
    if nulls is None:
        return [values[n] for n in positions]
    return [None if nulls[n] else values[n] for n in positions]


def take_stored_or_null(
    values: Sequence[Any], nulls: Sequence[int] | None, positions: Positions
) -> list[Any]:
    """Give a stored column's values at positions, NULL where there is none."""
    if nulls is None:
        return [None if n < 0 else values[n] for n in positions]
    return [None if n < 0 or nulls[n] else values[n] for n in positions]


def grouped(*columns: Iterable[Any]) -> tuple[Positions, list[Positions]]:
    """Group rows by equal values; NULL is a value. Gives first rows and all rows."""
    groups: dict[tuple[Any, ...], Positions] = {}
    for position, keys in enumerate(zip(*columns, strict=True)):
        groups.setdefault(keys, []).append(position)
    return [group[0] for group in groups.values()], list(groups.values())


def distinct(*columns: Iterable[Any]) -> Positions:
    """Give the first of equal rows; NULL is a value."""
    firsts: dict[tuple[Any, ...], int] = {}
    for position, values in enumerate(zip(*columns, strict=True)):
        firsts.setdefault(values, position)
    return list(firsts.values())


def filtered_groups(groups: list[Positions], is_kept: Sequence[Any]) -> list[Positions]:
    """Leave out of each group the rows a filter does not hold for."""
    return [[n for n in group if is_kept[n]] for group in groups]


def aggregated(
    fold: Callable[[list[Any]], Any], values: Sequence[Any], groups: list[Positions]
) -> list[Any]:
    """Fold each group's values that are not NULL; NULL where there are none."""
    folded = []
    for group in groups:
        known = [values[n] for n in group if values[n] is not None]
        folded.append(fold(known) if known else None)
    return folded


def total(values: list[Any]) -> Any:  # noqa: ANN401
    """Add in order, one by one, as DuckDB does."""
    return reduce(operator.add, values)


def mean(values: list[Any]) -> float:
    """Give the mean."""
    return total(values) / len(values)


def counted(values: Sequence[Any], groups: list[Positions]) -> list[int]:
    """Count each group's values that are not NULL."""
    return [sum(values[n] is not None for n in group) for group in groups]


def chosen(
    best: Callable[[Iterable[Any]], Any],
    values: Sequence[Any],
    by: Sequence[Any],
    groups: list[Positions],
) -> list[Any]:
    """Give each group's value where another column is least or greatest."""
    results = []
    for group in groups:
        known = [
            (by[n], n) for n in group if values[n] is not None and by[n] is not None
        ]
        if not known:
            results.append(None)
            continue
        extreme = best(key for key, _ in known)
        results.append(next(values[n] for key, n in known if key == extreme))
    return results


def spread(aggregates: list[Any], groups: list[Positions], count: int) -> list[Any]:
    """Give each row its group's figure, as a window does."""
    values: list[Any] = [None] * count
    for aggregate, group in zip(aggregates, groups, strict=True):
        for position in group:
            values[position] = aggregate
    return values


def row_numbers(
    groups: list[Positions], count: int, *orders: tuple[Sequence[Any], bool]
) -> list[int]:
    """Number each group's rows in order, NULL last; orders are (values, descending)."""
    numbers = [0] * count
    for group in groups:
        ranked = list(group)
        for values, is_descending in reversed(orders):
            unknown = [n for n in ranked if values[n] is None]
            known = [n for n in ranked if values[n] is not None] if unknown else ranked
            known.sort(key=values.__getitem__, reverse=is_descending)
            ranked = known + unknown
        for number, position in enumerate(ranked, start=1):
            numbers[position] = number
    return numbers


def unnested(lists: Sequence[Any]) -> tuple[Positions, list[Any]]:
    """Give a row for each element of each row's list."""
    elements = [(n, each) for n, values in enumerate(lists) for each in values or ()]
    return [n for n, _ in elements], [each for _, each in elements]
