"""A forgotten password: one answer for everybody, an e-mail for who is there, a token used once.

Red when the servicer looks the address up before it answers, and when a repeat is not known.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from medport.hospital.v1 import sessions_pb2, users_pb2

from chassis import password_resets
from tests.support.databases import superuser_of
from tests.support.front_desk import Desk, Person, database_on, desk

NEXT = "next horse battery staple"
MAILS = """
SELECT recipient_user_id, variables->>'reset_token', channel, state FROM notification
WHERE template_name = 'password_reset' ORDER BY created_at
"""


@pytest.fixture
async def hospital(hospital_database: str) -> AsyncIterator[Desk]:
    async with desk(hospital_database) as opened:
        yield opened


async def ask(hospital: Desk, email: str, request_id: str | None = None) -> None:
    request = users_pb2.RequestPasswordResetRequest(
        email=email, request_id=request_id or str(uuid4())
    )
    answer = await hospital.users.RequestPasswordReset(request)
    assert answer == users_pb2.RequestPasswordResetResponse()


async def mails(hospital: Desk) -> list[tuple[Any, ...]]:
    """Return what is to be sent, once everything that was asked for has been looked at."""
    async with database_on(hospital.dsn) as database:
        await hospital.identity.resets.send(database, hospital.clock)
    return hospital.sql(MAILS)


def redeem(hospital: Desk, email: str, token: str) -> Any:
    request = sessions_pb2.RedeemOneTimeTokenRequest(email=email, token=token, new_password=NEXT)
    return hospital.sessions.RedeemOneTimeToken(request)


async def refused(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name


async def test_a_user_sets_another_password_with_the_token_in_the_mail(hospital: Desk) -> None:
    person = await hospital.user()
    opened = await hospital.login(person)
    await ask(hospital, person.email.upper())
    ((recipient, token, channel, state),) = await mails(hospital)
    assert (recipient, channel, state) == (person.user_id, "EMAIL", "QUEUED")
    await redeem(hospital, person.email, token)
    assert await refused(redeem(hospital, person.email, token)) == "UNAUTHENTICATED"
    assert await refused(hospital.login(person)) == "UNAUTHENTICATED"
    assert await refused(hospital.refresh(opened.refresh_token)) == "UNAUTHENTICATED"
    await hospital.login(person, password=NEXT)
    actions = hospital.sql("SELECT action FROM audit_entry WHERE entity_type = 'user' ORDER BY id")
    assert actions == [("RequestPasswordReset",), ("RedeemOneTimeToken",)]
    # The token is for one pair of eyes: no other row holds it, and no event.
    for table in ("one_time_token", "audit_entry", "outbox", "event_log", "idempotency_key"):
        held = f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE '%%' || %s || '%%'"  # noqa: S608 - ours
        assert hospital.sql(held, token) == [(0,)]
        assert hospital.sql(held, token.encode().hex()) == [(0,)]


async def test_whoever_cannot_log_in_gets_the_answer_and_no_mail(hospital: Desk) -> None:
    disabled = await hospital.user()
    hospital.sql("UPDATE hospital_user SET is_active = false")
    nobody = Person(uuid4(), uuid4(), "nobody@mercy.example")
    for person in (disabled, nobody):
        await ask(hospital, person.email)
    assert await mails(hospital) == []
    assert hospital.sql("SELECT count(*) FROM one_time_token") == [(0,)]


async def test_an_answer_waits_for_nothing_that_depends_on_the_address(hospital: Desk) -> None:
    """Whatever the table of addresses would say, it cannot be asked while it is locked."""
    person = await hospital.user()
    with psycopg.connect(superuser_of(hospital.dsn)) as holding:
        holding.execute("LOCK TABLE login_email, hospital_user, one_time_token, notification")
        await ask(hospital, person.email)
    assert len(await mails(hospital)) == 1


async def test_a_repeat_sends_nothing_and_neither_does_a_fourth_wish(hospital: Desk) -> None:
    person, request_id = await hospital.user(), str(uuid4())
    for _ in range(2):
        await ask(hospital, person.email, request_id)
        assert len(await mails(hospital)) == 1
    for _ in range(4):
        await ask(hospital, person.email)
    assert len(await mails(hospital)) == password_resets.MOST_SENT
    hospital.clock.now += password_resets.WINDOW
    await ask(hospital, person.email)
    assert len(await mails(hospital)) == password_resets.MOST_SENT + 1


async def test_a_token_is_good_for_half_an_hour(hospital: Desk) -> None:
    person = await hospital.user()
    await ask(hospital, person.email)
    ((_, token, _, _),) = await mails(hospital)
    hospital.clock.now += timedelta(minutes=30)
    assert await refused(redeem(hospital, person.email, token)) == "UNAUTHENTICATED"
    ((expires,),) = hospital.sql("SELECT expires_at FROM notification")
    assert expires == hospital.clock.now  # and so is the e-mail, which is forgotten then


async def test_too_many_are_told_so_whoever_they_are(
    hospital: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_resets, "MOST_WAITING", 0)
    person = await hospital.user()
    for email in (person.email, "nobody@mercy.example"):
        assert await refused(ask(hospital, email)) == "RESOURCE_EXHAUSTED"
