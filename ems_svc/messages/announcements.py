"""Which subject an event is about, in which version, and who may know."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from chassis.outbox import Announcement
from chassis.unit_of_work import UnitOfWork
from ems_svc.domain import events as e
from ems_svc.messages.payloads import payload

HOSPITAL = "silo:hospital"
CENTER = ("silo:center", "role:center_admin")


def announce(uow: UnitOfWork, events: Iterable[e.Event]) -> None:
    """Announce ``events`` in their order, if and only if the transaction commits."""
    for event in events:
        uow.emit(announcement(event))


def announcement(event: e.Event) -> Announcement:
    subject, version = _subject(event)
    return Announcement(
        event=payload(event),
        subject=subject,
        subject_version=version,
        audience=_audience(event),
    )


def _subject(event: e.Event) -> tuple[str, int]:  # noqa: PLR0911 - one line per kind
    """Return what the event is about, and its version, which rises by one per event."""
    match event:
        case e.AgencyProvisioned(agency) | e.AgencyUpdated(agency):
            return f"agencies/{agency.agency_id}", agency.row_version
        case e.BidSubmitted(bid) | e.BidRevised(bid) | e.BidClosed(bid):
            return f"transport_bids/{bid.id}", bid.row_version
        case e.AwardDeclined():  # an award is answered once: a second answer could not be stored
            return f"awards/{event.award.award_token}", 1
        case e.UnitStatusChanged(unit) | e.UnitUpdated(unit):
            return f"units/{unit.id}", unit.row_version
        case e.UnitLocationReported(_, location):
            return f"unit_locations/{location.unit_id}", location.announced_version
        case e.AccessAudited(entry):
            return f"audit_entries/{entry.id}", 1
        case _:
            return f"assignments/{event.job.id}", event.job.row_version


def _audience(event: e.Event) -> list[str]:  # noqa: PLR0911 - one line per kind
    match event:
        case e.AgencyProvisioned(agency) | e.AgencyUpdated(agency):
            return [HOSPITAL, *CENTER, f"agency:{agency.agency_id}"]
        case e.BidSubmitted(bid) | e.BidRevised(bid) | e.BidClosed(bid):
            return _both_sides(bid.hospital_id, bid.agency_id)
        case e.AwardDeclined():
            return _both_sides(event.hospital_id, event.award.agency_id)
        case e.UnitStatusChanged(unit) | e.UnitUpdated(unit):
            return [*CENTER, f"agency:{unit.agency_id}"]
        case e.AccessAudited():  # its agency's administrators read it at Center, nobody else
            return [*CENTER]
        case e.UnitLocationReported(job):  # Center counts no places
            return [HOSPITAL, f"hospital:{job.hospital_id}", f"agency:{job.agency_id}"]
        case _:
            return _both_sides(event.job.hospital_id, event.job.agency_id)


def _both_sides(hospital_id: UUID, agency_id: UUID) -> list[str]:
    return [HOSPITAL, *CENTER, f"hospital:{hospital_id}", f"agency:{agency_id}"]
