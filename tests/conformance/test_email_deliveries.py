"""What every silo shows its administrators of e-mail: how far each has come, and no word of it.

Proves: every attempt with its outcome and code, against a real SMTP server, and why one was given
up; nobody else's, and for nobody else; filters; pages that neither skip nor repeat while e-mail
comes and goes. The clock is turned, not waited for. Run:
``python -m pytest tests/conformance/test_email_deliveries.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from medport.common.v1 import notifications_pb2 as pb

from chassis.clock import utc_now
from chassis.mail_settings import MailSettings
from chassis.mailing import Mailing
from chassis.notification_texts import EmailEndReason
from tests.support.databases import SILOS, Databases
from tests.support.email_logs import TENANTS, EmailLog, email_log
from tests.support.front_desk import Clock
from tests.support.hospital_silo import refused
from tests.support.post_office import OK, PostOffice, post_office

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUED, SENT, FAILED, SUPPRESSED = (
    pb.EMAIL_DELIVERY_STATE_QUEUED,
    pb.EMAIL_DELIVERY_STATE_SENT,
    pb.EMAIL_DELIVERY_STATE_FAILED,
    pb.EMAIL_DELIVERY_STATE_SUPPRESSED,
)
NONE = pb.EMAIL_END_REASON_UNSPECIFIED
RESET: dict[str, Any] = {
    "template_name": "password_reset",
    "variables": {"reset_token": "t0ken", "valid_minutes": "60"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SILOS)
async def running(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[EmailLog]:
    with databases.fresh(request.param) as dsn:
        async with email_log(request.param, dsn) as opened:
            yield opened


@pytest.fixture
def log(running: EmailLog) -> EmailLog:
    """Empty the log: what an earlier test left waiting would be sent in this one."""
    running.tables.sql("TRUNCATE notification_delivery, notification")
    return running


def mailing(log: EmailLog, office: PostOffice) -> Mailing:
    server = f"127.0.0.1:{office.port}"
    settings = MailSettings(server=server, sender="medport@mercy.example", security="off")
    return Mailing(log.tables.mail, settings)


def later(**more: float) -> Clock:
    return Clock(utc_now() + timedelta(**more))


def attempts(mail: pb.EmailDelivery) -> list[tuple[str, int]]:
    outcome = pb.DeliveryOutcome
    return [
        (outcome.Name(each.outcome).removeprefix("DELIVERY_OUTCOME_"), each.smtp_code)
        for each in mail.attempts
    ]


async def test_each_e_mail_tells_how_it_was_tried_and_no_word_of_it(log: EmailLog) -> None:
    tables = log.tables
    *told, last = people = [tables.user() for _ in range(4)]

    async def by_person() -> list[pb.EmailDelivery]:
        """Return each one's e-mail: those of one millisecond stand in no order of their own."""
        known = {each.recipient_user_id: each for each in await log.list()}
        assert len(known) == len(people)
        return [known[str(each)] for each in people]

    async with post_office() as office:
        for person in told:
            await tables.tell(person, **RESET)
        office.answers = [OK, "550 nobody of this name", "451 later"]
        sender = mailing(log, office)
        await sender.turn(tables.database, utc_now)
        await tables.tell(last)  # in the application, too: that is no e-mail

        sent, failed, deferred, waiting = mails = await by_person()
        assert [each.state for each in mails] == [SENT, FAILED, QUEUED, QUEUED]
        assert attempts(waiting) == []
        assert attempts(deferred) == [("DEFERRED", 451)]
        assert attempts(failed) == [("REFUSED", 550)]
        assert attempts(sent) == [("SENT", 250)]
        assert [each.end_reason for each in (waiting, deferred, failed, sent)] == [
            *(NONE, NONE, pb.EMAIL_END_REASON_REFUSED, NONE)
        ]
        await sender.turn(tables.database, later(seconds=16))

    _, unchanged, retried, again = await by_person()
    assert (again.state, retried.state, unchanged) == (SENT, SENT, failed)
    assert attempts(retried) == [("DEFERRED", 451), ("SENT", 250)]
    assert retried.attempts[0] == deferred.attempts[0]
    said = str(await log.page())
    assert not any(word in said for word in ("t0ken", "T-1", *tables.people.values()))


async def test_an_e_mail_says_whose_it_is_and_when_what_happens(log: EmailLog) -> None:
    tables = log.tables
    await tables.tell(user := tables.user(), **RESET)
    [(id,)] = tables.sql("SELECT id FROM notification")
    [queued] = await log.list()
    known = (str(id), str(user), "password_reset")
    assert (queued.id, queued.recipient_user_id, queued.template_name) == known
    created, expires = queued.create_time.ToDatetime(), queued.expire_time.ToDatetime()
    assert expires - created == timedelta(days=1)
    assert queued.next_attempt_time == queued.create_time
    assert not queued.HasField("sent_time")

    async with post_office() as office:
        await mailing(log, office).turn(tables.database, at := later(minutes=1))
    [sent] = await log.list()
    assert sent.attempt_count == 1
    assert sent.sent_time.ToDatetime() == at.now.replace(tzinfo=None)
    assert sent.attempts[0].attempt_time == sent.sent_time
    assert not sent.HasField("next_attempt_time")


async def test_of_an_e_mail_that_is_tried_for_days_the_newest_attempts_are_told(
    log: EmailLog,
) -> None:
    """A week is over six hundred attempts: a page of such mails would be too large to send."""
    tables = log.tables
    await tables.tell(tables.user(), **RESET)
    tenant = f"{TENANTS[tables.silo]}, " if tables.tenant else ""
    tables.sql(
        f"INSERT INTO notification_delivery ({tenant}notification_id, sequence, attempted_at,"  # noqa: S608 - ours
        f" outcome) SELECT {tenant}id, n, now() + n * interval '1 second', 'UNREACHABLE'"
        " FROM notification, generate_series(1, 130) AS n"
    )
    tables.sql("UPDATE notification SET attempts = 130")
    [mail] = await log.list()
    assert mail.attempt_count == 130
    told = [each.attempt_time.ToDatetime() for each in mail.attempts]
    [(first, last)] = tables.sql(
        "SELECT min(attempted_at) AT TIME ZONE 'UTC', max(attempted_at) AT TIME ZONE 'UTC'"
        " FROM notification_delivery WHERE sequence > 30"
    )
    assert (len(told), told[0], told[-1]) == (100, first, last)
    assert told == sorted(told)


@pytest.mark.parametrize("reason", EmailEndReason)
async def test_an_e_mail_that_was_given_up_says_why(log: EmailLog, reason: EmailEndReason) -> None:
    await log.tables.tell(log.tables.user(), **RESET)
    log.tables.sql("UPDATE notification SET state = 'SUPPRESSED', last_error = %s", reason)
    [mail] = await log.list()
    assert mail.end_reason == pb.EmailEndReason.Value(f"EMAIL_END_REASON_{reason}")


async def test_a_filter_names_the_recipient_the_states_and_the_occasion(log: EmailLog) -> None:
    tables = log.tables
    one, other = tables.user(), tables.user()
    await tables.tell(one, other)
    await tables.tell(one, **RESET)
    tables.sql("UPDATE notification SET expires_at = now() WHERE template_name = 'password_reset'")
    await Mailing(tables.mail, None).turn(tables.database, later(seconds=1))

    [suppressed] = await log.list(states=[SUPPRESSED])
    waiting = await log.list(states=[QUEUED, SENT])
    assert (suppressed.state, suppressed.template_name) == (SUPPRESSED, "password_reset")
    assert suppressed.end_reason == pb.EMAIL_END_REASON_EXPIRED
    assert {each.recipient_user_id for each in waiting} == {str(one), str(other)}
    everything = [each.id for each in await log.list()]
    assert sorted(everything) == sorted(each.id for each in (suppressed, *waiting))
    assert await log.list(template_name="sla_breached") == waiting
    assert len(await log.list(recipient_user_id=str(one))) == 2
    mine = {"recipient_user_id": str(one), "states": [QUEUED]}
    assert [each.template_name for each in await log.list(**mine)] == ["sla_breached"]
    assert await log.list(recipient_user_id=str(uuid4())) == []
    assert (await refused(log.list(states=[0]))).reason == "INVALID_REQUEST"


async def test_pages_neither_skip_nor_repeat_while_e_mail_comes_and_goes(log: EmailLog) -> None:
    tables = log.tables
    people = [tables.user() for _ in range(7)]
    await tables.tell(*people)
    everything = [each.id for each in await log.list()]
    assert everything == sorted(everything, reverse=True)
    assert len(everything) == 7

    page = await log.page(page_size=3)
    seen, first = [each.id for each in page.email_deliveries], page.next_page_token
    async with post_office() as office:
        await tables.tell(people[0])
        await mailing(log, office).turn(tables.database, utc_now)
    while page.next_page_token:
        page = await log.page(page_size=3, page_token=page.next_page_token)
        seen += [each.id for each in page.email_deliveries]
    assert seen == everything

    filter = pb.EmailDeliveryFilter(states=[SENT])
    told = await refused(log.page(page_token=first, filter=filter))
    assert told.reason == "INVALID_PAGE_TOKEN"
    told = await refused(log.page(page_size=-1))
    assert told.reason == "INVALID_REQUEST"


async def test_a_plain_user_is_refused(log: EmailLog) -> None:
    await log.tables.tell(log.tables.user())
    told = await refused(log.page(log.plain))
    assert told.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("running", TENANTS, indirect=True)
async def test_another_tenants_e_mail_is_not_shown(log: EmailLog) -> None:
    other = replace(log.tables, tenant=uuid4())
    await log.tables.tell(own := log.tables.user())
    await other.tell(theirs := other.user())
    [mail] = await log.list()
    assert mail.recipient_user_id == str(own)
    assert await log.list(recipient_user_id=str(theirs)) == []
    asked: dict[str, Any] = {TENANTS[other.silo]: str(other.tenant)}
    told = await refused(log.page(**asked))
    assert told.code is grpc.StatusCode.PERMISSION_DENIED
