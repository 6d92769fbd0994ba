"""What an operator learns of a subscriber's backlog from the log that it follows.

Proves: the positions behind a token are counted to the head; the oldest event behind it is the
oldest that the caller may see; a token that Subscribe would refuse is refused the same way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
import psycopg
import pytest
from medport.common.v1 import event_log_pb2 as common

from chassis.event_contract import EventContract
from tests.support.databases import superuser_of
from tests.support.event_streams import Silo, reason, until_head

FOREIGN = ("role:center_admin",)


async def backlog(silo: Silo, token: bytes, **filter: Any) -> common.Backlog:
    request = silo.kind.pb.GetEventLogRequest(
        resume_token=token, filter=common.EventFilter(**filter)
    )
    answer: Any = await silo.stub.GetEventLog(request)
    found: common.Backlog = answer.backlog
    return found


async def test_a_backlog_is_what_the_caller_has_yet_to_take(silo: Silo) -> None:
    before = await until_head(silo, 0)
    plain: Any = await silo.stub.GetEventLog(silo.kind.pb.GetEventLogRequest())
    assert not plain.HasField("backlog")
    assert not (await backlog(silo, before.head_token)).ListFields()

    await silo.announce(silo.kind.announcement(audience=FOREIGN))
    await until_head(silo, before.head_position + 1)
    hidden = await backlog(silo, before.head_token)
    assert (hidden.positions, hidden.HasField("oldest_recorded_time")) == (1, False)

    for _ in range(2):
        await silo.announce(silo.kind.announcement())
    after = await until_head(silo, before.head_position + 3)
    found = await backlog(silo, before.head_token)
    assert found.positions == 3
    seen = found.oldest_recorded_time.ToDatetime(UTC)
    assert seen == recorded(silo, before.head_position + 2)
    assert not (await backlog(silo, after.head_token)).ListFields()
    types = EventContract.of(silo.kind.file).heard_by
    other = next(each for each in types if each.endswith(".SigningKeyPublished"))
    unasked = await backlog(silo, before.head_token, types=[other])
    assert (unasked.positions, unasked.HasField("oldest_recorded_time")) == (3, False)


async def test_a_token_is_refused_as_subscribe_would(silo: Silo) -> None:
    before = await until_head(silo, 0)
    assert await refusal(silo, b"no token") == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_RESUME_TOKEN",
    )
    unknown = await refusal(silo, before.head_token, types=["medport.Nothing"])
    assert unknown == (grpc.StatusCode.PERMISSION_DENIED, "EVENT_TYPE_FORBIDDEN")

    await silo.announce(silo.kind.announcement(), silo.kind.announcement())
    await until_head(silo, before.head_position + 2)
    with psycopg.connect(superuser_of(silo.dsn), autocommit=True) as owner:
        owner.execute("UPDATE event_log_head SET first_position = last_position")
    old = await refusal(silo, before.head_token)
    assert old == (grpc.StatusCode.OUT_OF_RANGE, "RESUME_POINT_COMPACTED")


async def refusal(silo: Silo, token: bytes, **filter: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await backlog(silo, token, **filter)
    return refused.value.code(), reason(refused.value)


def recorded(silo: Silo, position: int) -> datetime:
    with psycopg.connect(superuser_of(silo.dsn)) as reader:
        statement = "SELECT recorded_at FROM event_log WHERE position = %s"
        row: Any = reader.execute(statement, [position]).fetchone()
        found: datetime = row[0]
        return found.astimezone(UTC)
