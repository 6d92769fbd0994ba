"""Of every call there is one line and one count on each side, whatever its arity and its end."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis.errors import EtagMismatch
from chassis.rpc_metrics import calling
from tests.support import echo
from tests.support.echo import EchoRequest, call, finish, refused
from tests.support.guarded import (
    AS_STAFF,
    ECHOING,
    HOSPITAL,
    QUOTED,
    REQUEST_ID,
    SECURED,
    STAFF,
    guards,
    raising,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACED = (*AS_STAFF, ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"), ("x-request-id", "abc.1"))


def count(name: str, method: str, type_: str, service: str = echo.SERVICE, **more: str) -> float:
    labels = {"grpc_type": type_, "grpc_service": service, "grpc_method": method, **more}
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_line_tells_who_asked_what_and_how_it_ended() -> None:
    request = EchoRequest(request_id=REQUEST_ID, text=QUOTED)
    for behaviours, code in ((ECHOING, "OK"), (raising(EtagMismatch()), "ABORTED")):
        for name in SECURED:
            with capture_logs() as lines:
                async with echo.serving(behaviours, guards()) as channel:
                    under_way = call(channel, name, request, metadata=TRACED)
                    await (finish(under_way) if code == "OK" else refused(under_way))
            (line,) = (each for each in lines if each["event"] == "rpc")
            assert line.pop("milliseconds") >= 0
            assert line == {
                "event": "rpc",
                "log_level": "info",
                "request_id": "abc.1",
                "trace_id": TRACE,
                "span_id": "00f067aa0ba902b7",
                "silo": "test",
                "method": f"/{echo.SERVICE}/{name}",
                "code": code,
                "user_id": str(STAFF.user_id),
                "tenant_id": str(HOSPITAL),
            }


@pytest.mark.parametrize("told", [(), (("traceparent", "nonsense"),)])
async def test_a_call_without_one_valid_trace_begins_one(told: tuple[Any, ...]) -> None:
    with capture_logs() as lines:
        async with echo.serving(ECHOING, guards()) as channel:
            await finish(call(channel, "Answer", metadata=(*AS_STAFF, *told)))
    assert lines[-1]["trace_id"] != TRACE
    assert len(lines[-1]["trace_id"]) == 32


@pytest.mark.parametrize(
    ("name", "type_", "received", "sent"),
    [
        ("Answer", "unary", 1, 1),
        ("Stream", "server_stream", 1, 2),
        ("Collect", "client_stream", 3, 1),
        ("Converse", "bidi_stream", 3, 3),
    ],
)
async def test_messages_are_counted_both_ways(
    name: str, type_: str, received: int, sent: int
) -> None:
    kinds = {"msg_received": received, "msg_sent": sent, "started": 1}
    before = {kind: count(f"grpc_server_{kind}_total", name, type_) for kind in kinds}
    request = EchoRequest(request_id=REQUEST_ID, text="hello")
    copies = 3 if received == 3 else 1
    async with echo.serving(ECHOING, guards()) as channel:
        await finish(call(channel, name, *[request] * copies, metadata=AS_STAFF))
    after = {kind: count(f"grpc_server_{kind}_total", name, type_) for kind in kinds}
    assert {kind: after[kind] - before[kind] for kind in kinds} == kinds


async def test_the_caller_counts_its_calls_by_how_they_ended() -> None:
    method = f"Called{uuid4().hex}"
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        nowhere: Any = channel.unary_unary("/a.B/C")
        with pytest.raises(grpc.aio.AioRpcError), calling("unary", "a.B", method):
            await nowhere(b"", timeout=5)
    with calling("unary", "a.B", method):
        pass
    for code in ("UNAVAILABLE", "OK"):
        ended = {"service": "a.B", "grpc_code": code}
        assert count("grpc_client_handled_total", method, "unary", **ended) == 1
    assert count("grpc_client_msg_sent_total", method, "unary", service="a.B") == 2
    assert count("grpc_client_msg_received_total", method, "unary", service="a.B") == 1
