"""GatewayService: how the mesh is doing, and what can be called."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import vocabulary_pb2
from medport.router.v1 import gateway_pb2 as pb
from medport.router.v1 import gateway_pb2_grpc as rpc

from chassis.addresses import of_peer
from chassis.clock import timestamp
from chassis.interceptors.guards import Context
from chassis.interceptors.statuses import code
from chassis.paging import Paging
from router import answers
from router.backends import Backend
from router.health import Monitor
from router.metering import Meter
from router.policies import deadline_of, retried
from router.routes import ROUTER, Route

_ARITIES = {
    "unary": pb.ARITY_UNARY,
    "server_stream": pb.ARITY_SERVER_STREAM,
    "client_stream": pb.ARITY_CLIENT_STREAM,
    "bidi_stream": pb.ARITY_BIDI_STREAM,
}
_IDEMPOTENCIES: dict[int, pb.Idempotency.ValueType] = {
    MethodOptions.IDEMPOTENCY_UNKNOWN: pb.IDEMPOTENCY_UNKNOWN,
    MethodOptions.NO_SIDE_EFFECTS: pb.IDEMPOTENCY_NO_SIDE_EFFECTS,
    MethodOptions.IDEMPOTENT: pb.IDEMPOTENCY_IDEMPOTENT,
}


class GatewayServicer(rpc.GatewayServiceServicer):
    def __init__(
        self,
        routes: Mapping[str, Route],
        backends: Mapping[str, Backend],
        monitors: Mapping[str, Monitor],
        paging: Paging,
        meter: Meter,
    ) -> None:
        self._routes, self._backends, self._monitors = routes, backends, monitors
        self._paging, self._meter = paging, meter

    async def GetMeshStatus(
        self, request: pb.GetMeshStatusRequest, context: Context
    ) -> pb.GetMeshStatusResponse:
        self._meter.count_address(of_peer(context.peer()))
        unanswered = [name for name, each in self._monitors.items() if not each.seen.reachable]
        return pb.GetMeshStatusResponse(
            silos=[_status(each, self._monitors[name]) for name, each in self._backends.items()],
            unanswered_silos=[_unanswered(name) for name in unanswered],
        )

    async def ListRoutes(
        self, request: pb.ListRoutesRequest, context: Context
    ) -> pb.ListRoutesResponse:
        self._meter.count_address(of_peer(context.peer()))
        page = self._paging.page(request)
        after = page.after[0] if page.after else ""
        behind = [route for path, route in self._routes.items() if path > after]
        shown, token = page.cut(behind[: page.fetch], lambda route: (route.path,))
        return pb.ListRoutesResponse(routes=[_route(each) for each in shown], next_page_token=token)


def _unanswered(name: str) -> pb.UnansweredSilo:
    missing = answers.SiloUnavailable(name)
    return pb.UnansweredSilo(
        silo=silo_number(name),
        explanation=f"the {name} silo does not answer",
        cause=pb.UNANSWERED_CAUSE_OUTAGE,
        code=code(missing).value[0],
        reason=missing.reason,
    )


def silo_number(name: str) -> vocabulary_pb2.Silo.ValueType:
    """Return the contract's number; the router is no silo."""
    if name == ROUTER:
        return vocabulary_pb2.SILO_UNSPECIFIED
    return vocabulary_pb2.Silo.Value(f"SILO_{name.upper()}")


def _status(backend: Backend, monitor: Monitor) -> pb.SiloStatus:
    seen = monitor.seen
    return pb.SiloStatus(
        silo=silo_number(backend.silo),
        reachable=seen.reachable,
        serving=seen.serving,
        breaker_state=pb.BreakerState.Value(f"BREAKER_STATE_{backend.breaker.state}"),
        latency_duration=_duration(seen.latency_s),
        answer_time=timestamp(seen.answered_at),
        call_count=backend.bulkhead.calls,
        stream_count=backend.bulkhead.streams,
        replica_count=len(backend.probes),
        serving_replica_count=seen.serving_replicas,
        event_position=seen.event_position,
    )


def _route(route: Route) -> pb.Route:
    deadline = deadline_of(route)
    return pb.Route(
        method=route.path,
        silo=silo_number(route.silo),
        arity=_ARITIES[route.method.type],
        idempotency=_IDEMPOTENCIES[route.idempotency_level],
        access=route.access,
        default_deadline_duration=_duration(deadline.default if deadline else None),
        most_deadline_duration=_duration(deadline.most if deadline else None),
        retried=route.silo != ROUTER and retried(route),
    )


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
