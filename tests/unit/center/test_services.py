"""The registry's rules: every status against every command."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from center_svc.domain.services import Service, register
from chassis.errors import EtagMismatch, FailedPrecondition
from chassis.vocabulary import RegistryStatus, ServiceType

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
HASH = b"h" * 32
PENDING, ACTIVE = RegistryStatus.PENDING, RegistryStatus.ACTIVE
SUSPENDED, RETIRED = RegistryStatus.SUSPENDED, RegistryStatus.RETIRED


def a_service(status: RegistryStatus = PENDING, *, is_held: bool = False) -> Service:
    made = register(
        id=UUID(int=1),
        external_id=UUID(int=2),
        service_name="Blue Ridge",
        service_type=ServiceType.EMS_AGENCY,
        configuration={"contact_email": "ann@ems.example"},
        metadata={},
        by=UUID(int=3),
        at=NOON,
    )
    return made if is_held else replace(made, status=status, row_version=1)


COMMANDS = {
    "admit": lambda service: service.admit(HASH, LATER),
    "suspend": lambda service: service.suspend(LATER),
    "reinstate": lambda service: service.reinstate(LATER),
    "retire": lambda service: service.retire(LATER),
}
# (status, command) -> the status that follows; whatever is missing is refused.
MOVES = {
    (PENDING, "retire"): RETIRED,
    (ACTIVE, "suspend"): SUSPENDED,
    (ACTIVE, "retire"): RETIRED,
    (SUSPENDED, "reinstate"): ACTIVE,
    (SUSPENDED, "retire"): RETIRED,
}


@pytest.mark.parametrize("status", RegistryStatus)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_status_allows_what_the_rules_say(status: RegistryStatus, command: str) -> None:
    service = a_service(status)
    if (status, command) not in MOVES:
        with pytest.raises(FailedPrecondition) as refused:
            COMMANDS[command](service)
        assert refused.value.facts == {"state": status}
        return
    moved, event = COMMANDS[command](service)
    assert moved.status is MOVES[status, command]
    assert event.registry_version == moved.row_version == 2


def test_a_held_registration_is_admitted_or_retired_unheard() -> None:
    held = a_service(is_held=True)
    admitted, event = held.admit(HASH, LATER)
    assert (admitted.row_version, event.registry_version) == (1, 1)
    assert event.invitation_expires_at == LATER + timedelta(days=7)
    retired, nothing = held.retire(LATER)
    assert (retired.status, retired.row_version, nothing) == (RETIRED, 0, None)


@pytest.mark.parametrize("status", RegistryStatus)
def test_provisioning_activates_only_what_is_pending(status: RegistryStatus) -> None:
    service = a_service(status)
    provisioned = service.provisioned(LATER)
    assert provisioned.status is (ACTIVE if status is PENDING else status)
    assert provisioned.row_version == service.row_version


def test_every_change_has_another_etag() -> None:
    service = a_service(ACTIVE)
    states = [
        service,
        service.describe("Red Ridge", {}, LATER),
        service.suspend(LATER)[0],
        service.suspend(NOON)[0],
    ]
    assert len({each.etag for each in states}) == len(states)
    assert service.read_as("") is service.read_as(service.etag) is service
    with pytest.raises(EtagMismatch):
        service.read_as(states[1].etag)


def test_a_retired_service_is_not_described_anew() -> None:
    with pytest.raises(FailedPrecondition):
        a_service(RETIRED).describe("Red Ridge", {}, LATER)
