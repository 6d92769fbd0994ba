"""A request that breaks the contract is refused with everything that is wrong with it."""

from __future__ import annotations

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from tests.support import echo
from tests.support.echo import EchoRequest, call, finish, refused
from tests.support.guarded import (
    AS_STAFF,
    ECHOING,
    REQUEST_ID,
    SECURED,
    detail,
    guards,
    violations,
)


@pytest.mark.parametrize("name", SECURED)
async def test_bytes_that_are_no_message_are_the_callers_mistake(name: str) -> None:
    async with echo.serving(ECHOING, guards()) as channel:
        error = await refused(call(channel, name, b"\x0a\xff\xff", metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(error, ErrorInfo).reason == "MALFORMED_REQUEST"


@pytest.mark.parametrize("name", SECURED)
async def test_every_violation_is_named_by_its_path(name: str) -> None:
    inner = EchoRequest(texts=["fine", "a\0b"])
    bad = EchoRequest(request_id="7", text="x" * 21, inner=inner)
    async with echo.serving(ECHOING, guards()) as channel:
        error = await refused(call(channel, name, bad, metadata=AS_STAFF))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sorted(violations(error)) == ["inner.texts[1]", "request_id", "text"]


async def test_unknown_fields_are_ignored() -> None:
    newer = EchoRequest(request_id=REQUEST_ID, text="hi").SerializeToString() + b"\xf8\x07\x00"
    async with echo.serving(ECHOING, guards()) as channel:
        assert [
            a.text for a in await finish(call(channel, "Answer", newer, metadata=AS_STAFF))
        ] == ["hi"]
