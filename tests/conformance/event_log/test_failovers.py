"""What becomes of a log, its streams and its tokens when its server is replaced by another one.

Proves events.md section 6 and its proof 6 on real servers: lossless and lossy failover, both of two
standbys promoted, a copied data directory, recovery to a point in time, and a restored dump.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common
from psycopg import Error

from chassis.errors import OutcomeUnknown
from tests.support.event_consumers import LEDGER, consuming
from tests.support.event_logs import add
from tests.support.event_streams import (
    EARLIEST,
    Silo,
    events,
    frames,
    positions,
    serving,
    until_kind,
)
from tests.support.profiles import count
from tests.support.refusals import refusal, told
from tests.support.silo_logs import Kind
from tests.support.standbys import Member, home, service
from tests.support.waiting import until

ROUNDS = count(1, 10)  # each of them of five replacements
MEANWHILE = 60  # events announced while servers are replaced
NO_ROWS = "no row tells of it"
pytestmark = pytest.mark.timeout(300)  # up to four servers are made in a test
SECOND = Duration(seconds=1)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Member:
    return home(tmp_path_factory.mktemp("family"))


@pytest.fixture(params=range(ROUNDS))
def random(request: pytest.FixtureRequest) -> Random:
    print(f"seed {request.param}")  # noqa: T201 - shown when the test fails
    return Random(request.param)  # noqa: S311 - a repeatable one


@pytest.fixture
def family(begun: Member) -> Iterator[ExitStack]:
    """Stop every member that is pushed, and remove its directory."""
    with ExitStack() as stack:
        yield stack


def joins(family: ExitStack, member: Member) -> Member:
    family.callback(member.remove)
    return member


class Reader:
    """Follows one process's log by an open stream; notes every frame and event."""

    def __init__(self, silo: Silo) -> None:
        self.silo = silo
        self.tokens: dict[int, bytes] = {}
        self.ids: dict[int, str] = {}
        self.stream = silo.subscribe(EARLIEST, heartbeat_duration=SECOND)

    async def until_at(self, position: int, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while max(self.ids, default=0) < position:
                [frame] = await frames(self.stream, 1, seconds)
                for event in events([frame]):
                    place = event.placement.position
                    assert place == len(self.ids) + 1, "neither a gap nor a duplicate"
                    self.ids[place] = event.metadata.id
                self.tokens[frame.position] = frame.resume_token


class Writer:
    """Announces events one by one; a commit that died with its server may or may not have been."""

    def __init__(self, silo: Silo) -> None:
        self.silo = silo
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []

    async def announce(self, many: int) -> None:
        until = len(self.acknowledged) + many
        while len(self.acknowledged) < until:
            announcement = self.silo.kind.announcement()
            try:
                await self.silo.announce(announcement)
            except (Error, OutcomeUnknown):
                self.unknown.append(announcement.subject)
                await asyncio.sleep(0.05)
            else:
                self.acknowledged.append(announcement.subject)


async def answer(silo: Silo, token: bytes) -> list[int] | tuple[str, dict[str, str]]:
    """Return what a subscriber with ``token`` gets, or is told, once the log is there to tell."""
    start = common.StartPosition(resume_token=token)
    async with asyncio.timeout(60):
        while True:
            stream = silo.subscribe(start, stop_at_head=True)
            try:
                return positions(await until_kind(stream, "stream_end", 60))
            except grpc.aio.AioRpcError as refused:
                if (said := told(refused))[0] != "LOG_UNAVAILABLE":
                    return said
                await asyncio.sleep(0.05)  # the pool has yet to find out which server there is


async def until_ordered(server: Member, kind: Kind) -> None:
    """Wait for what is committed to have its position."""
    query = "SELECT NOT EXISTS (SELECT FROM outbox)"

    async def is_ordered() -> bool:
        return server.query(query, database=kind.silo) == [(True,)]

    await until(is_ordered, 60)


def cut(position: int) -> tuple[str, dict[str, str]]:
    return "LOG_TRUNCATED", {"last_common_position": str(position)}


async def test_a_failover_that_loses_nothing_is_noticed_by_nobody_and_one_that_does_by_all(
    kind: Kind, begun: Member, family: ExitStack, random: Random, peer_database: str
) -> None:
    """Of two standbys one has everything, because each commit waited for it; both are promoted."""
    shared, lost = (random.randint(2, 6) for _ in range(2))
    primary, faithful, lossy = _trio(begun, family)
    async with (
        serving(service(kind.silo, primary, faithful), kind=kind) as one,
        serving(service(kind.silo, primary, lossy), kind=kind) as other,
        consuming(add(peer_database, LEDGER)) as consumer,
    ):
        survivor, victim, writer = Reader(one), Reader(other), Writer(one)
        await writer.announce(shared)
        await victim.until_at(shared)
        lossy.cut_off()
        await writer.announce(lost)
        await consumer.follow(other, without_log=NO_ROWS)
        for following in (victim, consumer):
            await following.until_at(shared + lost, 60)

        await _replaced(writer, primary.crash, faithful.promote, lossy.promote)

        # Nothing acknowledged is missing, nobody who follows noticed, and every token holds.
        await until_ordered(faithful, kind)
        logged = _subjects(faithful, kind)
        assert [each for each in logged if each not in writer.unknown] == writer.acknowledged
        head = len(logged)
        await survivor.until_at(head)
        for position, token in _some(survivor.tokens, random):
            assert await answer(one, token) == list(range(position + 1, head + 1))

        # What the other one lost is refused, however much it writes at those positions.
        assert await refusal(victim.stream) == ("LOG_UNAVAILABLE", {})
        await consumer.until_state(f"HALTED LOG_TRUNCATED: {NO_ROWS}")
        await Writer(other).announce(head - shared + 1)
        await until_ordered(lossy, kind)
        for position, token in _some(victim.tokens, random):
            kept = list(range(position + 1, head + 2))
            assert await answer(other, token) == (cut(shared) if position > shared else kept)
        twin = Reader(other)
        await twin.until_at(head + 1)

        # Each has opened its second epoch, and knows the other's tokens for a twin's.
        assert _epochs(faithful, kind)[0] == _epochs(lossy, kind)[0] == (1, 1)
        assert _epochs(lossy, kind)[1:] == [(2, shared + 1)]
        assert _epochs(faithful, kind)[1][0] == 2
        assert await answer(other, survivor.tokens[head]) == cut(0)
        assert await answer(one, twin.tokens[head + 1]) == cut(0)


def _trio(begun: Member, family: ExitStack) -> tuple[Member, Member, Member]:
    """Start a primary and two standbys, for the first of which every commit waits."""
    primary = joins(family, begun.copied("primary"))
    primary.start()
    standbys = [joins(family, primary.standby(name)) for name in ("faithful", "lossy")]
    primary.configure("ALTER SYSTEM SET synchronous_standby_names = 'faithful'")
    return primary, standbys[0], standbys[1]


async def _replaced(writer: Writer, *happenings: Callable[[], None]) -> None:
    """Let it all happen while the writer writes, and let it write on afterwards."""
    writing = asyncio.create_task(writer.announce(MEANWHILE))
    for happens in happenings:
        await asyncio.to_thread(happens)
    await asyncio.wait_for(writing, 60)


def _subjects(server: Member, kind: Kind) -> list[str]:
    query = "SELECT subject FROM event_log ORDER BY position"
    return [subject for (subject,) in server.query(query, database=kind.silo)]


def _epochs(server: Member, kind: Kind) -> list[tuple[int, int]]:
    query = "SELECT epoch, start_position FROM event_log_epoch ORDER BY epoch"
    return server.query(query, database=kind.silo)


def _some(tokens: dict[int, bytes], random: Random) -> list[tuple[int, bytes]]:
    """Give the first dozen, where the interesting ones are, and some of the others."""
    places = sorted(tokens)
    others = random.sample(places[12:], min(6, len(places[12:])))
    return [(place, tokens[place]) for place in (*places[:12], *others)]


async def test_a_copy_of_a_log_keeps_the_tokens_of_what_it_has(
    kind: Kind, begun: Member, family: ExitStack, random: Random
) -> None:
    """Of its directory, of a moment of it, and of its contents, restored as another database."""
    shared, beyond = (random.randint(2, 6) for _ in range(2))
    primary = joins(family, begun.copied("primary"))
    primary.start()
    async with serving(service(kind.silo, primary), kind=kind) as origin:
        reader = Reader(origin)
        writer = Writer(origin)
        await writer.announce(shared)
        await reader.until_at(shared)
        copy = joins(family, primary.backed_up("copy"))
        moment = joins(family, copy.copied("moment"))
        moment.recover()
        for each in (copy, moment):
            each.start()
        primary.restore(kind.silo, "restored")
        await writer.announce(beyond)
        head = shared + beyond
        await reader.until_at(head)
        dsns = [service(kind.silo, each) for each in (copy, moment)]
        for dsn in (*dsns, service(kind.silo, primary, database="restored")):
            async with serving(dsn, kind=kind) as forked:
                await Writer(forked).announce(beyond)
                fork = Reader(forked)
                await fork.until_at(head)
                is_shared = [fork.ids[each] == reader.ids[each] for each in range(1, head + 1)]
                assert is_shared == [True] * shared + [False] * beyond
                for position, token in reader.tokens.items():
                    own = list(range(position + 1, head + 1))
                    assert await answer(forked, token) == (
                        cut(shared) if position > shared else own
                    )
                assert await answer(origin, fork.tokens[head]) == cut(0)
