"""Checks the books of the three databases against one another: every copy equals its source."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from mesh.census import Census

_PATIENCE = 45.0  # for the last events to arrive; what still differs then, differs


@dataclass(frozen=True)
class Side:
    """One half of a comparison: rows of one silo, in a form that both halves share."""

    silo: str
    query: str


@dataclass(frozen=True)
class Copy:
    """What a silo announces, and what another one has made of it."""

    source: Side
    copy: Side

    @property
    def silos(self) -> set[str]:
        return {self.source.silo, self.copy.silo}

    def holds(self, census: Census) -> bool:
        return self._rows(census, self.source) == self._rows(census, self.copy)

    @staticmethod
    def _rows(census: Census, side: Side) -> list[str]:
        rows = census.rows(side.silo, side.query)
        return sorted(json.dumps(row, sort_keys=True) for row in rows)


@dataclass(frozen=True)
class Never:
    """Rows that must not exist."""

    silo: str
    query: str

    @property
    def silos(self) -> set[str]:
        return {self.silo}

    def holds(self, census: Census) -> bool:
        return not census.rows(self.silo, self.query)


_TRIPS = """
SELECT id, hospital_id, trip_number, transport_level, priority, required_capabilities,
       origin_facility_id, destination_facility_id, ready_at, latest_pickup_at, material_version,
       CASE status WHEN 'PENDING' THEN 'OPEN' WHEN 'COMPLETED' THEN 'CLOSED'
                   WHEN 'CANCELLED' THEN 'CLOSED' WHEN 'EXPIRED' THEN 'CLOSED'
                   ELSE 'AWARDED' END AS state
  FROM transport_request"""
_OFFERS = """
SELECT transport_request_id AS id, hospital_id, trip_number, transport_level, priority,
       required_capabilities, origin_facility_id, destination_facility_id, ready_at,
       latest_pickup_at, material_version, state
  FROM offered_trip"""

# The reason of a cancellation that EMS refused stays with the hospital.
_TRIPS_FOR_CENTER = """
SELECT id, hospital_id, transport_level, priority, status, origin_facility_id,
       destination_facility_id, requested_at, cancelled_at, expired_at,
       CASE status WHEN 'CANCELLED' THEN cancellation_reason END AS cancellation_reason
  FROM transport_request"""
_TRIP_FACTS = """
SELECT transport_request_id AS id, hospital_id, transport_level, priority, status,
       origin_facility_id, destination_facility_id, requested_at, cancelled_at, expired_at,
       cancellation_reason
  FROM trip_fact"""

_BIDS = """
SELECT id, hospital_id, transport_request_id, agency_id, bid_amount, unit_level, status,
       expires_at, material_version, submitted_at
  FROM transport_bid"""
_RECEIVED_BIDS = _BIDS.replace("transport_bid", "received_bid")
_BIDS_FOR_CENTER = """
SELECT id, hospital_id, transport_request_id, agency_id, bid_amount, status, submitted_at
  FROM transport_bid"""
_BID_FACTS = """
SELECT bid_id AS id, hospital_id, transport_request_id, agency_id, bid_amount, status, submitted_at
  FROM bid_fact"""

# A job that stands, or was done, is the award that stands; its steps are the trip's.
_JOBS = """
SELECT award_token AS award, transport_request_id AS trip, agency_id, unit_id, status,
       en_route_at, arrived_pickup_at, picked_up_at, arrived_destination_at, completed_at
  FROM assignment WHERE released_at IS NULL OR status = 'COMPLETED'"""
_AWARDED_TRIPS = """
SELECT award_id AS award, id AS trip, assigned_agency_id AS agency_id, assigned_unit_id AS unit_id,
       status, en_route_at, arrived_pickup_at, picked_up_at, arrived_destination_at, completed_at
  FROM transport_request WHERE award_id IS NOT NULL"""

_FACILITIES = """
SELECT id, hospital_id, name, type, city, state, latitude, longitude, capabilities, is_active
  FROM hospital_facility"""
_DIRECTORY = """
SELECT facility_id AS id, hospital_id, name, type, city, state, latitude, longitude, capabilities,
       is_active
  FROM facility_directory"""

_AGENCIES = "SELECT agency_id, name, levels, capabilities, status FROM ems_agency"
_AGENCY_DIRECTORY = """
SELECT agency_id, name, levels, capabilities, registry_status AS status FROM agency_directory"""
_REGISTERED = """
SELECT external_id AS tenant, status FROM service_registry WHERE service_type = '{}'"""

_ENDED_TRIPS = """
SELECT id FROM transport_request WHERE status IN ('COMPLETED', 'CANCELLED', 'EXPIRED')"""
_CLOSED_OFFERS = """
SELECT o.transport_request_id AS id FROM offered_trip o
 WHERE o.state = 'CLOSED' AND NOT EXISTS (
       SELECT FROM assignment a
        WHERE a.transport_request_id = o.transport_request_id AND a.released_at IS NULL)"""

_TWO_TRIPS = """
SELECT one.id FROM assignment one JOIN assignment other
    ON other.agency_id = one.agency_id AND other.unit_id = one.unit_id AND other.id > one.id
   AND tstzrange(one.unit_assigned_at, one.released_at)
    && tstzrange(other.unit_assigned_at, other.released_at)"""
_TWO_WINNERS = """
SELECT transport_request_id FROM transport_bid WHERE status = 'ACCEPTED'
 GROUP BY transport_request_id HAVING count(*) > 1"""
_STUCK_UNITS = """
SELECT u.id FROM unit u LEFT JOIN assignment a
    ON a.agency_id = u.agency_id AND a.id = u.current_assignment_id AND a.released_at IS NULL
 WHERE (u.current_assignment_id IS NOT NULL) <> (a.id IS NOT NULL)
    OR (a.id IS NOT NULL AND a.unit_id IS DISTINCT FROM u.id)
    OR (a.id IS NULL AND u.current_status IN
        ('RESERVED', 'EN_ROUTE', 'AT_PICKUP', 'TRANSPORTING', 'AT_DESTINATION'))"""
_PARKED = "SELECT subject FROM consumer_dead_letter WHERE state <> 'DISCARDED'"
_GAPS = """
SELECT last_position FROM event_log_head
 WHERE last_position - first_position + 1 <> (SELECT count(*) FROM event_log)"""
_UNPUBLISHED = "SELECT id FROM outbox"


def _copies() -> dict[str, Copy]:
    facilities = Side("hospital", _FACILITIES)
    return {
        "offered_trips_equal_transport_requests": Copy(
            Side("hospital", _TRIPS), Side("ems", _OFFERS)
        ),
        "trip_facts_equal_transport_requests": Copy(
            Side("hospital", _TRIPS_FOR_CENTER), Side("center", _TRIP_FACTS)
        ),
        "received_bids_equal_bids": Copy(Side("ems", _BIDS), Side("hospital", _RECEIVED_BIDS)),
        "bid_facts_equal_bids": Copy(Side("ems", _BIDS_FOR_CENTER), Side("center", _BID_FACTS)),
        "awarded_trips_equal_jobs": Copy(Side("ems", _JOBS), Side("hospital", _AWARDED_TRIPS)),
        "facility_directory_of_hospital_equals_facilities": Copy(
            facilities, Side("hospital", _DIRECTORY)
        ),
        "facility_directory_of_ems_equals_facilities": Copy(facilities, Side("ems", _DIRECTORY)),
        "agency_directory_equals_agencies": Copy(
            Side("ems", _AGENCIES), Side("hospital", _AGENCY_DIRECTORY)
        ),
        "agencies_equal_registry": Copy(
            Side("center", _REGISTERED.format("EMS_AGENCY")),
            Side("ems", "SELECT agency_id AS tenant, status FROM ems_agency"),
        ),
        "hospitals_equal_registry": Copy(
            Side("center", _REGISTERED.format("HOSPITAL")),
            Side("hospital", "SELECT hospital_id AS tenant, status FROM hospital"),
        ),
        "no_live_job_on_an_ended_trip": Copy(
            Side("hospital", _ENDED_TRIPS), Side("ems", _CLOSED_OFFERS)
        ),
    }


def _nevers() -> dict[str, Never]:
    checks = {
        "no_unit_on_two_trips": Never("ems", _TWO_TRIPS),
        "no_trip_with_two_accepted_bids": Never("ems", _TWO_WINNERS),
        "no_trip_with_two_received_winners": Never(
            "hospital", _TWO_WINNERS.replace("transport_bid", "received_bid")
        ),
        "no_stuck_unit": Never("ems", _STUCK_UNITS),
    }
    for silo in ("hospital", "ems", "center"):
        checks[f"no_event_given_up_in_{silo}"] = Never(silo, _PARKED)
        checks[f"no_gap_in_the_log_of_{silo}"] = Never(silo, _GAPS)
        checks[f"nothing_unpublished_in_{silo}"] = Never(silo, _UNPUBLISHED)
    return checks


async def check(census: Census, absent: AbstractSet[str]) -> dict[str, bool]:
    """Return what holds, but for the books of who is ``absent``.

    What does not hold is looked at again until the last events have arrived.
    """
    every: Mapping[str, Copy | Never] = {**_copies(), **_nevers()}
    checks = {name: one for name, one in every.items() if not one.silos & absent}
    held: dict[str, bool] = dict.fromkeys(checks, False)
    until = time.monotonic() + _PATIENCE
    while True:
        for name, one in checks.items():
            held[name] = held[name] or await asyncio.to_thread(one.holds, census)
        if all(held.values()) or time.monotonic() > until:
            return held
        await asyncio.sleep(0.5)
