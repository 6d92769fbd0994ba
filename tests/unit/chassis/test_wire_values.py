"""What nothing can compute with or store is found wherever a message holds it."""

from __future__ import annotations

import math

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from medport.center.v1.analytics_pb2 import QueryMetricsRequest
from medport.center.v1.services_pb2 import RegisterServiceRequest
from medport.center.v1.system_configurations_pb2 import SetConfigurationRequest
from medport.hospital.v1.facilities_pb2 import HospitalFacility, UpdateFacilityRequest
from medport.hospital.v1.sessions_pb2 import CreateSessionRequest
from medport.hospital.v1.transport_requests_pb2 import (
    CreateTransportRequestRequest,
    GetTransportRequestRequest,
    TransportRequest,
)

from chassis.wire_values import blank_texts, texts_with_nul, unfit_values

LAST = 253_402_300_799  # of the year 9999


def trip(ready_time: Timestamp) -> CreateTransportRequestRequest:
    return CreateTransportRequestRequest(transport_request=TransportRequest(ready_time=ready_time))


@pytest.mark.parametrize(
    "impossible",
    [
        Timestamp(seconds=LAST + 1),
        Timestamp(seconds=-(2**62)),
        Timestamp(seconds=1, nanos=-1),
        Timestamp(seconds=1, nanos=10**9),
    ],
)
def test_impossible_times_are_found(impossible: Timestamp) -> None:
    assert list(unfit_values(trip(impossible))) == ["transport_request.ready_time"]
    span = QueryMetricsRequest(span=Interval(end_time=impossible))
    assert list(unfit_values(span)) == ["span.end_time"]


@pytest.mark.parametrize("seconds", [-(2**62), 2**62, 315_576_000_001])
def test_impossible_durations_are_found(seconds: int) -> None:
    request = QueryMetricsRequest(bucket_duration=Duration(seconds=seconds))
    assert list(unfit_values(request)) == ["bucket_duration"]
    crossed = QueryMetricsRequest(bucket_duration=Duration(seconds=1, nanos=-1))
    assert list(unfit_values(crossed)) == ["bucket_duration"]


def test_numbers_that_json_cannot_write_are_found() -> None:
    request = SetConfigurationRequest(value=Value(number_value=math.nan))
    assert list(unfit_values(request)) == ["value"]


@pytest.mark.parametrize(
    "possible",
    [
        trip(Timestamp(seconds=LAST, nanos=999_999_999)),
        GetTransportRequestRequest(hospital_id="x"),
        SetConfigurationRequest(value=Value(number_value=1.5)),
        QueryMetricsRequest(bucket_duration=Duration(seconds=-1, nanos=-1)),
    ],
)
def test_what_can_be_held_is_left_to_the_rules(possible: Message) -> None:
    assert unfit_values(possible) == {}


def test_a_nul_is_found_in_texts_and_in_both_halves_of_a_map() -> None:
    request = RegisterServiceRequest(service_name="a\0b", metadata={"k\0": "fine", "k": "v\0"})
    assert sorted(texts_with_nul(request)) == ["metadata[0]", "metadata[1]", "service_name"]


@pytest.mark.parametrize("blank", [" ", "\t\n", "\u2003\u00a0"])
def test_a_required_text_of_blanks_is_found(blank: str) -> None:
    request = CreateTransportRequestRequest(
        transport_request=TransportRequest(patient_id=blank, special_requirements=blank)
    )
    assert list(blank_texts(request)) == ["transport_request.patient_id"]


def test_blanks_are_left_in_passwords_and_where_an_updates_mask_decides() -> None:
    assert blank_texts(CreateSessionRequest(email="a@b.example", password=" " * 12)) == {}
    assert blank_texts(UpdateFacilityRequest(facility=HospitalFacility(name=" "))) == {}
    assert list(blank_texts(HospitalFacility(name=" "))) == ["name"]
