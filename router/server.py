"""Composition root of the router: the one place that knows every part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from medport.router.v1 import gateway_pb2_grpc, trip_overviews_pb2_grpc

from chassis import channels, health, reflection
from chassis.admin import Admin
from chassis.health import SERVING
from chassis.interceptors import access, deadlines, errors, logging, tracing, validation
from chassis.interceptors.guards import GuardedServer
from chassis.minting import ProcessTokens, identity_key
from chassis.paging import Paging
from chassis.settings import RouterSettings
from chassis.within import end
from router import metrics
from router.access import Gate
from router.asking import Asking
from router.backends import Backend
from router.canaries import Canary
from router.health import Monitor
from router.keys import Keyrings, SiloKeys
from router.metering import Meter
from router.placing import Places
from router.policies import ALLOWANCES, Allowances
from router.proxy import Proof, Proxy, unproven
from router.routes import ROUTER, routes_of
from router.servicers.gateway import GatewayServicer
from router.servicers.trip_overviews import TripOverviewServicer

# A message that is a little too large is taken, and refused in our words; see proxy.py.
SERVER = tuple(
    (name, value + 1024 * 1024 if name == "grpc.max_receive_message_length" else value)
    for name, value in channels.SERVER
)
OWN_NAMES = (
    "",
    "medport.router.v1",
    "medport.router.v1.GatewayService",
    "medport.router.v1.TripOverviewService",
)


class Router:
    """Everything of one process but its signals. Owns no data."""

    def __init__(
        self,
        settings: RouterSettings,
        descriptors: FileDescriptorSet,
        allowances: Allowances = ALLOWANCES,
    ) -> None:
        self._routes = routes_of(descriptors)
        self.backends = self._reached(settings.silos)
        self.copies = self._reached(settings.read_replicas, role="read-replicas")
        self.canaries = {
            silo: Canary(silo, backend, settings.key_cache)
            for silo, backend in self._reached(settings.canaries, role="canary").items()
        }
        others = (*self.copies.values(), *(each.backend for each in self.canaries.values()))
        self._everything = (*self.backends.values(), *others)
        metrics.watch(self._everything)
        self._server = grpc.aio.server(options=SERVER)
        self._health = health.add(
            self._server, {each.method.service for each in self._routes.values()}
        )
        self.monitors = {
            silo: Monitor(backend, self._routes.values(), self._health)
            for silo, backend in self.backends.items()
        }
        # Whether these are well is nobody's business: others answer in their place.
        self._aside = [Monitor(each, (), self._health) for each in others]
        gate = Gate(self.backends, self._keyrings(settings))
        self._describe(settings, descriptors, gate)
        meter, proof = Meter(allowances), _proof(settings.identity_key)
        self._proof = proof
        places = {
            silo: Places(home, self.copies.get(silo), self.canaries.get(silo))
            for silo, home in self.backends.items()
        }
        asking = Asking(self._routes, places, gate, meter, proof)
        self._serve_own(descriptors, gate, asking, meter)
        self._proxy = Proxy(self._routes.values(), places, gate.admit, meter, proof)
        self._server.add_generic_rpc_handlers((self._proxy,))  # last: it answers for every path
        self.port = self._server.add_insecure_port(settings.listen)
        self._probes: list[asyncio.Task[None]] = []
        self.admin = Admin(settings.admin)

    async def start(self) -> None:
        """Serve, whether or not any silo does; raises BadSettings for a taken admin port."""
        await self.admin.start()
        await self._server.start()
        # What is told from the first moment on shall be known, not guessed.
        monitors = (*self.monitors.values(), *self._aside)
        await asyncio.gather(*(each.probe() for each in monitors))
        for name in OWN_NAMES:
            await self._health.set(name, SERVING)
        center, shown = self.backends.get("center"), partial(self._proof, "center")
        follows = [each.follow(center.side, shown) for each in self.canaries.values() if center]
        self._probes = [
            asyncio.create_task(each) for each in (*(each.run() for each in monitors), *follows)
        ]

    async def stop(self, pause_s: float, grace_s: float) -> None:
        """Say that it stops, wait for those who ask first, end what is open, close."""
        await end(self._probes)
        await self._health.drain()
        await asyncio.sleep(pause_s)
        self._proxy.end_streams()
        await self._health.close()
        await self._server.stop(grace_s)
        await self.admin.stop()
        for backend in self._everything:
            await backend.close()

    def _reached(self, silos: Mapping[str, Sequence[str]], role: str = "") -> dict[str, Backend]:
        routes = self._routes.values()
        return {
            silo: Backend(silo, addresses, routes, role=role) for silo, addresses in silos.items()
        }

    def _keyrings(self, settings: RouterSettings) -> Keyrings:
        return Keyrings(
            (
                silo,
                SiloKeys(silo, backend.side, settings.key_cache, self._is_reachable(silo)),
            )
            for silo, backend in self.backends.items()
        )

    def _is_reachable(self, silo: str) -> Callable[[], bool]:
        return lambda: self.monitors[silo].seen.reachable

    def _describe(
        self, settings: RouterSettings, descriptors: FileDescriptorSet, gate: Gate
    ) -> None:
        if settings.reflection != "off":
            admit = reflection.anybody if settings.reflection == "open" else gate.admit_known
            reflection.add(self._server, descriptors, admit)

    def _serve_own(
        self, descriptors: FileDescriptorSet, gate: Gate, asking: Asking, meter: Meter
    ) -> None:
        guards = (
            errors.guard(ROUTER, ROUTER),
            *tracing.guards(ROUTER),
            logging.guard(ROUTER),
            deadlines.guard,
            access.guard(gate.known),
            validation.guard,
        )
        # Every router of one release reads the others' page tokens: they hold nothing secret.
        paging = Paging(descriptors.SerializeToString(deterministic=True))
        guarded = cast("grpc.aio.Server", GuardedServer(self._server, guards))
        gateway_pb2_grpc.add_GatewayServiceServicer_to_server(
            GatewayServicer(self._routes, self.backends, self.monitors, paging, meter), guarded
        )
        trip_overviews_pb2_grpc.add_TripOverviewServiceServicer_to_server(
            TripOverviewServicer(asking, paging), guarded
        )


def _proof(pem: bytes) -> Proof:
    return ProcessTokens(identity_key(ROUTER, pem)) if pem else unproven
