"""Jobs and bids are watched: what is live, what changes, also without an event, and resumed.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from medport.center.events.v1 import system_configurations_pb2 as center
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs
from medport.ems.v1 import transport_bids_pb2 as bids

from chassis import watching
from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.hospital_news import Trip

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have heartbeats come often: what only they bring is waited for."""
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", 0.3)


def watch_jobs(swift: Run, **asked: Any) -> Any:
    request = jobs.WatchAssignmentsRequest(agency_id=str(swift.agency.id), **asked)
    return swift.silo.jobs.WatchAssignments(request, metadata=swift.agency.dispatcher)


def watch_bids(swift: Run, **asked: Any) -> Any:
    request = bids.WatchBidsRequest(agency_id=str(swift.agency.id), **asked)
    return swift.silo.bids.WatchBids(request, metadata=swift.agency.dispatcher)


async def until(stream: Any, kind: str) -> list[Any]:
    """Read frames up to the first of ``kind``."""
    frames: list[Any] = []
    async with asyncio.timeout(20):
        while not frames or frames[-1].WhichOneof("frame") != kind:
            frames.append(await stream.read())
    return frames


async def test_jobs_are_watched_as_they_go_and_as_they_are_planned(shared_silo: EmsSilo) -> None:
    swift = await run(shared_silo)
    job, unit = await swift.won(), await swift.agency.add_unit()
    stream = watch_jobs(swift)
    first = await until(stream, "snapshot_end")
    assert [each.assignment.id for each in first[:-1]] == [job.id]

    await swift.assign(job, unit.id)
    seen = await until(stream, "assignment")
    while seen[-1].assignment.unit_id != unit.id:
        seen = await until(stream, "assignment")
    other = Run(swift.agency, Trip())
    second = await other.won()
    asked: dict[str, Any] = swift.agency.own
    plan = jobs.PlanUnitRequest(assignment_id=second.id, unit_id=unit.id, **asked)
    await shared_silo.jobs.PlanUnit(plan, metadata=swift.agency.dispatcher)
    while seen[-1].assignment.planned_unit_id != unit.id:  # no event tells: the heartbeat does
        seen = await until(stream, "assignment")
    await shared_silo.hear(other.trip.revoked())  # nor does one tell of the job's end
    while seen[-1].assignment.status != words.JOB_STATUS_REVOKED:
        seen = await until(stream, "assignment")
    token = (await until(stream, "heartbeat"))[-1].resume_token
    stream.cancel()
    await swift.advance(job, "COMPLETED")

    resumed = watch_jobs(swift, resume_token=token)
    seen = await until(resumed, "assignment")
    while seen[-1].assignment.status != words.JOB_STATUS_COMPLETED:
        seen = await until(resumed, "assignment")
    resumed.cancel()


async def test_bids_are_watched_until_they_are_decided_and_as_awards_wait(
    shared_silo: EmsSilo,
) -> None:
    swift = await run(shared_silo)
    by_hand = center.SystemConfigurationChanged(
        key=f"award.confirm.{swift.agency.id}",
        value_type="TEXT",
        is_active=True,
        version=1,
    )
    by_hand.value.string_value = "manual"
    await shared_silo.hear(by_hand)
    await swift.offer()
    bid = await swift.bid()
    stream = watch_bids(swift)
    first = await until(stream, "snapshot_end")
    assert [each.bid.id for each in first[:-1]] == [bid.id]

    await shared_silo.hear(swift.trip.awarded(bid.id, swift.agency.id))
    [*_, waiting] = await until(stream, "bid")
    while waiting.bid.award_token != swift.trip.award_token:  # again no event: the heartbeat does
        [*_, waiting] = await until(stream, "bid")
    confirmed = jobs.ConfirmAwardRequest(
        bid_id=bid.id, award_token=waiting.bid.award_token, **swift.agency.own
    )
    await shared_silo.jobs.ConfirmAward(confirmed, metadata=swift.agency.dispatcher)
    [*_, won] = await until(stream, "bid")
    assert (won.bid.status, won.bid.award_token) == (words.BID_STATUS_ACCEPTED, "")
    stream.cancel()


async def test_nobody_watches_another_agencys_jobs_and_bids(shared_silo: EmsSilo) -> None:
    swift, rival = await run(shared_silo), await shared_silo.agency("Rival")
    stolen = Run(rival)
    for stream in (
        shared_silo.jobs.WatchAssignments(
            jobs.WatchAssignmentsRequest(agency_id=str(swift.agency.id)), metadata=rival.dispatcher
        ),
        shared_silo.bids.WatchBids(
            bids.WatchBidsRequest(agency_id=str(swift.agency.id)), metadata=rival.dispatcher
        ),
        watch_jobs(stolen, resume_token=b"x" * 57),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await stream.read()
        assert told.value.code() in {
            grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.INVALID_ARGUMENT,
        }
