"""What one subscriber was sent, frame by frame, and which effects a consumer had of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

from tests.support.history_logs import Placed, Reach, content, key

OPENING, CONTINUES = 1, 2  # flags of a frame


class Origin(Enum):
    """Where a stream begins that resumes nothing."""

    EARLIEST = auto()
    LATEST = auto()
    SNAPSHOT = auto()
    TIME = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a subscriber may see and asked for; None and empty: everything."""

    keys: frozenset[str] | None = None
    types: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()

    @property
    def is_narrow(self) -> bool:
        """Whether it asked for less than it may see."""
        return bool(self.types or self.subjects)

    def reaches(self, reach: Reach) -> bool:
        visible = self.keys is None or not self.keys.isdisjoint(reach.audience)
        return visible and (not self.types or reach.type in self.types)

    def names(self, subject: str) -> bool:
        return not self.subjects or subject in self.subjects


EVERYTHING = Filter()


class Streamed(NamedTuple):
    """One stream of a subscriber: its frames are ``begin`` to ``end`` of all.

    ``bound``: it gave up later what it had been sent beyond this, for the log was cut back.
    """

    start: Origin | int
    begin: int
    end: int
    bound: int | None


class Subscriber:
    """All streams that one subscriber opened, one after the other, as flat arrays.

    Of streams that are open at the same time each is a subscriber of its own.
    """

    def __init__(self, name: str, filter: Filter) -> None:
        self.name = name
        self.filter = filter
        self.has_left = False
        self.positions, self.previous = array("q"), array("q")  # of frames
        self.ends, self.flags = array("q"), array("b")
        self.events, self.keys, self.contents = array("q"), array("Q"), array("I")
        self.firsts, self.sizes = array("q"), array("i")
        self._starts: list[tuple[Origin | int, int]] = []
        self._cuts: list[tuple[int, int]] = []

    def opened(self, start: Origin | int) -> Stream:
        """Note a new stream; an int is the position of the frame whose token it resumes with."""
        self._starts.append((start, len(self.positions)))
        return Stream(self)

    def truncated(self, last_common: int) -> None:
        """Note LOG_TRUNCATED: it gives up whatever it was sent beyond ``last_common``."""
        self._cuts.append((len(self.positions), last_common))

    def leaves(self) -> None:
        """Note that it stops where it is, and owes nobody the rest of the log."""
        self.has_left = True

    def streams(self) -> Iterator[Streamed]:
        ends = [begin for _, begin in self._starts[1:]] + [len(self.positions)]
        for (start, begin), end in zip(self._starts, ends, strict=True):
            cuts = [cut for at, cut in self._cuts if at >= end]
            yield Streamed(start, begin, end, min(cuts, default=None))

    def cut_before(self, frame: int) -> int | None:
        """Return the last common position it was told just before ``frame`` came."""
        return min((cut for at, cut in self._cuts if at == frame), default=None)


@dataclass(frozen=True, slots=True)
class Stream:
    """Takes the frames of one stream as they come."""

    subscriber: Subscriber

    def frame(self, response: Any) -> None:
        """Note a SubscribeResponse; what a snapshot sends before its end has no place."""
        if not response.resume_token:
            return
        opens = response.WhichOneof("frame") in {"started", "snapshot_end"}
        self.received(
            response.position,
            response.previous_position,
            map(placed, response.batch.events),
            opens=opens,
            continues=response.batch.transaction_continues,
        )

    def received(
        self,
        position: int,
        previous: int,
        events: Iterable[Placed] = (),
        *,
        opens: bool = False,
        continues: bool = False,
    ) -> None:
        """Note a frame by its parts; ``opens``: it tells where the stream begins."""
        to = self.subscriber
        for event in events:
            to.events.append(event.position)
            to.keys.append(key(event.event_id))
            to.contents.append(content(event.subject, event.version))
            to.firsts.append(event.first)
            to.sizes.append(event.size)
        to.positions.append(position)
        to.previous.append(previous)
        to.ends.append(len(to.events))
        to.flags.append(OPENING * opens | CONTINUES * continues)


def placed(event: Any) -> Placed:
    """Read a <Silo>Event of a frame."""
    said, place = event.metadata, event.placement
    return Placed(
        place.position,
        said.id,
        said.type,
        said.subject,
        said.subject_version,
        place.transaction_first,
        place.transaction_index,
        place.transaction_size,
    )


@dataclass
class Ledger:
    """The effects of one consumer, in the order they were had.

    It owes an effect to each matching event behind ``after``, up to ``until`` or the log's end.
    """

    name: str
    filter: Filter
    after: int = 0
    until: int | None = None
    positions: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("Q"))

    def effect(self, event_id: Any, position: int) -> None:
        self.positions.append(position)
        self.keys.append(key(event_id))

    def effects(self, rows: Iterable[Sequence[Any]]) -> None:
        """Note the effects of ``rows`` of event id and position."""
        for event_id, position in rows:
            self.effect(event_id, position)
