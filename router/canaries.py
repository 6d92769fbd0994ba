"""A share of the tenants is served by another set of a silo's processes: always the same tenants.

The share is a feature toggle of Center's. The router asks for it, keeps the last good answer on
disk, and goes by that while Center is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.message import DecodeError
from medport.center.v1 import feature_toggles_pb2 as pb
from medport.center.v1.feature_toggles_pb2_grpc import FeatureToggleServiceStub

from chassis import telemetry
from chassis.auth import Principal
from chassis.feature_toggles import Rollout
from router.backends import Backend
from router.policies import CANARY_FEATURE

EVERY_SECONDS = 5.0
PATIENCE_SECONDS = 1.0


class Canary:
    """One silo's other set of processes, and for whom it is."""

    def __init__(self, silo: str, backend: Backend, cache: Path) -> None:
        self.backend = backend
        self._feature = CANARY_FEATURE.format(silo=silo)
        self._copy = cache / f"{silo}.canary.binpb"
        self._rollout = _kept(self._copy)

    def takes(self, principal: Principal | None) -> bool:
        """Say whether a caller's calls go there, if the set admits them."""
        if principal is None or self._rollout is None:
            return False
        return self._rollout.is_on(organization_id=principal.tenant_id, user_id=principal.user_id)

    async def follow(self, center: grpc.aio.Channel, bearer: Callable[[], str]) -> None:
        """Ask Center again and again, until cancelled; what it said last counts."""
        stub: Any = FeatureToggleServiceStub(center)  # its types are those of a blocking one
        while True:
            await self._ask(stub, bearer())
            await asyncio.sleep(EVERY_SECONDS)

    async def _ask(self, stub: Any, bearer: str) -> None:
        request = pb.GetFeatureToggleRequest(feature_name=self._feature)
        metadata = (("authorization", f"Bearer {bearer}"),)
        try:
            answer = await stub.GetFeatureToggle(
                request, metadata=metadata, timeout=PATIENCE_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                return
            answer = pb.GetFeatureToggleResponse()  # the feature is off for everybody
        self._rollout = _rollout(answer)
        self._keep(answer)

    def _keep(self, answer: pb.GetFeatureToggleResponse) -> None:
        new = self._copy.with_suffix(".new")
        try:
            self._copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_bytes(answer.SerializeToString())
            new.replace(self._copy)
        except OSError as error:
            telemetry.log.warning("canary copy not written", why=error.strerror)


def _kept(copy: Path) -> Rollout | None:
    """Return what Center said before this process began."""
    try:
        return _rollout(pb.GetFeatureToggleResponse.FromString(copy.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, DecodeError, ValueError) as error:
        telemetry.log.warning("canary copy unusable", type=type(error).__name__)
        return None


def _rollout(answer: pb.GetFeatureToggleResponse) -> Rollout:
    toggle = answer.feature_toggle
    return Rollout(
        feature_name=toggle.feature_name,
        is_enabled=toggle.is_enabled,
        target_users=[UUID(each) for each in toggle.target_users],
        target_organizations=[UUID(each) for each in toggle.target_organizations],
        rollout_percent=toggle.rollout_percent if toggle.HasField("rollout_percent") else 100,
    )
