"""Two sequencers, whatever happens to one of them in the middle of a tick.

Proves: random writers with rollbacks, savepoints and causes end up in a log that the oracle
believes, for any mixture of batch sizes; a tick that is killed, or whose client stops, at each of
four failpoints is taken over by the other sequencer and leaves no gap, no loss and no duplicate;
a client that holds the head in a transaction of its own is thrown out by the idle timeout, and
without that timeout holds everybody up.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom

import pytest
from psycopg import OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout

from tests.support.event_writers import Scene
from tests.support.failpoints import FAILPOINTS, Failpoint
from tests.support.profiles import count
from tests.support.random_writers import RandomWriters

ROUNDS = count(1, 25)  # of each of eight: four failpoints, killed or paused
EVENTS = count(1_000, 20_000)
STANDSTILL_SECONDS = count(1, 16)
IDLE = "-c idle_in_transaction_session_timeout="


@pytest.mark.timeout(count(120, 600))
@pytest.mark.parametrize("turn", range(count(3, 100)))
def test_random_writers_and_two_sequencers_make_one_true_log(scene: Scene, turn: int) -> None:
    seed = SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    RandomWriters(scene, seed, EVENTS).run()
    assert len(scene.events()) == scene.history.writers.acked() >= EVENTS


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_tick_that_is_killed_is_taken_over(scene: Scene, failpoint: Failpoint) -> None:
    for _ in range(ROUNDS):
        scene.written("T1", "T2")
        victim, heir = scene.connect(autocommit=True), scene.connect(autocommit=True)
        with failpoint(scene) as release, ThreadPoolExecutor() as pool:
            dying = pool.submit(scene.tick, by=victim)
            scene.until_blocked(victim)
            inheriting = pool.submit(scene.tick, by=heir)
            scene.until_blocked(heir)
            scene.written("T1")
            scene.kill(victim)
            assert isinstance(dying.exception(), OperationalError)
            release()
            assert inheriting.result() == 3
    assert len(scene.events()) == 3 * ROUNDS


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_tick_whose_client_stops_is_finished_by_the_server(
    scene: Scene, failpoint: Failpoint
) -> None:
    for _ in range(ROUNDS):
        scene.written("T1", "T2")
        with (
            failpoint(scene) as release,
            scene.unread_tick() as paused,
            ThreadPoolExecutor() as pool,
        ):
            scene.until_blocked(paused)
            other = pool.submit(scene.tick)
            scene.until_blocked(scene.sequencer)
            scene.written("T1")
            release()
            other.result()
        scene.sequence()
    assert len(scene.events()) == 3 * ROUNDS


def test_a_client_that_holds_the_head_is_thrown_out(scene: Scene) -> None:
    scene.written("T1")
    holder = scene.connect(options=f"{IDLE}200ms")
    assert scene.tick(by=holder) == 1  # in a transaction that it never ends
    assert scene.tick() == 1
    with pytest.raises(IdleInTransactionSessionTimeout):
        holder.execute("SELECT")
    assert scene.events() == ["T1 v1"]


def test_without_an_idle_timeout_it_holds_everybody_up(scene: Scene) -> None:
    scene.written("T1")
    holder = scene.connect(options=f"{IDLE}0")
    scene.tick(by=holder)
    with ThreadPoolExecutor() as pool:
        ticking = pool.submit(scene.tick)
        with pytest.raises(TimeoutError):
            ticking.result(STANDSTILL_SECONDS)
        assert scene.is_blocked(scene.sequencer)
        holder.rollback()
        assert ticking.result() == 1
