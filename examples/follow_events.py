"""Follows one silo's events into an SQLite file, each exactly once, whatever is killed meanwhile.

Written from the contract alone, to be copied: ``effects`` is what you would write yourself.

    MEDPORT_PASSWORD=... python -m examples.follow_events --router localhost:50050 \
        --silo hospital --email case.manager.1@upmc.example --file followed.sqlite
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import closing, suppress
from typing import Any, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from medport.center.events.v1 import event_log_pb2 as center_log
from medport.center.events.v1.event_log_pb2_grpc import EventLogServiceStub as CenterLog
from medport.common.v1 import event_log_pb2 as common
from medport.ems.events.v1 import event_log_pb2 as ems_log
from medport.ems.events.v1.event_log_pb2_grpc import EventLogServiceStub as EmsLog
from medport.hospital.events.v1 import event_log_pb2 as hospital_log
from medport.hospital.events.v1.event_log_pb2_grpc import EventLogServiceStub as HospitalLog

from examples.effects import Effects, Place
from examples.refusals import Stop, reason_of
from examples.sessions import SESSIONS, Session
from examples.streams import FINAL, HEARTBEAT_SECONDS, REBUILD, next_of, pause

LOGS: dict[str, tuple[Any, Any]] = {
    "hospital": (hospital_log, HospitalLog),
    "ems": (ems_log, EmsLog),
    "center": (center_log, CenterLog),
}
HEALTHY_SECONDS = 30


class Discontinuity(Exception):
    """The server believes to have sent something that did not arrive."""


class Follower:
    """Comes back after every end, good or bad, from where the effects stand."""

    def __init__(self, router: str, silo: str, session: Session, effects: Effects) -> None:
        self._router, self._silo, self._session = router, silo, session
        self._messages, self._stub = LOGS[silo]
        self._effects = effects
        self._rebuild = False

    async def follow(self) -> NoReturn:
        """Follow for ever; raises Stop."""
        failures = 0
        while True:
            before, began, asked = self._effects.place(), time.monotonic(), None
            try:
                asked, why = await self._stream(), "ENDED"
            except (TimeoutError, Discontinuity) as broken:
                why = type(broken).__name__
            except grpc.aio.AioRpcError as refused:
                why = self._judge(refused)
            useful = self._effects.place() != before or time.monotonic() - began > HEALTHY_SECONDS
            failures = 0 if useful else failures + 1
            wait = pause(failures) if asked is None else asked
            print(f"{self._silo}: {why}, again in {wait:.1f} s", file=sys.stderr, flush=True)
            await asyncio.sleep(wait)

    def _judge(self, refused: grpc.aio.AioRpcError) -> str:
        """Return the reason, once what it asks for is arranged; raises Stop."""
        reason, code = reason_of(refused), refused.code()
        if reason in REBUILD:
            self._rebuild = True
        elif code is grpc.StatusCode.UNAUTHENTICATED:
            self._session.forget()
        elif code in FINAL:
            raise Stop(f"{reason}: {refused.details()}")
        return reason

    async def _stream(self) -> float | None:
        """Take one stream's frames; return how long its server asks to wait, if it does."""
        place = None if self._rebuild else self._effects.place()
        asked, reached, rows = None, place[1] if place else None, []
        # A connection of its own: on one that fell silent the next call would hang, too.
        async with grpc.aio.insecure_channel(self._router) as channel:
            metadata = (("authorization", f"Bearer {await self._session.token(channel)}"),)
            stream = self._stub(channel).Subscribe(self._request(place), metadata=metadata)
            while (frame := await next_of(stream)) is not grpc.aio.EOF:
                if reached is not None and frame.previous_position != reached:
                    raise Discontinuity
                reached, kind = frame.position, frame.WhichOneof("frame")
                if not frame.resume_token:  # of a snapshot, which counts as a whole or not at all
                    rows += frame.batch.events
                elif kind == "snapshot_end":
                    self._effects.replace(rows, frame)
                    self._rebuild, rows = False, []
                else:
                    self._effects.apply(frame)
                if kind == "stream_end":
                    asked = frame.stream_end.reconnect_duration.ToTimedelta().total_seconds()
        return asked

    def _request(self, place: Place | None) -> Any:
        start = common.StartPosition(origin=common.START_ORIGIN_EARLIEST)
        if self._rebuild:
            start = common.StartPosition(origin=common.START_ORIGIN_SNAPSHOT)
        elif place:
            start = common.StartPosition(resume_token=place[0])
        heartbeat = Duration(seconds=HEARTBEAT_SECONDS)
        return self._messages.SubscribeRequest(
            subscriber="examples.follow_events", start=start, heartbeat_duration=heartbeat
        )


def main() -> None:
    """Follow until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--router", default="localhost:50050")
    parser.add_argument("--silo", choices=LOGS, default="hospital", help="whose log")
    parser.add_argument("--home", choices=SESSIONS, help="where the user lives, if elsewhere")
    parser.add_argument("--email", required=True)
    parser.add_argument("--file", required=True, help="SQLite file for the effects")
    given = parser.parse_args()
    home, password = given.home or given.silo, os.environ.get("MEDPORT_PASSWORD", "")
    session = Session(home, given.silo, given.email, password)
    try:
        with closing(Effects(given.file)) as effects, suppress(KeyboardInterrupt):
            asyncio.run(Follower(given.router, given.silo, session, effects).follow())
    except Stop as stop:
        sys.exit(f"{given.silo}: {stop}")


if __name__ == "__main__":
    main()
