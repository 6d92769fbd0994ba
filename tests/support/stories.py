"""A short true history in plain lists, for tests of the oracle to falsify.

Twelve events in eight transactions; one transaction more was rolled back, and of two whose COMMIT
died one is in the log. A subscriber of everything was cut off once, a narrow one within a
transaction, and a third met a log that had been cut back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from tests.support.histories import (
    EVERYTHING,
    Filter,
    History,
    Log,
    Origin,
    Outcome,
    Placed,
    Written,
)

EMS = Filter(keys=frozenset({"silo:ems"}), types=frozenset({"trip"}))


def uuid(number: int) -> UUID:
    return UUID(int=number)


@dataclass
class Told:
    outcome: Outcome
    events: list[Written]


@dataclass(frozen=True)
class Frame:
    position: int
    previous: int
    events: tuple[Placed, ...] = ()
    opens: bool = False
    continues: bool = False


@dataclass
class Sent:
    """The frames of one stream, and where the log was found cut back to before it, if it was."""

    start: Origin | int
    frames: list[Frame]
    truncated: int | None = None


@dataclass
class Reader:
    filter: Filter
    streams: list[Sent]
    has_left: bool = False


@dataclass
class Story:
    told: list[Told] = field(default_factory=list)
    rows: list[Placed] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)
    effects: list[tuple[UUID, int]] = field(default_factory=list)

    def frame(self, reader: str, stream: int, frame: int) -> Frame:
        return self.readers[reader].streams[stream].frames[frame]

    def reframe(self, reader: str, stream: int, frame: int, changed: Frame) -> None:
        self.readers[reader].streams[stream].frames[frame] = changed

    def resend(self, reader: str, stream: int, frame: int, positions: Sequence[int]) -> None:
        """Let a frame bring the events that the log has at ``positions``, in this order."""
        events = tuple(self.rows[position - 1] for position in positions)
        told = self.frame(reader, stream, frame)
        self.reframe(reader, stream, frame, replace(told, events=events))

    def replace_event(self, before: Placed, after: Placed) -> None:
        """Let the log, and whatever was sent of it, have ``after``."""
        self.rows[before.position - 1] = after
        for reader in self.readers.values():
            for stream in reader.streams:
                stream.frames = [
                    replace(
                        each,
                        events=tuple(after if event == before else event for event in each.events),
                    )
                    for each in stream.frames
                ]

    def history(self, *, with_log: bool = True) -> History:
        history = History(log=Log(self.rows) if with_log else None)
        for told in self.told:
            history.writers.tell(told.outcome, told.events)
        for name, reader in self.readers.items():
            _record(history, name, reader)
        ledger = history.ledger("ems", EMS)
        ledger.effects(self.effects)
        return history


def _record(history: History, name: str, reader: Reader) -> None:
    subscriber = history.subscriber(name, reader.filter)
    for sent in reader.streams:
        if sent.truncated is not None:
            subscriber.truncated(sent.truncated)
        stream = subscriber.opened(sent.start)
        for each in sent.frames:
            stream.received(
                each.position,
                each.previous,
                each.events,
                opens=each.opens,
                continues=each.continues,
            )
    if reader.has_left:
        subscriber.leaves()


# subject, version, type, audience of each transaction's events, in the order of the log
_TRANSACTIONS: list[list[tuple[str, int, str, str]]] = [
    [("A", 1, "trip", "ems")],
    [("B", 1, "trip", "ems"), ("C", 1, "trip", "ems")],
    [("A", 2, "trip", "ems center")],
    [("D", 1, "trip", "center")],
    [("B", 2, "trip", "ems"), ("A", 3, "trip", "ems"), ("C", 2, "trip", "ems")],
    [("E", 1, "unit", "ems")],
    [("A", 4, "trip", "ems")],
    [("B", 3, "trip", "ems"), ("D", 2, "trip", "center")],
]
_UNKNOWN = 5  # the transaction whose COMMIT died and that is in the log nevertheless
CAUSES = {4: 1, 10: 9}  # position of an effect: of its cause


def a_story() -> Story:
    story = Story()
    for number, transaction in enumerate(_TRANSACTIONS):
        outcome = Outcome.UNKNOWN if number == _UNKNOWN else Outcome.ACKED
        _add(story, outcome, transaction)
    story.told.append(Told(Outcome.ROLLED_BACK, [_written(20, ("A", 5, "trip", "ems"))]))
    lost = [_written(21, ("F", 1, "trip", "ems")), _written(22, ("F", 2, "trip", "ems"))]
    story.told.append(Told(Outcome.UNKNOWN, lost))
    story.readers = {
        "all": _reads_all(story),
        "ems": _reads_trips(story),
        "cut": _is_cut_back(story),
    }
    matching = (row for row in story.rows if row.type == "trip" and "silo:ems" in row.audience)
    story.effects = [(row.event_id, row.position) for row in matching]
    return story


def _add(story: Story, outcome: Outcome, transaction: list[tuple[str, int, str, str]]) -> None:
    first = len(story.rows) + 1
    events = [_written(first + index, each) for index, each in enumerate(transaction)]
    story.told.append(Told(outcome, events))
    for index, each in enumerate(events):
        story.rows.append(
            Placed(
                position=first + index,
                event_id=each.event_id,
                type=each.type,
                subject=each.subject,
                version=each.version,
                first=first,
                index=index,
                size=len(events),
                audience=each.audience,
            )
        )


def _written(number: int, event: tuple[str, int, str, str]) -> Written:
    subject, version, type, audience = event
    return Written(
        event_id=uuid(number),
        subject=subject,
        version=version,
        type=type,
        audience=tuple(f"silo:{silo}" for silo in audience.split()),
        causes=[uuid(CAUSES[number])] if number in CAUSES else [],
    )


def _opening(position: int) -> Frame:
    return Frame(position, position, opens=True)


def _reads_all(story: Story) -> Reader:
    row = [story.rows[0], *story.rows]  # by position
    first = [
        _opening(0),
        Frame(1, 0, (row[1],)),
        Frame(3, 1, (row[2], row[3])),
        Frame(3, 3),
        Frame(5, 3, (row[4], row[5])),
        Frame(7, 5, (row[6], row[7]), continues=True),
        Frame(7, 7),
    ]
    second = [
        _opening(5),
        Frame(8, 5, (row[6], row[7], row[8])),
        Frame(10, 8, (row[9], row[10])),
        Frame(12, 10, (row[11], row[12])),
    ]
    return Reader(EVERYTHING, [Sent(Origin.EARLIEST, first), Sent(5, second)])


def _reads_trips(story: Story) -> Reader:
    row = [story.rows[0], *story.rows]
    first = [
        _opening(0),
        Frame(4, 0, (row[1], row[2], row[3], row[4])),
        Frame(6, 4, (row[6],), continues=True),
    ]
    second = [
        _opening(6),
        Frame(8, 6, (row[7], row[8])),
        Frame(9, 8),
        Frame(12, 9, (row[10], row[11])),
    ]
    return Reader(EMS, [Sent(Origin.EARLIEST, first), Sent(6, second)])


def _is_cut_back(story: Story) -> Reader:
    row = [story.rows[0], *story.rows]
    phantom = row[2]._replace(event_id=uuid(99), size=1)
    first = [_opening(0), Frame(2, 0, (row[1], phantom))]
    second = [_opening(1), Frame(3, 1, (row[2], row[3]))]
    streams = [Sent(Origin.EARLIEST, first), Sent(1, second, truncated=1)]
    return Reader(EVERYTHING, streams, has_left=True)
