"""Health of a process: the standard protocol, and the program that container checks run.

python -m chassis.health 127.0.0.1:50051
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.channels import CHANNEL

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
Context = grpc.aio.ServicerContext[Any, Any]

SERVICE = "grpc.health.v1.Health"
LOG_POSITION = "x-medport-log-position"  # a trailer of List: where the silo's event log ends
MOST_NAMES = 100  # the protocol lets a server refuse to list more
_PATIENCE_SECONDS = 3


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # the package has no types
    """Check as shipped; Watch ends with the process; List added; names start as NOT_SERVING.

    The shipped servicer would call a process healthy before its database was ever asked.
    """

    def __init__(self, names: Iterable[str], log_position: Callable[[], int]) -> None:
        super().__init__()
        self._log_position = log_position
        self._server_status = dict.fromkeys(("", *names), NOT_SERVING)
        self._draining = self._closed = False

    async def turn(self, *, serving: bool) -> None:
        """Give every name the same status: they share one database."""
        for name in tuple(self._server_status):
            await self.set(name, SERVING if serving and not self._draining else NOT_SERVING)

    async def drain(self) -> None:
        """Say NOT_SERVING for good.

        Watches stay: the runtime begins one that ended anew at once, as often as the network lets
        it (measured: 430 times in half a second, for each connection of a balancing client).
        """
        self._draining = True
        await self.turn(serving=False)

    async def close(self) -> None:
        """End the watches, just before the server's own end, which would wait for them."""
        self._closed = True
        for condition in tuple(self._server_watchers.values()):
            async with condition:
                condition.notify_all()

    async def Watch(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, _context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Send the status of a name, and each change of it, until ``close``."""
        condition, sent = self._server_watchers[request.service], None
        while True:
            async with condition:
                while (status := self._status_of(request.service)) == sent and not self._closed:
                    await condition.wait()
            if status == sent:
                return
            yield health_pb2.HealthCheckResponse(status=status)
            sent = status

    def _status_of(self, service: str) -> object:
        """Return a name's status: none serves any more once it drains, whoever asks first."""
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        status = self._server_status.get(service, unknown)
        return NOT_SERVING if self._draining and status == SERVING else status

    async def List(  # noqa: N802 - the protocol's name
        self,
        _request: health_pb2.HealthListRequest,
        context: Context,
    ) -> health_pb2.HealthListResponse:
        if len(self._server_status) > MOST_NAMES:
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            await context.abort(code, f"more than {MOST_NAMES} names: ask for one")
        statuses = {
            name: health_pb2.HealthCheckResponse(status=status)
            for name, status in self._server_status.items()
        }
        if position := self._log_position():
            context.set_trailing_metadata(((LOG_POSITION, str(position)),))
        return health_pb2.HealthListResponse(statuses=statuses)


def names(services: Iterable[str]) -> list[str]:
    """Return what health knows besides ``""``: each service and its package."""
    listed = list(services)
    return sorted({*listed, *(service.rpartition(".")[0] for service in listed)})


def add(
    server: grpc.aio.Server, services: Iterable[str], log_position: Callable[[], int] = lambda: 0
) -> Health:
    """Serve health about ``services``, unguarded, as generic handlers.

    ``log_position`` is that of the newest event, which a router passes on; 0 where there is none.
    """
    servicer = Health(names(services), log_position)
    request, response = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
    handlers = {
        "Check": grpc.unary_unary_rpc_method_handler(
            servicer.Check, request.FromString, response.SerializeToString
        ),
        "List": grpc.unary_unary_rpc_method_handler(
            servicer.List,
            health_pb2.HealthListRequest.FromString,
            health_pb2.HealthListResponse.SerializeToString,
        ),
        "Watch": grpc.unary_stream_rpc_method_handler(
            servicer.Watch, request.FromString, response.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return servicer


def main(arguments: list[str]) -> int:
    """Exit 0 if the process at the given address serves, 1 if not, 2 without an address."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m chassis.health ADDRESS\n")
        return 2
    with grpc.insecure_channel(arguments[0], options=CHANNEL) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE_SECONDS)
        except grpc.RpcError as error:
            sys.stderr.write(f"{arguments[0]}: {error.code().name}\n")
            return 1
    if answer.status != SERVING:
        sys.stderr.write(f"{arguments[0]}: NOT_SERVING\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
