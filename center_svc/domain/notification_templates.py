"""Notification templates: what a text may speak of."""

from __future__ import annotations

# A notification leaves the silo that knows the patient: these never go with it.
PHI = (
    "patient_id",
    "special_requirements",
    "origin_detail",
    "destination_detail",
    "cancellation_note",
)
