"""Writers that do everything a unit of work may do, in an order that only their seed decides."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from tests.support.event_writers import Scene, Writer

WRITERS = 4
TRIPS = 8  # few, so that writers wait for one another's rows
BATCHES = (1, 3, 50, 500)


class RandomWriters:
    """Writes at least ``events`` events from several connections while two sequencers tick.

    An event's causes are taken from what was acknowledged before it was written, by anybody.
    """

    def __init__(self, scene: Scene, seed: int, events: int) -> None:
        self._scene = scene
        self._seed = seed
        self._share = events // WRITERS
        self._known: list[UUID] = []

    def run(self) -> None:
        done = threading.Event()
        with ThreadPoolExecutor(WRITERS + 2) as pool:
            ordering = [pool.submit(self._order, number, done) for number in range(2)]
            try:
                writing = [pool.submit(self._write, number) for number in range(WRITERS)]
                for each in writing:
                    each.result()
            finally:
                done.set()
            for each in ordering:
                each.result()

    def _dice(self, whose: str) -> random.Random:
        return random.Random(f"{self._seed}/{whose}")  # noqa: S311 - to be repeated, not secret

    def _write(self, number: int) -> None:
        dice = self._dice(f"writer {number}")
        writer, written = self._scene.writer(), 0
        while written < self._share:
            written += self._transaction(writer, dice)

    def _transaction(self, writer: Writer, dice: random.Random) -> int:
        """Change some trips; in order, so that no two writers wait for each other."""
        trips = sorted(dice.sample(range(1, TRIPS + 1), dice.choice((1, 1, 2, 3, 5))))
        ids = [self._change(writer, dice, trip) for trip in trips[:-1]]
        if dice.random() < 0.1:
            with writer.doomed_savepoint():
                self._change(writer, dice, trips[-1])
        else:
            ids.append(self._change(writer, dice, trips[-1]))
        if dice.random() < 0.1:
            writer.rollback()
            return 0
        writer.commit()
        self._known += ids
        return len(ids)

    def _change(self, writer: Writer, dice: random.Random, trip: int) -> UUID:
        known = self._known
        causes = [dice.choice(known[-20:])] if known and dice.random() < 0.3 else []
        return writer.change(f"T{trip}", *causes)

    def _order(self, number: int, done: threading.Event) -> None:
        dice = self._dice(f"sequencer {number}")
        sequencer = self._scene.connect(autocommit=True)
        is_last = False
        while not is_last:  # the last look begins after the last commit
            is_last = done.is_set()
            while self._scene.tick(dice.choice(BATCHES), by=sequencer):
                pass
            done.wait(dice.choice((0.001, 0.01, 0.05)))  # so that small batches meet many events
