"""One watch of the feature toggles: rows as they stand, whenever the log tells of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from medport.center.events.v1 import feature_toggles_pb2 as events
from medport.center.v1 import feature_toggles_pb2 as pb
from medport.common.v1 import event_log_pb2 as log

from center_svc.domain.feature_toggles import FeatureToggle
from center_svc.messages.feature_toggles import feature_toggle
from center_svc.repositories import feature_toggles
from chassis.stream_entries import Interest
from chassis.unit_of_work import Rows

AT_ONCE = 500
SUBJECT = "feature_toggles/"
TYPES = frozenset({events.FeatureToggleChanged.DESCRIPTOR.full_name})
KEYS = frozenset({"role:center_admin"})  # of the log; the method's rule lets callers in

Write = Callable[[pb.WatchFeatureTogglesResponse], Awaitable[Any]]


class ToggleWatch:
    """Sends one watcher's frames by ``write``; reads toggles anew, so that none is out of date."""

    def __init__(self, rows: Rows, write: Write) -> None:
        self._rows = rows
        self._write = write

    def interest(self) -> Interest:
        return Interest(KEYS, TYPES)

    async def snapshot(self, resume_token: bytes) -> None:
        count, after = 0, ""
        while True:
            found = await feature_toggles.list_by_name(self._rows, after, AT_ONCE)
            for toggle in found:
                await self._send(**_shown(toggle))
            count += len(found)
            if len(found) < AT_ONCE:
                break
            after = found[-1].feature_name
        end = log.SnapshotEnd(event_count=count)
        await self._send(snapshot_end=end, resume_token=resume_token)

    async def changed(self, subjects: Sequence[str], resume_token: bytes) -> None:
        """Send the toggles; the token comes with the last, for it resumes after them all."""
        ids = [UUID(each.removeprefix(SUBJECT)) for each in subjects]
        found = await feature_toggles.list_ids(self._rows, ids)
        for toggle in found[:-1]:
            await self._send(**_shown(toggle))
        for toggle in found[-1:]:
            await self._send(**_shown(toggle), resume_token=resume_token)

    async def heartbeat(self, mark: log.Bookmark, resume_token: bytes) -> None:
        await self._send(heartbeat=mark, resume_token=resume_token)

    async def end(self, end: log.StreamEnd, resume_token: bytes) -> None:
        await self._send(stream_end=end, resume_token=resume_token)

    async def _send(self, **frame: Any) -> None:  # noqa: ANN401 - the fields of one frame
        await self._write(pb.WatchFeatureTogglesResponse(**frame))


def _shown(toggle: FeatureToggle) -> dict[str, Any]:
    if toggle.is_deleted:
        return {"deleted_feature_name": toggle.feature_name}
    return {"feature_toggle": feature_toggle(toggle)}
