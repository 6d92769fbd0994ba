"""What was said and done about one event log, as the oracle wants it: told, logged, received, had.

Everything is kept as flat arrays of numbers, some 130 bytes per event told, 36 per event logged
and 32 per event and subscriber: a soak of a million events fits into memory. Event ids are kept
by their last 64 bits, which are random.

    history = History()
    history.writers.tell(Outcome.ACKED, [Written(event_id=..., subject=..., version=1)])
    subscriber = history.subscriber("ems", Filter(keys=frozenset({"silo:ems"})))
    stream = subscriber.opened(Origin.EARLIEST)          # or the position of a resume token
    stream.frame(response)                               # every frame, of any silo, as it comes
    history.ledger("ems").effect(event_id, position)     # every row, in the order of the effects
    history.log = read_log(connection)                   # last of all: what the database has
    assert oracle.check(history) == []
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tests.support.history_logs import Interned, Log, Placed, Reach, content, key, read_log
from tests.support.history_streams import (
    EVERYTHING,
    Filter,
    Ledger,
    Origin,
    Stream,
    Subscriber,
    placed,
)

__all__ = [
    "EVERYTHING",
    "Filter",
    "History",
    "Ledger",
    "Log",
    "Origin",
    "Outcome",
    "Placed",
    "Stream",
    "Subscriber",
    "Writers",
    "Written",
    "placed",
    "read_log",
]


class Outcome(IntEnum):
    """What the writer of a transaction was told."""

    ACKED = 0
    ROLLED_BACK = 1
    UNKNOWN = 2  # its COMMIT died: allowed either way, all of it or nothing; the log decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One event as its writer knows it; ``causes`` are the ids of events that it depends on.

    ``type`` and ``audience`` matter only where the log is put together from frames.
    """

    event_id: Any  # a UUID, or its text
    subject: str
    version: int
    type: str = ""
    audience: Sequence[str] = ()
    causes: Sequence[Any] = ()


class Writers:
    """What all writers were told; any thread may tell, each transaction once.

    What a rolled back savepoint had announced is told as ROLLED_BACK by itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rows: dict[int, int] = {}  # event key to row; rows are in the order told
        self.contents = array("I")
        self.versions = array("q")
        self.subjects, self.subject = array("i"), Interned[str]()
        self.reaches, self.reach = array("i"), Interned[Reach]()
        self.transactions = array("q")
        self.outcomes = array("b")  # by transaction, as are first row and size
        self.begins, self.sizes = array("q"), array("q")
        self.effects, self.causes = array("Q"), array("Q")  # pairs of event keys

    def __len__(self) -> int:
        return len(self.contents)

    def tell(self, outcome: Outcome, events: Sequence[Written]) -> None:
        """Note the outcome of one transaction and its events, in the order they were written."""
        with self._lock:
            transaction = len(self.outcomes)
            self.outcomes.append(outcome)
            self.begins.append(len(self.contents))
            self.sizes.append(len(events))
            for event in events:
                self._note(transaction, event)

    def acked(self) -> int:
        """Return how many events were acknowledged: the log has at least as many."""
        with self._lock:
            outcomes = zip(self.outcomes, self.sizes, strict=True)
            return sum(size for outcome, size in outcomes if outcome == Outcome.ACKED)

    def lose(self, event_ids: Iterable[Any]) -> None:
        """Note that the log was cut back behind these: their whole transactions never were."""
        with self._lock:
            for id in event_ids:
                self.outcomes[self.transactions[self.rows[key(id)]]] = Outcome.ROLLED_BACK

    def _note(self, transaction: int, event: Written) -> None:
        id = key(event.event_id)
        assert id not in self.rows, f"{event.event_id} is told twice"
        self.rows[id] = len(self.contents)
        self.contents.append(content(event.subject, event.version))
        self.versions.append(event.version)
        self.subjects.append(self.subject.number(event.subject))
        self.reaches.append(self.reach.number(Reach(event.type, frozenset(event.audience))))
        self.transactions.append(transaction)
        for cause in event.causes:
            self.effects.append(id)
            self.causes.append(key(cause))


@dataclass
class History:
    """One log, its writers and its readers.

    ``log`` is what the database says it is; without it, the log is put together from the frames,
    and every writer has to be known. ``is_whole`` says that the writers were told of every event
    of the log: otherwise events that no writer knows of are taken as they are.
    """

    writers: Writers = field(default_factory=Writers)
    log: Log | None = None
    subscribers: dict[str, Subscriber] = field(default_factory=dict)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    is_whole: bool = True

    def subscriber(self, name: str, filter: Filter = EVERYTHING) -> Subscriber:
        """Return the record of ``name``, which all its streams share."""
        return self.subscribers.setdefault(name, Subscriber(name, filter))

    def ledger(self, name: str, filter: Filter = EVERYTHING, after: int = 0) -> Ledger:
        """Return the record of the effects that a consumer had of what follows ``after``."""
        return self.ledgers.setdefault(name, Ledger(name, filter, after))
