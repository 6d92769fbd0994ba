"""Judges a history by the log's ten guarantees, one check each (events.md, sections 1 and 14).

It knows nothing of the code under test. It passes once over the writers, the log, each subscriber
and each ledger, and needs beside them one byte per position.
"""

from __future__ import annotations

from tests.support.histories import History, Log, Writers
from tests.support.history_logs import Placed
from tests.support.oracle_log import check_log
from tests.support.oracle_readers import check_ledger, check_subscriber
from tests.support.oracle_verdicts import Check, Verdicts, Violation

__all__ = ["Check", "Violation", "check"]


def check(history: History) -> list[Violation]:
    """Return every broken promise; of each kind and reader only the first few are told."""
    verdicts = Verdicts()
    log = history.log if history.log is not None else _log_of_frames(history)
    check_log(log, history, verdicts)
    for subscriber in history.subscribers.values():
        check_subscriber(log, subscriber, verdicts)
    for ledger in history.ledgers.values():
        check_ledger(log, ledger, verdicts)
    return verdicts.found


def _log_of_frames(history: History) -> Log:
    """Put the log together from what subscribers were sent: the last word on a position counts."""
    places: dict[int, tuple[int, int, int]] = {}
    for reader in history.subscribers.values():
        events = zip(reader.events, reader.keys, reader.firsts, reader.sizes, strict=True)
        places.update({position: (id, first, size) for position, id, first, size in events})
    log = Log(first=min(places, default=1))
    log.is_pieced = True
    for position in sorted(places):
        id, first, size = places[position]
        log.put(_placed(history.writers, id, position, first, size), id)
    return log


def _placed(writers: Writers, id: int, position: int, first: int, size: int) -> Placed:
    row = writers.rows.get(id)
    if row is None:
        return Placed(position, "", "", "", 0, first, position - first, size)
    subject = writers.subject.values[writers.subjects[row]]
    reach = writers.reach.values[writers.reaches[row]]
    return Placed(
        position,
        "",
        reach.type,
        subject,
        writers.versions[row],
        first,
        position - first,
        size,
        tuple(reach.audience),
    )
