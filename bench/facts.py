"""What is measured with: a real event of some 300 bytes, the row it tells of, and its effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from google.type.latlng_pb2 import LatLng
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import event_log_pb2 as pb
from medport.hospital.events.v1.facilities_pb2 import Facility, FacilityChanged

from chassis.outbox import Announcement, Envelope
from chassis.sql import written

MEASURED = ("silo:hospital",)  # the bench's own consumer; the other silos have work enough

# In the hospital's database: what a business transaction writes, and two peers' queue.
SOURCE = """
CREATE TABLE IF NOT EXISTS bench_fact (id uuid PRIMARY KEY, note text NOT NULL);
CREATE TABLE IF NOT EXISTS bench_queue (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea NOT NULL);
GRANT ALL ON bench_fact, bench_queue TO hospital_service;
"""
# In the consumer's: the effect, and the checkpoint of those who bring none of their own.
TARGET = """
CREATE TABLE IF NOT EXISTS bench_effect (subject text NOT NULL, name text NOT NULL);
CREATE TABLE IF NOT EXISTS bench_checkpoint (name text PRIMARY KEY, position bigint NOT NULL);
GRANT ALL ON bench_effect, bench_checkpoint TO ems_service;
"""
FACT = written("INSERT INTO bench_fact (id, note) VALUES (%(id)s, %(note)s)")
EFFECT = written("INSERT INTO bench_effect (subject, name) VALUES (%(subject)s, %(name)s)")


class _Measured(Envelope):
    """Tells whom it is told to, by contract or not: a silo that may hear it would have work."""

    def row(self, announced: Announcement) -> dict[str, Any]:
        row = super().row(replace(announced, audience=["role:center_admin"]))
        return row | {"audience": list(announced.audience)}


ENVELOPE = _Measured(pb.HospitalEvent, "/medport/hospital")


def changed(
    facility: str = "", version: int = 1, audience: tuple[str, ...] = MEASURED
) -> Announcement:
    """Announce a facility, as a hospital that changes one does."""
    id = facility or str(uuid4())
    event = FacilityChanged(
        facility=Facility(
            facility_id=id,
            hospital_id=str(uuid4()),
            hospital_name="St. Elsewhere",
            name="Emergency Department",
            type=words.FACILITY_TYPE_ACUTE_CARE,
            address="1 Main Street",
            city="Springfield",
            state="IL",
            zip_code="62701",
            location=LatLng(latitude=39.78, longitude=-89.65),
            is_active=True,
            facility_version=version,
        )
    )
    return Announcement(
        event=event, subject=f"facilities/{id}", subject_version=version, audience=audience
    )
