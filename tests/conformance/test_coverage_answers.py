"""Who ``docs/coverage.md`` says reads a column returns it, and not only has a place for it.

Lists leave out what identifies a patient, and what an agency charges: their rows are of the same
message as a Get's, so no descriptor says so.
Run: ``python -m pytest tests/conformance/test_coverage_answers.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message
from medport.ems.v1 import agencies_pb2
from medport.hospital.v1 import transport_requests_pb2 as trips

from tests.support.coverage import founding_columns
from tests.support.ems_rates import set_rate, usd
from tests.support.ems_silo import ems_silo
from tests.support.hospital_silo import hospital_silo
from tests.support.hospital_trips import ward


async def test_the_readers_of_a_trip_return_its_columns(hospital_database: str) -> None:
    async with hospital_silo(hospital_database) as silo:
        mercy = await ward(silo)
        trip = await mercy.accepted()
        whole = await mercy.get(trip.id)
        listed = await silo.trips.ListTransportRequests(
            trips.ListTransportRequestsRequest(hospital_id=mercy.hospital_id), metadata=mercy.staff
        )
        expected = await silo.trips.ListInboundTransportRequests(
            trips.ListInboundTransportRequestsRequest(hospital_id=mercy.hospital_id),
            metadata=mercy.staff,
        )
    answers = {
        "GetTransportRequest": whole,
        "ListTransportRequests": listed.transport_requests[0],
        "ListInboundTransportRequests": expected.transport_requests[0],
    }
    assert left_out("TransportRequest", whole, answers) == []


async def test_the_readers_of_an_agency_return_its_columns(ems_database: str) -> None:
    async with ems_silo(ems_database) as silo:
        swift = await silo.agency()
        await swift.add_area(is_primary=True)
        await set_rate(swift, usd(100), usd(1), etag="0")
        request = agencies_pb2.GetAgencyRequest(agency_id=str(swift.id))
        whole = (await silo.agencies.GetAgency(request, metadata=swift.admin)).agency
        every = agencies_pb2.ListAgenciesRequest()
        listed = await silo.agencies.ListAgencies(every, metadata=swift.admin)
    answers = {"GetAgency": whole, "ListAgencies": listed.agencies[0]}
    assert left_out("EMSAgency", whole, answers) == []


def left_out(table: str, whole: Message, answers: Mapping[str, Message]) -> list[str]:
    """Return the columns, with their reader, that ``whole`` has and the reader's answer has not."""
    told = {name: {field.name for field, _ in row.ListFields()} for name, row in answers.items()}
    known = {field.name for field, _ in whole.ListFields()}
    columns = [each for each in founding_columns() if each.founding.startswith(f"{table}.")]
    names = [(column, reader.rpartition(".")[2]) for column in columns for reader in column.readers]
    assert {reader for _, reader in names} == answers.keys()
    return [
        f"{column}: {reader}"
        for column, reader in names
        if {field for _, field in column.fields} & known - told[reader]
    ]
