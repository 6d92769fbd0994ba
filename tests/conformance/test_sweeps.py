"""What a silo does now and then its own process begins, and nobody else.

Proves, of every periodic timer, with the real process of each silo: what lay there too long when it
started is gone, what did not is kept, and mail has left. What each sweep decides is proven where it
is; here a timer that its composition root leaves out is red.
Run: ``python -m pytest tests/conformance/test_sweeps.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from chassis.mail_settings import MailSettings
from chassis.server import Process
from tests.support.databases import SILOS, Databases, superuser_of
from tests.support.due_things import OFFERS
from tests.support.notified import notified
from tests.support.post_office import PostOffice, post_office
from tests.support.silos import Keys, build, settings
from tests.support.waiting import until

# Two of each, of which the first is too old, by whatever table it is in.
_ANSWERS = """
INSERT INTO idempotency_key ({owner}principal_id, method, request_id, request_hash, expires_at)
SELECT {tenant}gen_random_uuid(), '/a.Service/Do', gen_random_uuid(), '', now() + at
FROM unnest(ARRAY['-1 minute', '1 hour']::interval[]) AS at
"""
_PLACES = """
INSERT INTO unit_location_history (agency_id, unit_id, fix_at, latitude, longitude)
SELECT %(tenant)s, gen_random_uuid(), now() - at, 40.5, -78.4
FROM unnest(ARRAY['31 days', '29 days']::interval[]) AS at
"""
_STALE = """
INSERT INTO stale_bucket (facts, bucket_started_at, transaction_version)
VALUES ('TRIPS', date_trunc('hour', now()) - interval '1 hour', 1)
"""
_ENDED = """
UPDATE transport_request AS trip SET hospital_id = %(tenant)s, origin_hospital_id = %(tenant)s,
  status = 'EXPIRED', requested_at = now() - interval '400 days', expired_at = now() - ended.ago
FROM (SELECT id, make_interval(days => 368 - 2 * row_number() OVER ()::int) AS ago
      FROM transport_request) AS ended WHERE ended.id = trip.id
"""
# What says how much is left, and how much that is in the end.
LEFT: Mapping[str, Mapping[str, int]] = {
    "hospital": {"transport_request WHERE patient_id IS NOT NULL": 1},
    "ems": {"unit_location_history": 1},
    "center": {"stale_bucket": 0},
}
KEYS = {"idempotency_key": 1}
PERIODS = (
    "hospital_svc.timers.patients.SECONDS",
    "ems_svc.timers.unit_locations.SECONDS",
    "center_svc.timers.analytics.SECONDS",
    "chassis.idempotency_sweep.SECONDS",
)


def lay(silo: str, dsn: str, tenant: UUID | None) -> None:
    """Write what is old and what is not; foreign keys are not asked."""
    columns = {"hospital": "hospital_id, ", "ems": "agency_id, ", "center": ""}
    own = "%(tenant)s, " if tenant else ""
    texts = {"hospital": _ENDED, "ems": _PLACES, "center": _STALE}
    with psycopg.connect(superuser_of(dsn), autocommit=True) as admin:
        if silo == OFFERS.silo:
            OFFERS.add(admin, 2, first=3600)
        admin.execute("SET session_replication_role = replica")
        for text in (_ANSWERS.format(owner=columns[silo], tenant=own), texts[silo]):
            admin.execute(text.encode(), {"tenant": tenant})


def mailed(office: PostOffice) -> MailSettings:
    server = f"127.0.0.1:{office.port}"
    return MailSettings(server=server, sender="medport@mercy.example", security="off")


@pytest.mark.parametrize("silo", SILOS)
async def test_a_silo_does_by_itself_what_the_clock_asks(
    silo: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for period in PERIODS:  # a busy machine may postpone the first turn
        monkeypatch.setattr(period, 1.0)
    with databases.fresh(silo) as dsn:
        async with notified(silo, dsn) as told, post_office() as office:
            await told.tell(user := told.user())
            lay(silo, dsn, told.tenant)

            async def is_done() -> bool:
                found = {
                    rows: told.sql(f"SELECT count(*) FROM {rows}")[0][0]  # noqa: S608 - ours
                    for rows in wanted
                }
                return found == wanted and len(office.taken) == 1

            wanted = {**LEFT[silo], **KEYS}
            process = Process(
                build(silo), replace(settings(silo, dsn, Keys(), {}), mail=mailed(office))
            )
            await process.start()
            try:
                await until(is_done, 60)
            finally:
                await process.stop(grace=0)
            assert office.taken[0][0] == told.people[user]
