"""What every silo does with what it tells its users: once per event, on each open channel.

Run: ``python -m pytest tests/conformance/test_notifications.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from chassis.clock import utc_now
from chassis.mail_settings import MailSettings
from chassis.mailing import Mailing
from tests.support.databases import SILOS, Databases
from tests.support.notified import Notified, notified
from tests.support.post_office import post_office

RESET: dict[str, Any] = {
    "template_name": "password_reset",
    "variables": {"reset_token": "t0ken", "valid_minutes": "60"},
}


@pytest.fixture(params=SILOS)
async def silo(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Notified]:
    with databases.fresh(request.param) as dsn:
        async with notified(request.param, dsn) as opened:
            yield opened


def waiting(silo: Notified) -> list[tuple[Any, ...]]:
    return silo.sql(
        "SELECT recipient_user_id, channel, state, next_attempt_at IS NULL, sent_at IS NULL"
        " FROM notification ORDER BY recipient_user_id, channel"
    )


async def test_users_are_told_once_on_each_channel_that_is_open(silo: Notified) -> None:
    people = sorted([silo.user(), silo.user()])
    notice = await silo.tell(*people)
    await silo.queue(notice, *people)
    assert waiting(silo) == [
        row
        for id in people
        for row in ((id, "EMAIL", "QUEUED", False, True), (id, "IN_APP", "SENT", True, False))
    ]

    silo.template("sla_breached", "IN_APP", is_active=False)
    await silo.tell(people[0])
    assert [row[1] for row in waiting(silo)].count("IN_APP") == 2
    assert [row[1] for row in waiting(silo)].count("EMAIL") == 3


async def test_e_mail_leaves_for_the_users_address(silo: Notified) -> None:
    await silo.tell(user := silo.user())
    [(recipient, message)] = await sent(silo)
    assert recipient == silo.people[user]
    assert "T-1" in str(message["Subject"])
    assert [row[1:3] for row in waiting(silo)] == [("EMAIL", "SENT"), ("IN_APP", "SENT")]


async def sent(silo: Notified) -> list[tuple[str, EmailMessage]]:
    """Send what waits, and return to whom which e-mail went."""
    async with post_office() as office:
        server = f"127.0.0.1:{office.port}"
        settings = MailSettings(server=server, sender="medport@mercy.example", security="off")
        await Mailing(silo.mail, settings).turn(silo.database, utc_now)
        return list(office.taken)


async def test_a_deleted_template_gives_back_our_own_words(silo: Notified) -> None:
    silo.template("sla_breached", "IN_APP", is_active=False, is_deleted=True)
    silo.template("sla_breached", "EMAIL", is_deleted=True)
    await silo.tell(user := silo.user())
    assert [row[1] for row in waiting(silo)] == ["EMAIL", "IN_APP"]
    [(_, message)] = await sent(silo)
    assert "missed the service level" in message.get_content()
    [told] = await silo.told(user)
    assert (told.subject, told.content) == (None, None)


async def test_a_reset_of_a_password_is_sent_whatever_operators_closed(silo: Notified) -> None:
    silo.template("password_reset", "EMAIL", content="{{reset_token}}", is_active=False)
    await silo.tell(silo.user(), **RESET)
    [(_, message)] = await sent(silo)
    assert "t0ken" in message.get_content()


async def test_operators_say_whether_e_mail_is_sent_and_for_how_long(silo: Notified) -> None:
    people = [silo.user() for _ in range(3)]
    silo.configure("notification.expiry_seconds", "SECONDS", "600")
    await silo.tell(people[0])
    waits = "SELECT expires_at - created_at FROM notification WHERE channel = 'EMAIL'"
    assert silo.sql(waits) == [(timedelta(minutes=10),)]
    silo.configure("notification.email", "BOOLEAN", "false")
    await silo.tell(people[1])
    await silo.tell(people[2], **RESET)
    told = {row[:2] for row in waiting(silo)}
    assert (people[1], "EMAIL") not in told
    assert {(people[0], "EMAIL"), (people[1], "IN_APP"), (people[2], "EMAIL")} <= told


async def test_nothing_else_can_be_told_than_the_occasions_own_variables(silo: Notified) -> None:
    with pytest.raises(ValueError, match="other variables"):
        await silo.tell(silo.user(), variables={"trip_number": "T-1", "patient_id": "MRN-1"})
    assert waiting(silo) == []
