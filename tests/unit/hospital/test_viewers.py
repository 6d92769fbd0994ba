"""What an agency's user sees of the patient, by the trip's state and the user's role."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from chassis.vocabulary import TripStatus
from hospital_svc.domain.viewers import BILLED, CARRYING, of_agency
from tests.support.hospital_values import AGENCY, LATER, NOON, a_trip

S = TripStatus


@pytest.mark.parametrize("status", TripStatus)
def test_no_other_agency_sees_that_the_trip_is_there(status: TripStatus) -> None:
    for is_billing in (True, False):
        assert of_agency(a_trip(status), uuid4(), is_billing=is_billing, at=LATER) is None


@pytest.mark.parametrize("status", [S.AWARDED, S.ACCEPTED, S.EN_ROUTE, S.IN_TRANSIT])
def test_whoever_carries_sees_and_billing_waits(status: TripStatus) -> None:
    assert of_agency(a_trip(status), AGENCY, is_billing=False, at=LATER) == CARRYING
    assert of_agency(a_trip(status), AGENCY, is_billing=True, at=LATER) is None


def test_after_completion_billing_sees_for_ninety_days() -> None:
    trip = a_trip(S.COMPLETED)
    assert of_agency(trip, AGENCY, is_billing=False, at=LATER) == frozenset()
    assert of_agency(trip, AGENCY, is_billing=True, at=LATER) == BILLED
    late = NOON + timedelta(days=90)
    assert of_agency(trip, AGENCY, is_billing=True, at=late) == frozenset()
