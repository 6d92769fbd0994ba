"""What administrators read of their tenant's e-mail: rows, as the contract shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from medport.common.v1 import notifications_pb2 as pb
from sqlalchemy import (
    ARRAY,
    MetaData,
    ScalarSelect,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from chassis.clock import timestamp
from chassis.notification_texts import Channel, DeliveryOutcome, EmailDeliveryState, EmailEndReason
from chassis.session_rows import owned
from chassis.sql import compiled
from chassis.unit_of_work import Rows
from chassis.wire import number

# Of one e-mail: those of a week would make a page of a thousand too large for a message.
MOST_ATTEMPTS = 100

_Attempt = tuple[datetime, str, int | None]


class EmailDeliveryRows:
    """One statement on ``notification`` and ``notification_delivery``; made once.

    An e-mail and its attempts are of one moment.
    """

    def __init__(self, metadata: MetaData, tenant: str | None) -> None:
        table, log = metadata.tables["notification"], metadata.tables["notification_delivery"]
        recipient = cast(bindparam("recipient"), Uuid)
        template = bindparam("template", type_=Text)
        names = ("id", "recipient_user_id", "template_name", "state", "last_error", "attempts")
        times = ("next_attempt_at", "sent_at", "expires_at", "created_at")
        self._list = compiled(
            select(*(table.c[name] for name in (*names, *times)), _tried(table, log, tenant))
            .where(
                owned(table, tenant),
                table.c.channel == Channel.EMAIL,
                table.c.id < bindparam("before"),
                table.c.state == any_(bindparam("states", type_=ARRAY(Text))),
                or_(recipient.is_(None), table.c.recipient_user_id == recipient),
                or_(template == "", table.c.template_name == template),
            )
            .order_by(table.c.id.desc())
            .limit(bindparam("limit")),
            into=_delivery,
        )

    async def list_newest(
        self,
        rows: Rows,
        tenant: UUID | None,
        *,
        recipient: UUID | None,
        states: Sequence[EmailDeliveryState],
        template_name: str,
        before: UUID,
        limit: int,
    ) -> list[pb.EmailDelivery]:
        """Return a tenant's e-mails in any of ``states``, newest first, from before an id on.

        ``recipient`` None and an empty ``template_name`` let all pass.
        """
        return await rows.all(
            self._list,
            tenant=tenant,
            recipient=recipient,
            states=list(states),
            template=template_name,
            before=before,
            limit=limit,
        )


def _tried(table: Table, log: Table, tenant: str | None) -> ScalarSelect[Any]:
    """Gather an e-mail's newest attempts, oldest first: the last one's number is their count."""
    attempt = func.row(log.c.attempted_at, log.c.outcome, log.c.smtp_code)
    same = [log.c[tenant] == table.c[tenant]] if tenant else []
    newest = log.c.sequence > table.c.attempts - MOST_ATTEMPTS
    return (
        select(func.array_agg(aggregate_order_by(attempt, log.c.sequence)))
        .where(and_(*same, log.c.notification_id == table.c.id, newest))
        .scalar_subquery()
    )


def _delivery(  # noqa: PLR0917 - a row's columns, in their order
    id: UUID,
    recipient_user_id: UUID,
    template_name: str,
    state: str,
    last_error: str | None,
    attempts: int,
    next_attempt_at: datetime | None,
    sent_at: datetime | None,
    expires_at: datetime | None,
    created_at: datetime,
    tried: Sequence[_Attempt] | None,
) -> pb.EmailDelivery:
    return pb.EmailDelivery(
        id=str(id),
        recipient_user_id=str(recipient_user_id),
        template_name=template_name,
        state=number(pb.EmailDeliveryState, EmailDeliveryState(state)),
        end_reason=number(pb.EmailEndReason, _end_reason(state, last_error)),
        attempt_count=attempts,
        attempts=[_attempt(*each) for each in tried or ()],
        next_attempt_time=timestamp(next_attempt_at),
        sent_time=timestamp(sent_at),
        expire_time=timestamp(expires_at),
        create_time=timestamp(created_at),
    )


def _end_reason(state: str, last_error: str | None) -> EmailEndReason | None:
    """Return why it was given up: the first word of its last error, which a code may follow."""
    is_given_up = state in {EmailDeliveryState.FAILED, EmailDeliveryState.SUPPRESSED}
    return EmailEndReason(last_error.split()[0]) if is_given_up and last_error else None


def _attempt(at: datetime, outcome: str, smtp_code: int | None) -> pb.EmailDeliveryAttempt:
    return pb.EmailDeliveryAttempt(
        attempt_time=timestamp(at),
        outcome=number(pb.DeliveryOutcome, DeliveryOutcome(outcome)),
        smtp_code=smtp_code or 0,
    )
