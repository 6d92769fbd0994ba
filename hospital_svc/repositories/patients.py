"""What identifies the patient of a trip, once it is not needed any more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.sql import written
from chassis.unit_of_work import UnitOfWork

# Nothing is announced, so the trip's version stays: it counts what others heard of it. What users
# said in its history goes with it. A trip that somebody holds is left for the next turn.
FORGET = written("""
WITH old AS (
  SELECT hospital_id, id FROM transport_request
   WHERE hospital_id = %(hospital_id)s AND status IN ('COMPLETED', 'CANCELLED', 'EXPIRED')
     AND patient_purged_at IS NULL
     AND coalesce(completed_at, cancelled_at, expired_at) < %(before_at)s
   ORDER BY coalesce(completed_at, cancelled_at, expired_at) LIMIT %(most)s
   FOR UPDATE SKIP LOCKED
), silent AS (
  UPDATE trip_history AS h SET notes = NULL FROM old
   WHERE h.hospital_id = old.hospital_id AND h.transport_request_id = old.id
     AND h.notes IS NOT NULL
)
UPDATE transport_request AS t
   SET patient_id = NULL, special_requirements = NULL, origin_detail = NULL,
       destination_detail = NULL, cancellation_note = NULL, patient_purged_at = %(at)s
  FROM old WHERE t.hospital_id = old.hospital_id AND t.id = old.id
""")


async def forget(
    uow: UnitOfWork, hospital_id: UUID, before_at: datetime, *, at: datetime, most: int
) -> int:
    """Forget the patients of up to ``most`` trips that ended by a moment; say of how many."""
    return await uow.execute(FORGET, hospital_id=hospital_id, before_at=before_at, at=at, most=most)
