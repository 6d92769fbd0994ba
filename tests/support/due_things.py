"""Things that fall due, written into a silo's database as they would stand there.

Foreign keys are not asked: what a timer reads is here, and nothing of what led to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import psycopg

_HOSPITAL = """
WITH due AS MATERIALIZED (
  SELECT gen_random_uuid() AS id, gen_random_uuid() AS trip, gen_random_uuid() AS hospital,
         now() + make_interval(secs => %(first)s + n * %(apart)s) AS at
    FROM generate_series(0, %(count)s - 1) n
), trips AS (
  INSERT INTO transport_request (hospital_id, id, trip_number, patient_id, origin_hospital_id,
    destination_hospital_id, created_by_id, transport_level, age_band, weight_band,
    origin_facility_id, destination_facility_id, ready_at, latest_pickup_at, requested_at,
    offer_expires_at, status, award_id, assigned_agency_id)
  SELECT hospital, trip, left(trip::text, 20), trip::text, hospital,
    hospital, hospital, 'ALS', 'ADULT', 'UNDER_300_LB',
    gen_random_uuid(), gen_random_uuid(), now(), now() + interval '3 hours', now() - interval '1 d',
    at - interval '30 s', CASE WHEN %(awarded)s THEN 'AWARDED' ELSE 'PENDING' END,
    CASE WHEN %(awarded)s THEN id END, CASE WHEN %(awarded)s THEN id END FROM due
), awards AS (
  INSERT INTO award (hospital_id, id, transport_request_id, bid_id, agency_id, material_version,
    confirm_deadline_at)
  SELECT hospital, id, trip, id, id, 1, at - interval '30 s' FROM due WHERE %(awarded)s
)
SELECT 'transport_requests/' || trip, at FROM due
"""
_EMS = """
WITH due AS MATERIALIZED (
  SELECT gen_random_uuid() AS id, gen_random_uuid() AS trip, gen_random_uuid() AS agency,
         now() + make_interval(secs => %(first)s + n * %(apart)s) AS at
    FROM generate_series(0, %(count)s - 1) n
), offered AS (
  INSERT INTO offered_trip (hospital_id, transport_request_id, trip_number, transport_level,
    priority, required_capabilities, age_band, weight_band, origin_facility_id,
    destination_facility_id, ready_at, latest_pickup_at, offer_expires_at, material_version,
    trip_version, state, award_token, awarded_agency_id, awarded_bid_id, confirm_deadline_at)
  SELECT id, trip, left(trip::text, 20), 'ALS',
    'HIGH', '{}', 'ADULT', 'UNDER_300_LB', gen_random_uuid(),
    gen_random_uuid(), now(), now() + interval '3 hours', now(), 1,
    1, CASE WHEN %(awarded)s THEN 'AWARDED' ELSE 'OPEN' END, CASE WHEN %(awarded)s THEN id END,
    CASE WHEN %(awarded)s THEN agency END, CASE WHEN %(awarded)s THEN id END,
    CASE WHEN %(awarded)s THEN at END FROM due
), bids AS (
  INSERT INTO transport_bid (agency_id, id, hospital_id, transport_request_id, unit_level,
    material_version, submitted_by_id, submitted_at, expires_at)
  SELECT agency, id, id, trip, 'ALS', 1, id, now() - interval '1 d',
    CASE WHEN %(awarded)s THEN now() + interval '1 hour' ELSE at - interval '60 s' END FROM due
)
SELECT CASE WHEN %(awarded)s THEN 'awards/' ELSE 'transport_bids/' END || id, at FROM due
"""
_CENTER = """
WITH due AS MATERIALIZED (
  SELECT gen_random_uuid() AS trip,
         now() + make_interval(secs => %(first)s + n * %(apart)s) AS at
    FROM generate_series(0, %(count)s - 1) n
), facts AS (
  INSERT INTO trip_fact (hospital_id, transport_request_id) SELECT trip, trip FROM due
), levels AS (
  INSERT INTO sla_timer (hospital_id, transport_request_id, kind, due_at)
  SELECT trip, trip, 'FIRST_BID', at FROM due
)
SELECT 'sla_timers/' || trip || '/FIRST_BID', at FROM due WHERE NOT %(awarded)s
"""
_STATEMENTS = {"hospital": _HOSPITAL, "ems": _EMS, "center": _CENTER}
_ANNOUNCED = """
SELECT subject, type, recorded_at FROM event_log WHERE subject = ANY(%s) ORDER BY position
"""


@dataclass(frozen=True)
class DueThing:
    """One kind of them; ``events`` is what each has been announced with once it happened."""

    timer: str
    silo: str
    events: tuple[str, ...]
    is_award: bool = False

    def __str__(self) -> str:
        return self.timer

    def add(
        self, admin: psycopg.Connection, count: int, *, first: float, apart: float = 0.0
    ) -> dict[str, datetime]:
        """Write ``count``, due in ``first`` seconds and then so far ``apart``, each a tenant's own.

        ``admin`` is a superuser. Return when the subjects of their announcements are due, by the
        database's clock.
        """
        known = {"count": count, "first": first, "apart": apart, "awarded": self.is_award}
        with admin.transaction():
            admin.execute("SET LOCAL session_replication_role = replica")
            return dict(admin.execute(_STATEMENTS[self.silo].encode(), known).fetchall())


OFFERS = DueThing("offer_expiry", "hospital", ("TransportRequestExpired",))
AWARDS = DueThing(
    "award_timeout", "hospital", ("AwardRevoked", "TransportRequestReopened"), is_award=True
)
BIDS = DueThing("bid_expiry", "ems", ("BidClosed",))
ANSWERS = DueThing("award_answer", "ems", ("AwardDeclined",), is_award=True)
LEVELS = DueThing("service_level", "center", ("SlaBreached",))
EVERY = (OFFERS, AWARDS, BIDS, ANSWERS, LEVELS)


def announced(
    admin: psycopg.Connection, subjects: Iterable[str]
) -> dict[str, list[tuple[str, datetime]]]:
    """Return what the log has of each subject: types in their order, and when it had them."""
    found: dict[str, list[tuple[str, datetime]]] = {subject: [] for subject in subjects}
    for subject, type_, at in admin.execute(_ANNOUNCED, [list(found)]):
        found[subject].append((str(type_).rpartition(".")[2], at))
    return found
