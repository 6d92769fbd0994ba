"""Judges what subscribers were sent, and what effects it had, against the log."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from tests.support.history_logs import Log
from tests.support.history_streams import (
    CONTINUES,
    OPENING,
    Filter,
    Ledger,
    Origin,
    Streamed,
    Subscriber,
)
from tests.support.oracle_verdicts import TOLD, Check, Verdicts

FAR = 1_000  # events looked back over for what a resumed stream had been sent last


class Matching:
    """Which positions of the log a filter lets through."""

    def __init__(self, log: Log, filter: Filter) -> None:
        self._log = log
        self._reaches = [filter.reaches(reach) for reach in log.reach.values]
        self._names = [filter.names(subject) for subject in log.subject.values]

    def __call__(self, position: int) -> bool:
        index = self._log.index(position)
        return (
            index is not None
            and self._reaches[self._log.reaches[index]]
            and self._names[self._log.subjects[index]]
        )

    def within(self, after: int, end: int) -> Iterator[int]:
        """Give the matching positions in ``(after, end]``."""
        first, last = max(after + 1, self._log.first), min(end, self._log.last)
        return filter(self, range(first, last + 1))


def check_subscriber(log: Log, subscriber: Subscriber, verdicts: Verdicts) -> None:
    reading = _Reading(log, subscriber, verdicts)
    for stream in subscriber.streams():
        reading.follow(stream)
    reading.check_end()


class _Reading:
    """One subscriber, stream by stream; ``cursor`` is the greatest position of its stream."""

    def __init__(self, log: Log, subscriber: Subscriber, verdicts: Verdicts) -> None:
        self._log = log
        self._from = subscriber
        self._verdicts = verdicts
        self._matching = Matching(log, subscriber.filter)
        self._width = max(log.last, max(subscriber.events, default=0)) + 1
        self._reached = self._cursor = self._told = self._last = 0
        self._splits: set[int] = set()  # where frames said that their transaction goes on
        self._bound = self._width
        self._is_resuming = False
        self._seen = bytearray()
        self._missed: list[tuple[Check, int]] = []

    def follow(self, stream: Streamed) -> None:
        self._bound = self._width if stream.bound is None else stream.bound
        self._seen, self._missed, self._last = bytearray(self._width), [], 0
        if (cut := self._from.cut_before(stream.begin)) is not None:
            self._reached = min(self._reached, cut)
        if stream.begin == stream.end:
            return
        self._begin(stream)
        for frame in range(stream.begin, stream.end):
            if not self._from.flags[frame] & OPENING:
                self._take(frame)
        for check, position in self._missed:
            if not self._seen[position]:  # else it came too late, and that has been said
                self._say(check, position, "a matching event was left out")
        self._reached = max(self._reached, self._cursor)

    def check_end(self) -> None:
        if not self._from.has_left:
            for position in self._matching.within(self._cursor, self._log.last):
                self._say(Check.RELIABLE, position, "it never came this far")

    def _begin(self, stream: Streamed) -> None:
        """Find out where the stream begins, and whether it may begin there."""
        opens = self._from.flags[stream.begin] & OPENING
        places = self._from.positions if opens else self._from.previous
        self._cursor = self._told = places[stream.begin]
        self._is_resuming = isinstance(stream.start, int)
        if isinstance(stream.start, int):
            self._check_resumption(stream.begin, stream.start)
        elif stream.start is Origin.EARLIEST and self._cursor >= self._log.earliest:
            self._say(Check.RELIABLE, self._cursor, "the earliest events were left out")

    def _check_resumption(self, frame: int, start: int) -> None:
        if self._cursor != start:
            self._say(Check.RESUMABLE, self._cursor, f"it resumed with the token of {start}")
        if start > self._reached:
            self._say(Check.RESUMABLE, start, f"it had come to {self._reached} only")
        held = self._held(frame, start)
        if held is not None and not self._is_logged(held):
            self._say(Check.RESUMABLE, start, "what it had been sent before is not in the log")

    def _held(self, frame: int, start: int) -> int | None:
        """Return the last event up to ``start`` that came before ``frame``."""
        end = self._from.ends[frame - 1] if frame else 0
        for event in range(end - 1, max(end - FAR, 0) - 1, -1):
            if self._from.events[event] <= min(start, self._bound):
                return event
        return None

    def _take(self, frame: int) -> None:
        reader = self._from
        position, previous = reader.positions[frame], reader.previous[frame]
        if previous != self._told:
            self._say(Check.DENSE, previous, f"the frame before it ended at {self._told}")
        if position < self._cursor:
            self._say(Check.BOOKMARKABLE, position, f"{self._cursor} had been told before")
        for event in range(reader.ends[frame - 1] if frame else 0, reader.ends[frame]):
            self._receive(event, position)
        self._look_for_gaps(position)
        self._check_split(position, continues=bool(reader.flags[frame] & CONTINUES))
        self._told, self._cursor = position, max(position, self._cursor)

    def _receive(self, event: int, end: int) -> None:
        position = self._from.events[event]
        if self._seen[position]:
            self._say(Check.UNIQUE, position, "it comes again")
        elif position < self._last:
            self._say(Check.ORDERED, position, f"it comes after {self._last}")
        elif position <= self._cursor:
            self._say(Check.BOOKMARKABLE, position, f"{self._cursor} had been told before")
        elif position > end:
            self._say(Check.BOOKMARKABLE, position, f"its frame ends at {end}")
        self._seen[position] = True
        self._last = max(self._last, position)
        if position <= self._bound:
            self._compare(event, position)

    def _compare(self, event: int, position: int) -> None:
        if not self._is_logged(event):
            self._say(Check.RELIABLE, position, "it is not what the log has there")
        elif not self._matching(position):
            self._say(Check.FILTERED, position, "it is not for this subscriber")
        elif not self._is_placed(event):
            self._say(Check.ATOMIC, position, "it is not placed as in the log")

    def _is_logged(self, event: int) -> bool:
        reader, index = self._from, self._log.index(self._from.events[event])
        return (
            index is not None
            and self._log.keys[index] == reader.keys[event]
            and self._log.contents[index] == reader.contents[event]
        )

    def _is_placed(self, event: int) -> bool:
        reader, index = self._from, self._from.events[event] - self._log.first
        place = (self._log.firsts[index], self._log.sizes[index])
        return place == (reader.firsts[event], reader.sizes[event])

    def _look_for_gaps(self, end: int) -> None:
        lost = Check.FILTERED if self._from.filter.is_narrow else Check.RELIABLE
        check = Check.RESUMABLE if self._is_resuming else lost
        for position in self._matching.within(self._cursor, min(end, self._bound)):
            if not self._seen[position] and len(self._missed) < TOLD:
                self._missed.append((check, position))
        self._is_resuming = self._is_resuming and end <= self._cursor

    def _check_split(self, position: int, *, continues: bool) -> None:
        index = self._log.index(position)
        if index is None or position > self._bound:
            return
        first = self._log.firsts[index]
        last = first + self._log.sizes[index] - 1
        if continues:
            self._splits.add(position)
            if last <= position:
                self._say(Check.ATOMIC, position, "its transaction is said to go on, and does not")
        elif (
            position != last
            and position not in self._splits
            and self._is_cut(first, position, last)
        ):
            self._say(Check.ATOMIC, position, "it ends within a transaction, and does not say so")

    def _is_cut(self, first: int, position: int, last: int) -> bool:
        halves = ((first - 1, position), (position, last))
        return all(any(self._matching.within(*half)) for half in halves)

    def _say(self, check: Check, position: int, text: str) -> None:
        self._verdicts.add(check, self._from.name, position, text)


def check_ledger(log: Log, ledger: Ledger, verdicts: Verdicts) -> None:
    """Check that each matching event had its effect once, and each subject's in their order."""
    matching = Matching(log, ledger.filter)
    counts = bytearray(log.last + 1)
    latest = array("q", bytes(8 * len(log.subject.values)))

    def say(position: int, text: str) -> None:
        verdicts.add(Check.EXACTLY_ONCE_EFFECT, ledger.name, position, text)

    for position, id in zip(ledger.positions, ledger.keys, strict=True):
        index = log.index(position)
        if index is None or log.keys[index] != id or not matching(position):
            say(position, "an effect of what is not in the log, or not for it")
            continue
        subject = log.subjects[index]
        if counts[position]:
            say(position, "the effect was had again")
        elif position < latest[subject]:
            say(position, f"the effect was had after that of {latest[subject]}")
        counts[position] = True
        latest[subject] = max(latest[subject], position)
    until = log.last if ledger.until is None else ledger.until
    for position in matching.within(ledger.after, until):
        if not counts[position]:
            say(position, "it had no effect")
