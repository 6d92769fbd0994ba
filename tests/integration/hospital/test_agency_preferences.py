"""Preferences: one per agency, in an order that the waves of a trip's offers follow."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from medport.hospital.v1 import agency_preferences_pb2 as pb

from tests.support.hospital_silo import Metadata, refused
from tests.support.hospital_trips import Ward, an_agency

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGGED = """
SELECT data FROM (
  SELECT type, data FROM outbox UNION ALL SELECT type, data FROM event_log) AS logged
WHERE type LIKE %s
"""


async def prefer(mercy: Ward, agency_id: UUID, order: int = 0) -> pb.HospitalAgencyPreference:
    request = pb.CreateAgencyPreferenceRequest(
        hospital_id=mercy.hospital_id,
        agency_preference=pb.HospitalAgencyPreference(
            agency_id=str(agency_id), preference_order=order, notes="near"
        ),
        request_id=str(uuid4()),
    )
    answer = await mercy.silo.preferences.CreateAgencyPreference(request, metadata=mercy.admin)
    return answer.agency_preference


async def test_preferences_are_listed_in_their_order_with_names(mercy: Ward) -> None:
    first, second = uuid4(), uuid4()
    await mercy.silo.hear(an_agency(first, name="Blue Heron"))
    later, sooner = await prefer(mercy, second, 2), await prefer(mercy, first, 1)
    assert sooner.is_active
    listed = await mercy.silo.preferences.ListAgencyPreferences(
        pb.ListAgencyPreferencesRequest(hospital_id=mercy.hospital_id, page_size=1),
        metadata=mercy.staff,
    )
    assert [each.agency_name for each in listed.agency_preferences] == ["Blue Heron"]
    listed = await mercy.silo.preferences.ListAgencyPreferences(
        pb.ListAgencyPreferencesRequest(
            hospital_id=mercy.hospital_id, page_size=1, page_token=listed.next_page_token
        ),
        metadata=mercy.staff,
    )
    assert [each.id for each in listed.agency_preferences] == [later.id]
    directory = await mercy.silo.preferences.ListAgencyDirectory(
        pb.ListAgencyDirectoryRequest(hospital_id=mercy.hospital_id), metadata=mercy.staff
    )
    assert [each.name for each in directory.agencies] == ["Blue Heron"]


async def test_a_list_of_preferences_is_narrowed_to_those_that_count(mercy: Ward) -> None:
    made = [await prefer(mercy, uuid4(), 0), await prefer(mercy, uuid4(), 0)]
    asleep, counting = sorted(made, key=lambda each: each.id)
    update = pb.UpdateAgencyPreferenceRequest(
        hospital_id=mercy.hospital_id,
        agency_preference_id=asleep.id,
        agency_preference=pb.HospitalAgencyPreference(is_active=False),
        update_mask=FieldMask(paths=["is_active"]),
        etag=asleep.etag,
        request_id=str(uuid4()),
    )
    await mercy.silo.preferences.UpdateAgencyPreference(update, metadata=mercy.admin)

    async def listed(**wanted: bool) -> list[str]:
        request = pb.ListAgencyPreferencesRequest(
            hospital_id=mercy.hospital_id, filter=pb.AgencyPreferenceFilter(**wanted)
        )
        answer = await mercy.silo.preferences.ListAgencyPreferences(request, metadata=mercy.staff)
        return [each.id for each in answer.agency_preferences]

    assert await listed() == [asleep.id, counting.id]
    assert await listed(is_active=True) == [counting.id]
    assert await listed(is_active=False) == [asleep.id]


async def test_the_directory_is_narrowed_by_standing_levels_and_equipment(mercy: Ward) -> None:
    bare, plain, able, gone = sorted((uuid4() for _ in range(4)), key=str)
    both = [words.TRANSPORT_LEVEL_BLS, words.TRANSPORT_LEVEL_ALS]
    oxygen = [words.CAPABILITY_OXYGEN]
    await mercy.silo.hear(an_agency(bare, levels=[]))
    await mercy.silo.hear(an_agency(plain))
    await mercy.silo.hear(an_agency(able, levels=both, capabilities=oxygen))
    suspended = words.REGISTRY_STATUS_SUSPENDED
    await mercy.silo.hear(an_agency(gone, levels=both, registry_status=suspended))

    async def listed(**wanted: Any) -> list[str]:
        request = pb.ListAgencyDirectoryRequest(
            hospital_id=mercy.hospital_id, filter=pb.DirectoryAgencyFilter(**wanted)
        )
        answer = await mercy.silo.preferences.ListAgencyDirectory(request, metadata=mercy.staff)
        known = {
            str(bare),
            str(plain),
            str(able),
            str(gone),
        }  # the silo has those of other tests, too
        return [each.id for each in answer.agencies if each.id in known]

    assert await listed() == [str(bare), str(plain), str(able), str(gone)]
    assert await listed(registry_statuses=[suspended]) == [str(gone)]
    assert await listed(registry_statuses=[suspended, words.REGISTRY_STATUS_ACTIVE]) == [
        str(bare),
        str(plain),
        str(able),
        str(gone),
    ]
    assert await listed(levels=both[:1]) == [str(able), str(gone)]
    assert await listed(levels=both) == [str(plain), str(able), str(gone)]
    assert await listed(required_capabilities=oxygen) == [str(able)]
    assert await listed(required_capabilities=oxygen, registry_statuses=[suspended]) == []
    told = await refused(listed(levels=[words.TRANSPORT_LEVEL_UNSPECIFIED]))
    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["filter.levels[0]"])


async def test_an_agency_has_one_preference(mercy: Ward) -> None:
    agency = uuid4()
    await prefer(mercy, agency)
    told = await refused(prefer(mercy, agency))
    assert (told.code, told.reason) == (grpc.StatusCode.ALREADY_EXISTS, "PREFERENCE_EXISTS")


async def test_a_preference_changes_and_goes(mercy: Ward) -> None:
    made = await prefer(mercy, uuid4())
    update = pb.UpdateAgencyPreferenceRequest(
        hospital_id=mercy.hospital_id,
        agency_preference_id=made.id,
        agency_preference=pb.HospitalAgencyPreference(is_active=False, preference_order=7),
        update_mask=FieldMask(paths=["is_active", "preference_order"]),
        etag=made.etag,
        request_id=str(uuid4()),
    )
    changed = await mercy.silo.preferences.UpdateAgencyPreference(update, metadata=mercy.admin)
    assert not changed.agency_preference.is_active
    assert changed.agency_preference.notes == "near"
    delete = pb.DeleteAgencyPreferenceRequest(
        hospital_id=mercy.hospital_id,
        agency_preference_id=made.id,
        etag=made.etag,
        request_id=str(uuid4()),
    )
    told = await refused(
        mercy.silo.preferences.DeleteAgencyPreference(delete, metadata=mercy.admin)
    )
    assert told.reason == "ETAG_MISMATCH"
    delete.etag, delete.request_id = changed.agency_preference.etag, str(uuid4())
    await mercy.silo.preferences.DeleteAgencyPreference(delete, metadata=mercy.admin)
    gone = pb.GetAgencyPreferenceRequest(
        hospital_id=mercy.hospital_id, agency_preference_id=made.id
    )
    told = await refused(mercy.silo.preferences.GetAgencyPreference(gone, metadata=mercy.staff))
    assert told.code is grpc.StatusCode.NOT_FOUND


async def test_a_new_trip_is_offered_in_waves(mercy: Ward) -> None:
    first, second, off, gone = uuid4(), uuid4(), uuid4(), uuid4()
    suspended = words.REGISTRY_STATUS_SUSPENDED
    await mercy.silo.hear(an_agency(first))
    await mercy.silo.hear(an_agency(second))
    await mercy.silo.hear(an_agency(gone, registry_status=suspended))
    for order, agency in enumerate((off, gone, first, second)):
        await prefer(mercy, agency, order)
    mercy.silo.sql(
        "UPDATE hospital_agency_preference SET is_active = false WHERE agency_id = %s", off
    )
    await mercy.create()
    ((data,),) = mercy.silo.sql(LOGGED, "%TransportRequestCreated")
    created = HospitalEvent.FromString(data).transport_request_created
    assert [UUID(each.agency_id) for each in created.offers] == [gone, first, second]
    waits = [each.visible_time.seconds - created.request_time.seconds for each in created.offers]
    assert waits == [0, 0, 120]  # nobody waits for a suspended agency
    assert created.broadcast_time.seconds - created.request_time.seconds == 240


async def test_preferences_are_put_in_order_all_at_once(mercy: Ward) -> None:
    first, second, third = [await prefer(mercy, uuid4(), 5) for _ in range(3)]

    def reorder(*waves: list[str]) -> Any:
        request = pb.ReorderAgencyPreferencesRequest(
            hospital_id=mercy.hospital_id,
            waves=[pb.AgencyPreferenceWave(agency_preference_ids=wave) for wave in waves],
            request_id=str(uuid4()),
        )
        return mercy.silo.preferences.ReorderAgencyPreferences(request, metadata=mercy.admin)

    answer = await reorder([third.id], [first.id, second.id])

    orders = {each.id: each.preference_order for each in answer.agency_preferences}
    assert orders == {third.id: 0, first.id: 1, second.id: 1}
    assert answer.agency_preferences[0].id == third.id
    [untouched, *_] = (await reorder([third.id], [first.id], [second.id])).agency_preferences
    assert untouched.etag == answer.agency_preferences[0].etag
    left_out = await refused(reorder([third.id], [first.id]))
    assert (left_out.code, left_out.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "PREFERENCES_CHANGED",
    )
    twice = await refused(reorder([third.id, first.id], [second.id, first.id]))
    assert twice.code is grpc.StatusCode.INVALID_ARGUMENT
    absent = await refused(reorder([third.id, first.id, second.id], [str(uuid4())]))
    assert absent.code is grpc.StatusCode.NOT_FOUND


async def test_two_who_put_them_in_order_do_not_overwrite_each_other(mercy: Ward) -> None:
    first, second = await prefer(mercy, uuid4(), 0), await prefer(mercy, uuid4(), 1)
    other_admin = await mercy.silo.login("ADMIN")

    async def read(**asked: Any) -> str:
        request = pb.ListAgencyPreferencesRequest(hospital_id=mercy.hospital_id, **asked)
        answer = await mercy.silo.preferences.ListAgencyPreferences(request, metadata=mercy.admin)
        return str(answer.etag)

    def reorder(by: Metadata, etag: str, *ids: str) -> Any:
        request = pb.ReorderAgencyPreferencesRequest(
            hospital_id=mercy.hospital_id,
            waves=[pb.AgencyPreferenceWave(agency_preference_ids=[id]) for id in ids],
            etag=etag,
            request_id=str(uuid4()),
        )
        return mercy.silo.preferences.ReorderAgencyPreferences(request, metadata=by)

    etag = await read(page_size=1)
    changed = await reorder(other_admin, etag, second.id, first.id)
    late = await refused(reorder(mercy.admin, etag, first.id, second.id))

    assert (late.code, late.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert await read() == changed.etag != etag
    await prefer(mercy, uuid4(), 2)
    late = await refused(reorder(mercy.admin, changed.etag, first.id, second.id))
    assert late.reason == "ETAG_MISMATCH"
