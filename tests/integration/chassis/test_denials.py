"""Who came in, who left and who was kept out is in the trail, with where they came from.

Red when the guard of denials is left out, and when ``x-forwarded-for`` is believed without proof.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from medport.hospital.v1 import sessions_pb2, users_pb2

from chassis import denials
from tests.support.front_desk import (
    PASSWORD,
    Desk,
    Metadata,
    Person,
    bearer,
    database_on,
    desk,
    routed,
)

HOME, ABROAD = "198.51.100.7", "2001:db8::7"


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Desk]:
    async with desk(hospital_database) as opened:
        yield opened


async def outcome(call: Any) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def login(hospital: Desk, email: str, metadata: Metadata = (), password: str = PASSWORD) -> Any:
    request = sessions_pb2.CreateSessionRequest(email=email, password=password)
    return hospital.sessions.CreateSession(request, metadata=metadata)


async def written(hospital: Desk) -> None:
    async with database_on(hospital.dsn) as database:
        await hospital.identity.denials.write(database, hospital.clock)


def trail(hospital: Desk) -> list[tuple[Any, ...]]:
    """Return action, outcome, user, address and reason, in the order of what happened."""
    columns = "action, outcome, user_id, host(ip_address), reason"
    return hospital.sql(f"SELECT {columns} FROM audit_entry ORDER BY occurred_at, id")  # noqa: S608 - ours


def announced(hospital: Desk) -> list[str]:
    rows = hospital.sql("SELECT data FROM outbox ORDER BY id")
    told = (HospitalEvent.FromString(data).access_audited for (data,) in rows)
    return [each.audit_entry_id for each in told if each.audit_entry_id]


async def test_coming_going_and_a_wrong_password_are_in_the_trail(hospital: Desk) -> None:
    person, now = await hospital.user(), hospital.clock.now
    opened = await login(hospital, person.email, routed(HOME, now))
    await outcome(login(hospital, person.email, routed(ABROAD, now), "a guess"))
    await written(hospital)
    leaving = sessions_pb2.RevokeSessionRequest(
        hospital_id=str(person.hospital_id), session_id=opened.session.id
    )
    hospital.clock.now += timedelta(seconds=1)
    token = bearer(opened.access_token)
    await hospital.sessions.RevokeSession(leaving, metadata=(*token, *routed(HOME, now)))
    user = person.user_id
    assert trail(hospital) == [
        ("CreateSession", "ALLOWED", user, HOME, None),
        ("CreateSession", "DENIED", user, ABROAD, "UNAUTHENTICATED"),
        ("RevokeSession", "ALLOWED", user, HOME, "LOGOUT"),
    ]
    ids = hospital.sql("SELECT id::text FROM audit_entry ORDER BY occurred_at, id")
    assert sorted(announced(hospital)) == sorted(id for (id,) in ids)
    assert hospital.sql("SELECT host(ip_address) FROM user_session") == [(HOME,)]


async def test_a_stolen_refresh_token_is_in_the_trail(hospital: Desk) -> None:
    person = await hospital.user()
    opened = await hospital.login(person)
    await hospital.refresh(opened.refresh_token, address=HOME)
    await outcome(hospital.refresh(opened.refresh_token, address=ABROAD))
    action, *rest = trail(hospital)[-1]
    assert (action, *rest) == ("RefreshSession", "DENIED", person.user_id, ABROAD, "TOKEN_REUSED")


async def test_a_forged_address_is_not_believed(hospital: Desk) -> None:
    person, now = await hospital.user(), hospital.clock.now
    forged, proof = routed(HOME, now)
    own = bearer((await hospital.login(person)).access_token)[0][1].removeprefix("Bearer ")
    for metadata in (
        (forged,),
        (forged, ("x-medport-router", "a.b.c")),
        (forged, ("x-medport-router", own)),  # a user's token proves a user
        (("x-forwarded-for", "not an address"), proof),
    ):
        await login(hospital, person.email, metadata)
    seen = {address for _, _, _, address, _ in trail(hospital)}
    assert seen == {"127.0.0.1", None}
    # Nor is what proves the router anybody's credential.
    mine = users_pb2.GetUserRequest(hospital_id=str(person.hospital_id), user_id=str(uuid4()))
    posing = hospital.users.GetUser(mine, metadata=bearer(proof[1]))
    assert await outcome(posing) is grpc.StatusCode.UNAUTHENTICATED


async def test_a_known_caller_hears_no_before_it_is_written(hospital: Desk) -> None:
    staff = await hospital.user()
    token = bearer((await hospital.login(staff)).access_token)
    foreign = users_pb2.ListUsersRequest(hospital_id=str(uuid4()))
    wrong = users_pb2.ChangePasswordRequest(
        hospital_id=str(staff.hospital_id),
        request_id=str(uuid4()),
        old_password="a guess",  # noqa: S106 - that is the point
        new_password=f"new {PASSWORD}",
    )
    for call in (
        hospital.users.ListUsers(foreign, metadata=token),
        hospital.users.ChangePassword(wrong, metadata=token),
    ):
        await outcome(call)
    user = staff.user_id
    assert trail(hospital)[1:] == [
        ("ListUsers", "DENIED", user, "127.0.0.1", "PERMISSION_DENIED"),
        ("ChangePassword", "DENIED", user, "127.0.0.1", "WRONG_PASSWORD"),
    ]


async def test_strangers_are_counted_by_address_and_minute(hospital: Desk) -> None:
    now, nobody = hospital.clock.now, Person(uuid4(), uuid4(), "nobody@mercy.example")
    for address in (HOME, HOME, ABROAD):
        await outcome(login(hospital, nobody.email, routed(address, now)))
    await outcome(
        hospital.users.ListUsers(users_pb2.ListUsersRequest(), metadata=routed(HOME, now))
    )
    await written(hospital)
    assert trail(hospital) == []  # the minute is not over
    hospital.clock.now += timedelta(minutes=1)
    await written(hospital)
    counted = hospital.sql("SELECT host(ip_address), changes FROM audit_entry ORDER BY 1")
    calls = {"CreateSession UNAUTHENTICATED": 2, "ListUsers UNAUTHENTICATED": 1}
    assert counted == [
        (HOME, {"count": 3, "calls": calls}),
        (ABROAD, {"count": 1, "calls": {"CreateSession UNAUTHENTICATED": 1}}),
    ]
    assert hospital.sql("SELECT DISTINCT hospital_id FROM audit_entry") == [(UUID(int=0),)]
    assert len(announced(hospital)) == 2


async def test_a_flood_of_strangers_takes_no_more_than_its_share(
    hospital: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denials, "MOST_ADDRESSES", 2)
    monkeypatch.setattr(denials, "MOST_WAITING", 0)
    person, now = await hospital.user(), hospital.clock.now
    for host in range(4):
        await outcome(login(hospital, person.email, routed(f"192.0.2.{host}", now), "a guess"))
    hospital.clock.now += timedelta(minutes=1)
    await written(hospital)
    counts = hospital.sql("SELECT host(ip_address), changes->'count' FROM audit_entry ORDER BY 1")
    assert counts == [("192.0.2.0", 1), ("192.0.2.1", 1), (None, 2)]


async def test_a_process_that_ends_writes_what_it_counted(hospital_database: str) -> None:
    async with desk(hospital_database) as hospital:
        await outcome(login(hospital, "nobody@mercy.example"))
        at = hospital.clock.now
    rows = hospital.sql("SELECT occurred_at, action FROM audit_entry")
    assert rows == [(at, denials.STRANGERS)]
