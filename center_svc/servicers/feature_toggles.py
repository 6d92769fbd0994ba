"""FeatureToggleService: which features are on, and for whom."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.v1 import feature_toggles_pb2 as pb
from medport.center.v1 import feature_toggles_pb2_grpc as rpc

from center_svc import messages
from center_svc.domain.events import FeatureToggleChanged
from center_svc.domain.feature_toggles import FeatureToggle, unknown
from center_svc.messages import feature_toggles as words
from center_svc.repositories import audit_log, feature_toggles
from center_svc.toggle_watching import ToggleWatch
from chassis import auth, ids
from chassis.clock import Clock
from chassis.field_masks import EVERYTHING, masked, refuse_missing
from chassis.interceptors.guards import Context
from chassis.paging import MOST, Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.watching import Watching
from chassis.wire import optional

NOUN = "feature_toggle"
ALL = FieldMask(paths=[EVERYTHING])


class FeatureToggleServicer(rpc.FeatureToggleServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, watching: Watching
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._watching = watching

    async def GetFeatureToggle(
        self, request: pb.GetFeatureToggleRequest, context: object
    ) -> pb.GetFeatureToggleResponse:
        found = await feature_toggles.get(self._database.read(None), request.feature_name)
        return pb.GetFeatureToggleResponse(feature_toggle=words.feature_toggle(found))

    async def ListFeatureToggles(
        self, request: pb.ListFeatureTogglesRequest, context: object
    ) -> pb.ListFeatureTogglesResponse:
        page, rows = self._paging.page(request), self._database.read(None)
        after = page.after[0] if page.after else ""
        found = await feature_toggles.list_by_name(
            rows, after, page.fetch, is_enabled=optional(request.filter, "is_enabled")
        )
        shown, next_page_token = page.cut(found, lambda each: [each.feature_name])
        return pb.ListFeatureTogglesResponse(
            feature_toggles=map(words.feature_toggle, shown), next_page_token=next_page_token
        )

    async def CreateFeatureToggle(
        self, request: pb.CreateFeatureToggleRequest, context: object
    ) -> pb.CreateFeatureToggleResponse:
        at, by, given = self._clock(), auth.caller().user_id, request.feature_toggle
        refuse_missing(given, NOUN)
        values = words.columns(given, masked(given, ALL, NOUN))
        first = unknown(given.feature_name, id=ids.new(), by=by, at=at)
        async with self._database.begin(None) as uow:
            known = await feature_toggles.lock_or_first(uow, first)
            made = await _write(uow, *known.create(values, by=by, at=at), fields=())
            return uow.answered(pb.CreateFeatureToggleResponse(feature_toggle=made))

    async def UpdateFeatureToggle(
        self, request: pb.UpdateFeatureToggleRequest, context: object
    ) -> pb.UpdateFeatureToggleResponse:
        at, by, given = self._clock(), auth.caller().user_id, request.feature_toggle
        values = words.columns(given, masked(given, request.update_mask, NOUN))
        async with self._database.begin(None) as uow:
            known = await feature_toggles.lock(uow, request.feature_name)
            decided = known.change(values, etag=request.etag, by=by, at=at)
            changed = await _write(uow, *decided, fields=values)
            return uow.answered(pb.UpdateFeatureToggleResponse(feature_toggle=changed))

    async def DeleteFeatureToggle(
        self, request: pb.DeleteFeatureToggleRequest, context: object
    ) -> pb.DeleteFeatureToggleResponse:
        at, by = self._clock(), auth.caller().user_id
        async with self._database.begin(None) as uow:
            known = await feature_toggles.lock(uow, request.feature_name)
            await _write(uow, *known.delete(etag=request.etag, by=by, at=at), fields=())
            return uow.answered(pb.DeleteFeatureToggleResponse())

    async def SetFeatureToggle(
        self, request: pb.SetFeatureToggleRequest, context: object
    ) -> pb.SetFeatureToggleResponse:
        at, by, values = self._clock(), auth.caller().user_id, {"is_enabled": request.is_enabled}
        async with self._database.begin(None) as uow:
            known = await feature_toggles.lock(uow, request.feature_name)
            decided = known.change(values, etag=request.etag, by=by, at=at)
            changed = await _write(uow, *decided, fields=values)
            return uow.answered(pb.SetFeatureToggleResponse(feature_toggle=changed))

    async def EvaluateFeatureToggles(
        self, request: pb.EvaluateFeatureTogglesRequest, context: object
    ) -> pb.EvaluateFeatureTogglesResponse:
        rows, names = self._database.read(None), list(request.feature_names)
        if names:
            known = await feature_toggles.list_named(rows, names)
        else:
            found = await feature_toggles.list_by_name(rows, "", MOST)
            known = {each.feature_name: each for each in found}
        organization_id, user_id = _id(request.organization_id), _id(request.user_id)
        return pb.EvaluateFeatureTogglesResponse(
            evaluations=[
                words.evaluation(
                    name, known.get(name), organization_id=organization_id, user_id=user_id
                )
                for name in names or known
            ]
        )

    async def WatchFeatureToggles(  # type: ignore[override]  # grpc takes a writer too
        self, request: pb.WatchFeatureTogglesRequest, context: Context
    ) -> None:
        watch = ToggleWatch(self._database.read(None), context.write)
        await self._watching.watch(watch, watch.interest, request.resume_token)


async def _write(
    uow: UnitOfWork, toggle: FeatureToggle, event: FeatureToggleChanged, *, fields: Collection[str]
) -> pb.FeatureToggle:
    await feature_toggles.save(uow, toggle)
    await audit_log.note(uow, NOUN, toggle.id, at=toggle.updated_at, fields=fields)
    uow.emit(messages.announcement(event))
    return words.feature_toggle(toggle)


def _id(text: str) -> UUID | None:
    return UUID(text) if text else None
