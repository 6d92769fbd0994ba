"""One effect per request id, and a conflict between transactions is not the caller's business."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
from google.rpc.error_details_pb2 import ErrorInfo

from chassis.errors import FailedPrecondition
from chassis.health import SERVING
from chassis.server import Kit
from chassis.unit_of_work import Database
from tests.integration.chassis.test_health import until_status
from tests.support import clinic
from tests.support.echo import EchoRequest, EchoResponse, call, finish, refused
from tests.support.guarded import AS_STAFF, detail


async def test_a_repeat_gets_the_same_answer_and_has_no_effect(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    request = EchoRequest(request_id=str(uuid4()), text="once")
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)

        at_once = await asyncio.gather(
            *(finish(call(channel, "Answer", request, metadata=AS_STAFF)) for _ in range(8))
        )
        later = await finish(call(channel, "Answer", request, metadata=AS_STAFF))
        request.request_id = request.request_id.upper()  # the same UUID
        later += await finish(call(channel, "Answer", request, metadata=AS_STAFF))
        (counted,) = await finish(call(channel, "Open", request))

    assert {each.text for answers in (*at_once, later) for each in answers} == {"wrote once"}
    assert counted.text == "1"


async def test_a_request_id_belongs_to_one_payload(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    request_id = str(uuid4())
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)
        first = EchoRequest(request_id=request_id, text="one")
        await finish(call(channel, "Answer", first, metadata=AS_STAFF))

        other = EchoRequest(request_id=request_id, text="another")
        error = await refused(call(channel, "Answer", other, metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(error, ErrorInfo).reason == "REQUEST_ID_REUSED"


async def test_a_repeat_is_answered_though_by_now_it_would_be_refused(plain_database: str) -> None:
    dsn, decided = clinic.prepare(plain_database), list[str]()

    def deciding(database: Database, _kit: Kit) -> clinic.Behaviours:
        async def decide(request: Any, _context: Any) -> Any:
            async with database.begin(None) as uow:
                if decided:
                    raise FailedPrecondition("it has been decided")
                decided.append(request.text)
                return uow.answered(EchoResponse(text=f"decided {request.text}"))

        return {"Answer": decide}

    async with clinic.running(clinic.settings(dsn), clinic.build(deciding)) as (_, channel):
        await until_status(channel, SERVING)
        request = EchoRequest(request_id=str(uuid4()), text="once")
        another = EchoRequest(request_id=str(uuid4()), text="once")
        (first,) = await finish(call(channel, "Answer", request, metadata=AS_STAFF))
        error = await refused(call(channel, "Answer", another, metadata=AS_STAFF))
        (repeated,) = await finish(call(channel, "Answer", request, metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert first.text == repeated.text == "decided once"


async def test_use_cases_that_lock_each_other_out_both_succeed(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    both_hold_one = asyncio.Barrier(2)
    attempts: list[str] = []

    def crossing(database: Database, _kit: Kit) -> clinic.Behaviours:
        async def cross(request: Any, _context: Any) -> Any:
            first, second = (1, 2) if request.text == "up" else (2, 1)
            is_first_attempt = request.text not in attempts
            attempts.append(request.text)
            async with database.begin(None) as uow:
                await uow.execute(clinic.RAISE, id=first)
                if is_first_attempt:
                    await both_hold_one.wait()
                await uow.execute(clinic.RAISE, id=second)
                return uow.answered(EchoResponse(text=request.text))

        return {"Answer": cross}

    async with clinic.running(clinic.settings(dsn), clinic.build(crossing)) as (_, channel):
        await until_status(channel, SERVING)
        requests = [EchoRequest(request_id=str(uuid4()), text=text) for text in ("up", "down")]
        answers = await asyncio.gather(
            *(finish(call(channel, "Answer", each, metadata=AS_STAFF)) for each in requests)
        )
        repeated = await finish(call(channel, "Answer", requests[0], metadata=AS_STAFF))

    assert [each.text for (each,) in answers] == ["up", "down"]
    assert [each.text for each in repeated] == ["up"]  # the retry kept its answer, too
    assert sorted(attempts) in (["down", "down", "up", "up"], ["down", "up", "up", "up"])
