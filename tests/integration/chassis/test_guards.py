"""Around every RPC, whatever its arity: answers are stamped, failures are statuses."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from google.rpc.error_details_pb2 import (
    ErrorInfo,
    PreconditionFailure,
    QuotaFailure,
    RequestInfo,
    ResourceInfo,
    RetryInfo,
)
from prometheus_client import REGISTRY

from chassis.errors import (
    EtagMismatch,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from chassis.interceptors import statuses
from router.policies import RETRY
from tests.support import echo
from tests.support.echo import EchoRequest, EchoResponse, call, finish, refused
from tests.support.guarded import (
    AS_STAFF,
    ECHOING,
    QUOTED,
    REQUEST_ID,
    SECURED,
    detail,
    guards,
    raising,
    trailers,
    violations,
)


async def test_all_four_arities_answer() -> None:
    request = EchoRequest(request_id=REQUEST_ID, text="hello")
    async with echo.serving(ECHOING, guards()) as channel:
        answers = {
            name: [
                each.text
                for each in await finish(
                    call(channel, name, *[request] * copies, metadata=AS_STAFF)
                )
            ]
            for name, copies in {"Answer": 1, "Stream": 1, "Collect": 3, "Converse": 2}.items()
        }

    assert answers == {
        "Answer": ["hello"],
        "Stream": ["hello", "hello"],
        "Collect": ["3"],
        "Converse": ["hello", "hello"],
    }


@pytest.mark.parametrize("name", SECURED)
async def test_a_fault_shows_nothing_of_itself(name: str) -> None:
    async with echo.serving(raising(RuntimeError(QUOTED)), guards()) as channel:
        error = await refused(call(channel, name, metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "internal error"
    assert QUOTED not in str(error)
    assert detail(error, ErrorInfo).reason == "INTERNAL"


@pytest.mark.parametrize("name", SECURED)
async def test_a_cancellation_from_inside_is_answered(name: str) -> None:
    async with echo.serving(raising(asyncio.CancelledError()), guards()) as channel:
        error = await refused(call(channel, name, metadata=AS_STAFF, timeout=5))

    assert error.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("name", SECURED)
async def test_a_refusal_says_which_request_it_answers(name: str) -> None:
    refusal = EtagMismatch()
    metadata = (*AS_STAFF, ("x-request-id", "abc.1"))
    async with echo.serving(raising(refusal), guards()) as channel:
        error = await refused(call(channel, name, metadata=metadata))

    info = detail(error, ErrorInfo)
    assert error.code() is grpc.StatusCode.ABORTED
    assert (info.reason, info.domain) == ("ETAG_MISMATCH", "medport.common.v1")
    assert detail(error, RequestInfo).request_id == "abc.1"
    stamps = trailers(error.trailing_metadata())
    assert stamps["x-request-id"] == "abc.1"
    assert stamps["x-medport-served-by"] == "test-1"


@pytest.mark.parametrize("name", SECURED)
async def test_an_answer_is_stamped_too(name: str) -> None:
    async with echo.serving(ECHOING, guards()) as channel:
        under_way = call(channel, name, metadata=(*AS_STAFF, ("x-request-id", "bad id")))
        await finish(under_way)
        stamps = trailers(await under_way.trailing_metadata())

    assert stamps["x-medport-served-by"] == "test-1"
    assert UUID(stamps["x-request-id"]).version == 7  # what the caller gave has another form


async def test_each_family_carries_its_detail() -> None:
    class NotPending(FailedPrecondition):
        reason = "NOT_PENDING"

    wanted: list[tuple[Exception, Any]] = [
        (NotPending("it is awarded", state="AWARDED"), PreconditionFailure),
        (NotFound("no such thing", resource="thing", id="7"), ResourceInfo),
        (ResourceExhausted("too many"), RetryInfo),
        (ResourceExhausted("too many"), QuotaFailure),
    ]
    for refusal, kind in wanted:
        async with echo.serving(raising(refusal), guards()) as channel:
            detail(await refused(call(channel, "Answer", metadata=AS_STAFF)), kind)
    async with echo.serving(raising(wanted[0][0]), guards()) as channel:
        info = detail(await refused(call(channel, "Answer", metadata=AS_STAFF)), ErrorInfo)
    assert (info.reason, info.domain) == ("NOT_PENDING", "medport.test.v1")
    assert dict(info.metadata) == {"state": "AWARDED"}


async def test_an_error_too_large_for_trailers_still_arrives() -> None:
    many = {f"field_{index}": "x" * 300 for index in range(100)}
    refusal = InvalidArgument("ä" * 5000, violations=many, fact="y" * 5000)
    async with echo.serving(raising(refusal), guards()) as channel:
        error = await refused(call(channel, "Answer", metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert 0 < len(violations(error)) <= statuses.MOST_VIOLATIONS
    assert len(trailers(error.trailing_metadata())["grpc-status-details-bin"]) <= 4096
    assert len((error.details() or "").encode()) <= 1024


@pytest.mark.parametrize(
    ("sqlstate", "code", "reason"),
    [
        ("23505", grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"),
        ("23503", grpc.StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION"),
        ("23502", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ("23514", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ("22P05", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ("40001", grpc.StatusCode.ABORTED, "CONFLICT"),
        ("40P01", grpc.StatusCode.ABORTED, "CONFLICT"),
        ("55P03", grpc.StatusCode.ABORTED, "CONFLICT"),
        ("57014", grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        ("08006", grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE"),
        ("25P03", grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE"),
        ("25006", grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE"),
        ("57P01", grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE"),
        ("57P03", grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE"),
        ("53100", grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE"),
        ("53300", grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"),
        ("XX001", grpc.StatusCode.DATA_LOSS, "DATA_LOSS"),
        ("42501", grpc.StatusCode.INTERNAL, "INTERNAL"),
        ("42P01", grpc.StatusCode.INTERNAL, "INTERNAL"),
    ],
)
async def test_a_sqlstate_decides_the_code_and_its_text_stays_inside(
    sqlstate: str, code: grpc.StatusCode, reason: str
) -> None:
    error = psycopg.errors.lookup(sqlstate)(f"DETAIL: Key (mrn)=({QUOTED})")
    async with echo.serving(raising(error), guards()) as channel:
        answer = await refused(call(channel, "Answer", metadata=AS_STAFF))

    assert answer.code() is code
    assert QUOTED not in str(answer)
    assert detail(answer, ErrorInfo).reason == reason
    if code is grpc.StatusCode.UNAVAILABLE:
        assert detail(answer, ErrorInfo).metadata["silo"] == "test"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(QUOTED),
        psycopg.errors.lookup("23514")(f"DETAIL: Failing row contains ({QUOTED})"),
        NotFound(QUOTED, resource="thing", id="7"),
    ],
)
async def test_no_text_of_an_error_reaches_the_log(
    error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    async with echo.serving(raising(error), guards()) as channel:
        metadata = (*AS_STAFF, ("x-request-id", "the-request"))
        await refused(call(channel, "Answer", metadata=metadata))

    said = "".join(capfd.readouterr())
    assert QUOTED not in said
    assert "the-request" in said


async def test_a_call_that_its_clients_runtime_repeats_is_counted() -> None:
    def counted() -> float:
        labels = {"grpc_service": echo.SERVICE, "grpc_method": "Answer"}
        return REGISTRY.get_sample_value("medport_retried_calls_total", labels) or 0.0

    failures = iter((Unavailable("not now"), None, None))

    async def flaky(request: Any, _context: Any) -> Any:
        if failure := next(failures):
            raise failure
        return EchoResponse(text=request.text)

    repeating = {"methodConfig": [{"name": [{}], "retryPolicy": RETRY}]}  # as the router does
    options = (("grpc.service_config", json.dumps(repeating)),)
    before = counted()
    async with echo.serving({"Answer": flaky}, guards(), options) as channel:
        await call(channel, "Answer", metadata=AS_STAFF)
        assert counted() == before + 1
        request = EchoRequest(request_id=str(uuid4()))
        await call(channel, "Answer", request, metadata=AS_STAFF)
        assert counted() == before + 1
