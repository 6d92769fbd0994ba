"""In which order a route's stops are best driven: the shortest, or nearly, that is possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

Order = list[int]
Matrix = Sequence[Sequence[float]]

EXACT_STOPS = 8  # that may move: more are ordered step by step
_LEAST_GAIN = 1e-9  # less is rounding, and would go on for ever
_MOST_MOVED = 3  # stops at once


def shortest(miles: Matrix, after: Mapping[int, int], *, first: bool, last: bool) -> Order:
    """Return the stops' numbers in a short order, never a longer one than they have.

    ``miles`` are those between each two stops. ``after`` names the stop that must come before
    another: a drop-off's pickup. ``first`` and ``last`` keep the stop at that end where it is.
    """
    begin, end = [0] * first, [len(miles) - 1] * last
    free = range(len(begin), len(miles) - len(end))
    if len(free) <= EXACT_STOPS:
        return _exact(miles, after, begin, list(free), end)
    return _improved(miles, after, begin, list(free), end)


def length(miles: Matrix, order: Sequence[int]) -> float:
    return sum(miles[a][b] for a, b in pairwise(order))


def _exact(miles: Matrix, after: Mapping[int, int], begin: Order, free: Order, end: Order) -> Order:
    """Try every order, but each set of stops behind one only once (Held and Karp, 1962)."""
    best: dict[tuple[frozenset[int], int], tuple[float, Order]] = {}
    start = begin[0] if begin else -1
    reached = {(frozenset[int](), start): (0.0, begin)}
    for _ in free:
        best = {}
        for (seen, here), (cost, order) in reached.items():
            for there in free:
                if there in seen or not _is_ready(there, after, seen, free):
                    continue
                step = cost + (miles[here][there] if here >= 0 else 0.0)
                key = seen | {there}, there
                if key not in best or step < best[key][0]:
                    best[key] = step, [*order, there]
        reached = best
    orders = [[*order, *end] for _, order in reached.values()]
    return min(orders, key=lambda order: length(miles, order))


def _is_ready(
    stop: int, after: Mapping[int, int], seen: frozenset[int], free: Sequence[int]
) -> bool:
    return stop not in after or after[stop] in seen or after[stop] not in free


def _improved(
    miles: Matrix, after: Mapping[int, int], begin: Order, free: Order, end: Order
) -> Order:
    """Turn parts round and move some elsewhere for as long as that shortens the way."""
    order = [*begin, *free, *end]
    known, is_better = length(miles, order), True
    while is_better:
        is_better = False
        for candidate in _neighbours(order, len(begin), len(order) - len(end)):
            cost = length(miles, candidate)
            if cost < known - _LEAST_GAIN and _keeps(candidate, after):
                order, known, is_better = candidate, cost, True
                break
    return order


def _neighbours(order: Order, low: int, high: int) -> Iterator[Order]:
    for i, j in combinations(range(low, high + 1), 2):
        yield order[:i] + order[i:j][::-1] + order[j:]
        if j - i <= _MOST_MOVED:
            part, rest = order[i:j], order[:i] + order[j:]
            for place in range(low, high - len(part) + 1):
                yield rest[:place] + part + rest[place:]


def _keeps(order: Order, after: Mapping[int, int]) -> bool:
    at = {stop: place for place, stop in enumerate(order)}
    return all(at[before] < at[stop] for stop, before in after.items())
