"""Puts the guards around every RPC, unary or streaming, when its service is registered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass, field
from inspect import isasyncgenfunction
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from chassis.call import Call
from chassis.interceptors import conflicts, methods
from chassis.interceptors.interruptions import Interruption
from chassis.interceptors.methods import Method
from chassis.rpc_metrics import SERVER, Series

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # subscriptable for mypy only
Behaviour = Callable[[Any, Context], Any]


@dataclass(slots=True)
class Rpc:
    """One RPC under way, as its guards see it.

    ``request`` is bytes, or an iterator of them, until the validation guard has parsed it.
    ``answer`` is the servicer's, or bytes that were serialised earlier.
    """

    method: Method
    context: Context
    request: Any
    parse: Callable[[bytes], Any]
    call: Call
    series: Series
    interruption: Interruption = field(default_factory=Interruption)
    answer: Any = None


# What a guard does about a call: something around it, something before it, or nothing. A stream
# keeps what is around it in memory for as long as it is open (measured: 0.85 kB each).
Guard = Callable[[Rpc], AbstractAsyncContextManager[None] | Awaitable[None] | None]


class GuardedServer:
    """Stands in for a server where generated code registers a servicer.

    Guards are put around a handler once, not by an interceptor per call; and methods become
    generic handlers, because registered ones slow the accept loop of grpc.aio (grpc #43461).
    The first guard is the outermost: whatever happens inside it leaves as a status.
    """

    def __init__(self, server: grpc.aio.Server, guards: Sequence[Guard]) -> None:
        self._server = server
        self._guards = guards
        self.services: list[str] = []
        self.calls = 0  # unary ones that are under way

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Ignore what generated code gives here: the same handlers follow, by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Guard a service's handlers; raises LookupError for a method without access rule."""
        described = methods.of(service)
        guarded = {name: self._around(described[name], each) for name, each in handlers.items()}
        generic = grpc.method_handlers_generic_handler(service, guarded)
        self._server.add_generic_rpc_handlers((generic,))
        self.services.append(service)

    def _around(self, method: Method, handler: Handler) -> Handler:
        """Take the request as bytes, so that what cannot be parsed is refused by a guard."""
        behaviour: Behaviour = getattr(handler, _arity(method))
        parse = handler.request_deserializer or bytes
        series = SERVER.of(method.type, method.service, method.name)
        guarded = self._stream if method.streams_answers else self._answer
        if method.type == "unary":
            behaviour = conflicts.retried(behaviour)

        async def entered(request: Any, context: Context) -> Any:
            rpc = Rpc(method, context, request, parse, Call(method.path), series)
            if not method.streams_requests:
                series.received()
            async with AsyncExitStack() as stack:
                for guard in self._guards:
                    match guard(rpc):
                        case AbstractAsyncContextManager() as around:
                            await stack.enter_async_context(around)
                        case None:
                            pass
                        case before:
                            await before
                await guarded(behaviour, rpc)
            return rpc.answer

        async def counted(request: Any, context: Context) -> Any:
            self.calls += 1
            try:
                return await entered(request, context)
            finally:
                self.calls -= 1

        make = getattr(grpc, f"{_arity(method)}_rpc_method_handler")
        made: Handler = make(counted if method.type == "unary" else entered, None, _serialised)
        return made

    async def _answer(self, behaviour: Behaviour, rpc: Rpc) -> None:
        rpc.answer = await behaviour(rpc.request, rpc.context)
        rpc.series.sent()

    async def _stream(self, behaviour: Behaviour, rpc: Rpc) -> None:
        if not isasyncgenfunction(behaviour):  # it writes through the context
            counting: Any = _Writing(rpc.context, rpc.series)
            await behaviour(rpc.request, counting)
            return
        async with aclosing(behaviour(rpc.request, rpc.context)) as answers:
            async for answer in answers:
                await rpc.context.write(answer)
                rpc.series.sent()


class _Writing:
    """A servicer's context that counts what is written through it."""

    def __init__(self, context: Context, series: Series) -> None:
        self._context, self._series = context, series

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        await self._context.write(message)
        self._series.sent()


def _arity(method: Method) -> str:
    request = "stream" if method.streams_requests else "unary"
    return f"{request}_{'stream' if method.streams_answers else 'unary'}"


def _serialised(answer: Message | bytes) -> bytes:
    """Let bytes pass: a replayed answer, or a frame that was serialised once for all streams."""
    return answer if isinstance(answer, bytes) else answer.SerializeToString()
