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

from tests.support.databases import superuser_of
from tests.support.event_streams import Silo, reason, until_head

FOREIGN = ("hospital:0",)


async def backlog(silo: Silo, token: bytes) -> common.Backlog:
    answer: Any = await silo.stub.GetEventLog(silo.kind.pb.GetEventLogRequest(resume_token=token))
    found: common.Backlog = answer.backlog
    return found


async def test_without_a_token_there_is_no_backlog(silo: Silo) -> None:
    answer: Any = await silo.stub.GetEventLog(silo.kind.pb.GetEventLogRequest())
    assert not answer.HasField("backlog")


async def test_a_backlog_reaches_from_the_token_to_the_head(silo: Silo) -> None:
    before = await until_head(silo, 0)
    for _ in range(3):
        await silo.announce(silo.kind.announcement())
    head = before.head_position + 3
    after = await until_head(silo, head)
    found = await backlog(silo, before.head_token)
    assert found.positions == 3
    assert found.oldest_recorded_time.ToDatetime(UTC) == recorded(silo, head - 2)
    assert not (await backlog(silo, after.head_token)).ListFields()


async def test_the_oldest_event_is_one_that_the_caller_may_see(silo: Silo) -> None:
    before = await until_head(silo, 0)
    await silo.announce(silo.kind.announcement(audience=FOREIGN))
    await until_head(silo, before.head_position + 1)
    hidden = await backlog(silo, before.head_token)
    assert (hidden.positions, hidden.HasField("oldest_recorded_time")) == (1, False)
    await silo.announce(silo.kind.announcement())
    await until_head(silo, before.head_position + 2)
    found = await backlog(silo, before.head_token)
    assert found.positions == 2
    second = recorded(silo, before.head_position + 2)
    assert found.oldest_recorded_time.ToDatetime(UTC) == second


async def test_a_token_that_is_none_is_refused(silo: Silo) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await backlog(silo, b"no token")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(refused.value) == "INVALID_RESUME_TOKEN"


async def test_a_token_older_than_the_log_is_refused(silo: Silo) -> None:
    before = await until_head(silo, 0)
    await silo.announce(silo.kind.announcement(), silo.kind.announcement())
    await until_head(silo, before.head_position + 2)
    with psycopg.connect(superuser_of(silo.dsn), autocommit=True) as owner:
        owner.execute("UPDATE event_log_head SET first_position = last_position")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await backlog(silo, before.head_token)
    assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert reason(refused.value) == "RESUME_POINT_COMPACTED"


def recorded(silo: Silo, position: int) -> datetime:
    with psycopg.connect(superuser_of(silo.dsn)) as reader:
        statement = "SELECT recorded_at FROM event_log WHERE position = %s"
        row: Any = reader.execute(statement, [position]).fetchone()
        found: datetime = row[0]
        return found.astimezone(UTC)
