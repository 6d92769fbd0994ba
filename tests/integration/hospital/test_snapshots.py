"""What the hospital silo shows of its rows is what its log led to.

Run: ``python -m pytest tests/integration/hospital/test_snapshots.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import event_log_pb2

from tests.support.hospital_silo import HospitalSilo, hospital_silo
from tests.support.hospital_trips import PHI, ward
from tests.support.snapshots import LATEST_VERSIONS, payload, snapshot, versions

FILE = event_log_pb2.DESCRIPTOR


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[HospitalSilo]:
    async with hospital_silo(hospital_database) as opened:
        yield opened


def _last(silo: HospitalSilo, subject: str, kind: str) -> Any:
    """Return the payload of the latest event of ``kind`` about ``subject``."""
    query = """
    SELECT data FROM (
      SELECT position, type, subject, data FROM event_log UNION ALL
      SELECT 1000000 + id, type, subject, data FROM outbox) AS all_of_them
    WHERE subject = %s AND type = %s ORDER BY position DESC LIMIT 1
    """
    type_name = f"medport.hospital.events.v1.{kind}"
    return payload(
        event_log_pb2.HospitalEvent.FromString(silo.sql(query, subject, type_name)[0][0])
    )


async def test_rows_are_shown_as_the_log_left_them(silo: HospitalSilo) -> None:
    mercy = await ward(silo)
    open_trip, done = await mercy.create(), await mercy.awarded()
    await silo.hear(mercy.confirmation(done))
    for status in ("EN_ROUTE", "AT_PICKUP", "IN_TRANSIT", "AT_DESTINATION", "COMPLETED"):
        await silo.hear(mercy.advance(done, words.JobStatus.Value(f"JOB_STATUS_{status}")))

    shown = await snapshot(silo.channel, FILE, silo.user_of("center", "CENTER_ADMIN"))

    announced = dict(silo.sql(LATEST_VERSIONS, "^(facilities|transport_requests|signing_keys)/"))
    assert versions(shown, "facilities", "transport_requests", "signing_keys") == announced
    assert len(announced) == 5
    tenant = payload(shown[f"hospitals/{mercy.hospital_id}"]).hospital
    assert tenant.hospital_id == mercy.hospital_id

    facility = f"facilities/{mercy.origin}"
    assert payload(shown[facility]).facility == _last(silo, facility, "FacilityChanged").facility

    created = _last(silo, f"transport_requests/{open_trip.id}", "TransportRequestCreated")
    pending = payload(shown[f"transport_requests/{open_trip.id}"])
    assert pending.status == words.TRIP_STATUS_PENDING
    for field in created.DESCRIPTOR.fields_by_name:
        assert getattr(pending, field) == getattr(created, field), field

    completed = _last(silo, f"transport_requests/{done.id}", "TransportRequestCompleted")
    ended = payload(shown[f"transport_requests/{done.id}"])
    assert ended.status == words.TRIP_STATUS_COMPLETED
    for field in completed.DESCRIPTOR.fields_by_name:
        assert getattr(ended, field) == getattr(completed, field), field


async def test_nothing_about_the_patient_is_shown(silo: HospitalSilo) -> None:
    mercy = await ward(silo)
    await mercy.create()
    shown = await snapshot(silo.channel, FILE, silo.user_of("center", "CENTER_ADMIN"))
    text = "".join(str(event) for event in shown.values())
    assert text
    assert [value for value in PHI if value in text] == []


async def test_a_hospital_is_shown_its_own_rows(silo: HospitalSilo) -> None:
    mercy = await ward(silo)
    trip = await mercy.create()
    other = await silo.login(hospital_id=UUID(int=7))
    assert f"transport_requests/{trip.id}" in await snapshot(silo.channel, FILE, mercy.staff)
    assert set(await snapshot(silo.channel, FILE, other)) == {f"hospitals/{UUID(int=7)}"}
