"""E-mail leaves a silo's table at least once and says why it did not, against a real SMTP server.

Proves: retry after 4xx, none after 5xx, patience with a server that is away, one sender per row,
the same Message-ID after a kill between the server's answer and ours, and no plain text to a server
that should have secured the connection. The clock is turned, not waited for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chassis.clock import utc_now
from chassis.mail_settings import MailSettings
from chassis.mailing import LEASE, Mailing
from hospital_svc.repositories import notifications
from tests.support.front_desk import PASSWORD, Clock
from tests.support.notified import Notified, notified
from tests.support.post_office import PostOffice, admits, certified, post_office

STATE = (
    "SELECT state, last_error, attempts, variables = '{}' FROM notification WHERE channel = 'EMAIL'"
)
LOG = (
    "SELECT sequence, outcome, smtp_code FROM notification_delivery ORDER BY attempted_at, sequence"
)
RESET: dict[str, Any] = {
    "template_name": "password_reset",
    "variables": {"reset_token": "t0ken", "valid_minutes": "60"},
}


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[Notified]:
    async with notified("hospital", hospital_database) as opened:
        yield opened


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as opened:
        yield opened


def settings(office: PostOffice) -> MailSettings:
    return MailSettings(
        server=f"127.0.0.1:{office.port}", sender="medport@mercy.example", security="off"
    )


def mailing(office: PostOffice) -> Mailing:
    return Mailing(notifications.mail, settings(office))


def later(**more: float) -> Clock:
    return Clock(utc_now() + timedelta(**more))


async def test_what_is_sent_is_sent_once_and_its_values_are_deleted(
    silo: Notified, office: PostOffice
) -> None:
    await silo.tell(user := silo.user(), **RESET)
    sender = mailing(office)
    assert await sender.turn(silo.database, utc_now) > 0
    await sender.turn(silo.database, later(hours=1))

    [(recipient, message)] = office.taken
    [(id,)] = silo.sql("SELECT id FROM notification")
    assert recipient == message["To"] == silo.people[user]
    assert message["Message-ID"] == f"<{id}@mercy.example>"
    assert "t0ken" in message.get_content()
    assert silo.sql(STATE) == [("SENT", None, 1, True)]
    assert silo.sql(LOG) == [(1, "SENT", 250)]


async def test_a_server_that_cannot_now_is_asked_again_later(
    silo: Notified, office: PostOffice
) -> None:
    await silo.tell(silo.user(), **RESET)
    office.answers = ["451 later"]
    sender = mailing(office)
    await sender.turn(silo.database, utc_now)
    assert silo.sql(STATE) == [("QUEUED", "DEFERRED 451", 1, False)]

    await sender.turn(silo.database, later(seconds=4))
    assert len(office.seen) == 1
    await sender.turn(silo.database, later(seconds=16))
    assert silo.sql(STATE) == [("SENT", None, 2, True)]
    assert silo.sql(LOG) == [(1, "DEFERRED", 451), (2, "SENT", 250)]
    assert len(set(office.ids)) == 1


async def test_a_server_that_cannot_for_long_is_asked_ever_less_often(
    silo: Notified, office: PostOffice
) -> None:
    await silo.tell(silo.user(), **RESET)
    doubled = (10, 20, 40, 80, 160, 320, 640, 900, 900)
    office.answers = ["451 later"] * len(doubled)
    sender, clock = mailing(office), later(seconds=1)
    for attempts, seconds in enumerate(doubled, start=1):
        await sender.turn(silo.database, clock)
        [(again_at,)] = silo.sql("SELECT next_attempt_at FROM notification WHERE state = 'QUEUED'")
        assert 0.5 * seconds <= (again_at - clock.now).total_seconds() <= 1.5 * seconds
        assert len(office.seen) == attempts
        clock.now = again_at
    deferred = [(attempt, "DEFERRED", 451) for attempt in range(1, len(doubled) + 1)]
    assert silo.sql(LOG) == deferred


async def test_a_server_that_refuses_is_not_asked_again(silo: Notified, office: PostOffice) -> None:
    await silo.tell(silo.user(), **RESET)
    office.answers = ["550 nobody of this name"]
    sender = mailing(office)
    await sender.turn(silo.database, utc_now)
    await sender.turn(silo.database, later(hours=1))
    assert len(office.seen) == 1
    assert silo.sql(STATE) == [("FAILED", "REFUSED 550", 1, True)]
    assert silo.sql(LOG) == [(1, "REFUSED", 550)]


async def test_a_server_that_is_away_costs_one_message_an_attempt_and_no_message_its_life(
    silo: Notified, office: PostOffice
) -> None:
    for _ in range(3):
        await silo.tell(silo.user(), **RESET)
    await office.close()
    sender = mailing(office)
    assert await sender.turn(silo.database, utc_now) <= 1.1
    assert sorted(silo.sql(STATE), key=str) == [
        ("QUEUED", "UNREACHABLE", 1, False),
        ("QUEUED", None, 0, False),
        ("QUEUED", None, 0, False),
    ]

    await office.open()
    await sender.turn(silo.database, later(seconds=16))
    assert {row[0] for row in silo.sql(STATE)} == {"SENT"}
    assert len({recipient for recipient, _ in office.taken}) == 3


async def test_a_row_has_one_sender(silo: Notified, office: PostOffice) -> None:
    """The second looks while the first is speaking with the server."""
    for _ in range(3):
        await silo.tell(silo.user(), **RESET)
    speaking, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        if not speaking.is_set():
            speaking.set()
            await go_on.wait()

    office.before = hold
    first = asyncio.create_task(mailing(office).turn(silo.database, utc_now))
    await speaking.wait()
    await mailing(office).turn(silo.database, utc_now)
    assert len(office.taken) == 2
    go_on.set()
    await first
    assert sorted(row[0] for row in silo.sql(LOG)) == [1, 1, 1]
    assert len(set(office.ids)) == len(office.ids) == 3


async def test_two_that_listed_the_same_rows_send_each_once(
    silo: Notified, office: PostOffice
) -> None:
    for _ in range(8):
        await silo.tell(silo.user(), **RESET)
    at = utc_now()
    rows = silo.database.read(None)
    due = await notifications.mail.due(rows, due_at=at, expired_at=at, most=100)
    await asyncio.gather(
        *(mailing(office)._send(due, silo.database, utc_now) for _ in range(2)),
    )
    assert len(set(office.ids)) == len(office.ids) == 8


async def test_killed_between_the_servers_answer_and_ours_it_is_sent_again_under_the_same_id(
    silo: Notified, office: PostOffice
) -> None:
    await silo.tell(silo.user(), **RESET)
    program = [sys.executable, "-m", "tests.support.mailing", silo.dsn, str(office.port)]
    doomed = await asyncio.create_subprocess_exec(*program)

    async def kill() -> None:
        os.kill(doomed.pid, signal.SIGKILL)
        await doomed.wait()

    office.before = kill
    assert await doomed.wait() == -signal.SIGKILL
    assert silo.sql(LOG) == [(1, "STARTED", None)]
    office.before = None
    sender = mailing(office)
    await sender.turn(silo.database, utc_now)
    assert len(office.seen) == 1  # its lease stands
    await sender.turn(silo.database, Clock(utc_now() + LEASE))
    assert silo.sql(STATE) == [("SENT", None, 2, True)]
    assert silo.sql(LOG) == [(1, "STARTED", None), (2, "SENT", 250)]
    assert len(office.ids) == 2
    assert len(set(office.ids)) == 1


async def test_what_is_of_no_use_any_more_is_let_go_with_or_without_a_server(
    silo: Notified, office: PostOffice
) -> None:
    await silo.tell(silo.user(), **RESET, expires_at=utc_now() + timedelta(minutes=5))
    without = Mailing(notifications.mail, None)
    await without.turn(silo.database, utc_now)
    assert silo.sql(STATE) == [("QUEUED", None, 0, False)]
    await without.turn(silo.database, later(minutes=6))
    assert silo.sql(STATE) == [("SUPPRESSED", "EXPIRED", 0, True)]

    await silo.tell(gone := silo.user(), **RESET)
    silo.sql("UPDATE hospital_user SET is_active = false WHERE id = %s", gone)
    await mailing(office).turn(silo.database, utc_now)
    assert ("SUPPRESSED", "RECIPIENT_INACTIVE", 0, True) in silo.sql(STATE)
    assert office.seen == []


async def test_operators_words_are_sent_and_what_they_cannot_know_is_not(
    silo: Notified, office: PostOffice
) -> None:
    await silo.tell(silo.user(), **RESET)
    words = (
        "INSERT INTO notification_template_copy (template_name, template_type, subject, content,"
        " variables, is_active, version)"
        " VALUES ('password_reset', 'EMAIL', 'Neu', %s, '{}', true, 1)"
    )
    silo.sql(words, "Wert: {{reset_token}}")
    await mailing(office).turn(silo.database, utc_now)
    [(_, message)] = office.taken
    assert (message["Subject"], message.get_content().strip()) == ("Neu", "Wert: t0ken")

    await silo.tell(silo.user(), **RESET)
    silo.sql("UPDATE notification_template_copy SET content = '{{reset_token}} {{weather}}'")
    await mailing(office).turn(silo.database, utc_now)
    assert ("FAILED", "TEMPLATE_MISMATCH", 0, True) in silo.sql(STATE)
    assert len(office.taken) == 1


async def test_a_connection_is_secured_and_logged_in_or_nothing_is_said(
    silo: Notified, tmp_path: Path
) -> None:
    context, file = certified(tmp_path)
    secured = {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": admits("medport", PASSWORD),
    }
    await silo.tell(silo.user(), **RESET)
    async with post_office(**secured) as office, post_office() as plain:
        wanted = replace(settings(office), security="starttls", user="medport", ca_file=str(file))
        in_vain = {
            "no certificate of ours": replace(wanted, ca_file="", password=PASSWORD),
            "another password": replace(wanted, password=PASSWORD[::-1]),
            "no TLS": replace(wanted, server=f"127.0.0.1:{plain.port}", user="", password=""),
        }
        for minute, each in enumerate(in_vain.values()):
            await Mailing(notifications.mail, each).turn(silo.database, later(minutes=minute))
        assert office.seen == plain.seen == []
        outcomes = [(row[1], row[2]) for row in silo.sql(LOG)]
        assert outcomes == [("UNREACHABLE", None), ("UNREACHABLE", 535), ("UNREACHABLE", None)]

        known = replace(wanted, password=PASSWORD)
        await Mailing(notifications.mail, known).turn(silo.database, later(minutes=10))
        assert len(office.taken) == 1


async def test_another_tenants_mail_waits_in_the_same_list(
    silo: Notified, office: PostOffice
) -> None:
    other = replace(silo, tenant=UUID(int=7), people={})
    await silo.tell(silo.user(), **RESET)
    await other.tell(other.user(), **RESET)
    await mailing(office).turn(silo.database, utc_now)
    assert {to for to, _ in office.taken} == {*silo.people.values(), *other.people.values()}
