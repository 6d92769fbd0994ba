"""What the EMS silo shows of its rows is what its log led to.

Run: ``python -m pytest tests/integration/ems/test_snapshots.py``; needs PostgreSQL.
"""

from __future__ import annotations

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import event_log_pb2

from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import run
from tests.support.snapshots import LATEST_VERSIONS, payload, snapshot, versions

FILE = event_log_pb2.DESCRIPTOR
NOUNS = ("agencies", "units", "transport_bids", "assignments")


async def test_rows_are_shown_as_the_log_left_them(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    await swift.advance(job, "IN_TRANSIT")

    shown = await snapshot(silo.channel, FILE, swift.agency.dispatcher)

    announced = dict(silo.sql(LATEST_VERSIONS, f"^({'|'.join(NOUNS)})/"))
    assert versions(shown, *NOUNS) == announced
    assert {subject.partition("/")[0] for subject in announced} == set(NOUNS)

    updated = silo.payloads(f"agencies/{swift.agency.id}")[-1]
    assert payload(shown[f"agencies/{swift.agency.id}"]).agency == updated

    seen = payload(shown[f"units/{unit.id}"])
    assert seen.status == words.UNIT_STATUS_TRANSPORTING
    assert seen.unit.unit_number == unit.unit_number

    submitted, closed = silo.payloads(f"transport_bids/{job.bid_id}")
    submitted.bid.status, submitted.bid.bid_version = closed.status, closed.bid_version
    bid = payload(shown[f"transport_bids/{job.bid_id}"])
    assert (bid.trip, bid.agency_id, bid.bid) == (
        submitted.trip,
        submitted.agency_id,
        submitted.bid,
    )

    confirmed, *_, advanced, _ = silo.payloads(f"assignments/{job.id}")
    seen = payload(shown[f"assignments/{job.id}"])
    assert (seen.job, seen.bid_id) == (confirmed.job, confirmed.bid_id)
    assert seen.accept_time == confirmed.accept_time
    assert (seen.status, seen.pickup_time) == (advanced.status, advanced.occur_time)
    assert (seen.unit_id, seen.unit_number) == (advanced.unit_id, advanced.unit_number)


async def test_an_agency_is_shown_its_own_rows(silo: EmsSilo) -> None:
    swift, rival = await silo.agency(), await silo.agency("Rival")
    await rival.add_unit()
    mine = await snapshot(silo.channel, FILE, swift.dispatcher)
    assert set(mine) == {f"agencies/{swift.id}"}
