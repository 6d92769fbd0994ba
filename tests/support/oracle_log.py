"""Judges the log itself against what its writers were told."""

from __future__ import annotations

from array import array

from tests.support.histories import History, Outcome, Writers
from tests.support.history_logs import NOTHING, Log
from tests.support.oracle_verdicts import Check, Verdicts


def check_log(log: Log, history: History, verdicts: Verdicts) -> None:
    """Check that the log is dense, whole, and in an order in which things can have happened."""
    for position, text in log.faults:
        verdicts.add(Check.DENSE, "", position, text)
    comparison = _Comparison(log, history, verdicts)
    comparison.walk()
    comparison.look_for_what_was_told()
    comparison.check_causes()
    if not log.is_pieced:
        _check_versions(log, verdicts)


class _Comparison:
    """The log beside its writers; ``places`` are the positions of their events, 0 for none."""

    def __init__(self, log: Log, history: History, verdicts: Verdicts) -> None:
        self._log = log
        self._history = history
        self._writers: Writers = history.writers
        self._verdicts = verdicts
        self.places = array("q", bytes(8 * len(history.writers)))
        self._firsts = array("q", bytes(8 * len(history.writers.outcomes)))

    def walk(self) -> None:
        for position, id in enumerate(self._log.keys, self._log.first):
            if id == NOTHING:
                continue
            row = self._writers.rows.get(id)
            if row is not None:
                self._compare(position, row)
            elif self._history.is_whole:
                self._say(Check.RELIABLE, position, "nobody wrote this event")

    def _compare(self, position: int, row: int) -> None:
        writers, index = self._writers, position - self._log.first
        if self.places[row]:
            self._say(Check.UNIQUE, position, f"the event is at {self.places[row]} already")
            return
        self.places[row] = position
        if self._log.contents[index] != writers.contents[row]:
            self._say(Check.RELIABLE, position, "it is not what its writer wrote")
        if writers.outcomes[writers.transactions[row]] == Outcome.ROLLED_BACK:
            self._say(Check.RELIABLE, position, "it was rolled back")
        self._compare_place(position, index, row)

    def _compare_place(self, position: int, index: int, row: int) -> None:
        writers, first = self._writers, self._log.firsts[index]
        transaction = writers.transactions[row]
        known = self._firsts[transaction] or first
        self._firsts[transaction] = known
        if first != known or self._log.sizes[index] != writers.sizes[transaction]:
            self._say(Check.ATOMIC, position, "it is not placed as one with its transaction")
        elif position - first != row - writers.begins[transaction]:
            self._say(Check.CAUSAL, position, "its transaction wrote it at another place")

    def look_for_what_was_told(self) -> None:
        writers = self._writers
        for outcome, begin, size in zip(
            writers.outcomes, writers.begins, writers.sizes, strict=True
        ):
            missing = [row for row in range(begin, begin + size) if not self.places[row]]
            if outcome == Outcome.UNKNOWN and 0 < len(missing) < size:
                self._say(Check.ATOMIC, begin, f"only {size - len(missing)} of {size} are there")
            elif outcome == Outcome.ACKED:
                for row in filter(self._should_be_known, missing):
                    version = writers.versions[row]
                    subject = writers.subject.values[writers.subjects[row]]
                    text = f"{subject} v{version} was acknowledged and is missing"
                    self._say(Check.RELIABLE, 0, text)

    def _should_be_known(self, row: int) -> bool:
        """Tell whether the log can lack ``row`` only by losing it."""
        if not self._log.is_pieced:
            return True
        subject = self._writers.subject.values[self._writers.subjects[row]]
        reach = self._writers.reach.values[self._writers.reaches[row]]
        return any(
            reader.filter.reaches(reach) and reader.filter.names(subject)
            for reader in self._history.subscribers.values()
            if not reader.has_left
        )

    def check_causes(self) -> None:
        for effect, cause in zip(self._writers.effects, self._writers.causes, strict=True):
            position = self._place(effect)
            if position and not 0 < self._place(cause) < position:
                self._say(Check.CAUSAL, position, "its cause does not come before it")

    def _place(self, id: int) -> int:
        row = self._writers.rows.get(id)
        return self.places[row] if row is not None else 0

    def _say(self, check: Check, position: int, text: str) -> None:
        self._verdicts.add(check, "", position, text)


def _check_versions(log: Log, verdicts: Verdicts) -> None:
    """Check that each subject's versions are 1, 2, 3 ..., where the log is read from its start."""
    latest = array("q", bytes(8 * len(log.subject.values)))
    for index, subject in enumerate(log.subjects):
        if log.keys[index] == NOTHING:
            continue
        version, before = log.versions[index], latest[subject]
        if version != before + 1 and (before or log.first == 1):
            text = f"{log.subject.values[subject]} v{version} comes after v{before}"
            verdicts.add(Check.CAUSAL, "", log.first + index, text)
        latest[subject] = version
