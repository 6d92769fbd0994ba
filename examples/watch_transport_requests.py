"""Keeps a hospital's trips on a screen: what is live, then every change, whatever breaks meanwhile.

Nothing is kept on disk: a screen that was switched off begins with a snapshot. For a copy that
must miss nothing see ``follow_events``.

    MEDPORT_PASSWORD=... python -m examples.watch_transport_requests \
        --email case.manager.1@upmc.example
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import suppress
from typing import NoReturn

import grpc
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceStub

from examples.refusals import Stop, reason_of
from examples.sessions import Session
from examples.streams import FINAL, REBUILD, next_of, pause


class Screen:
    """The trips as they stand, by id."""

    def __init__(self) -> None:
        self._trips: dict[str, trips.TransportRequest] = {}
        self._shown: set[str] = set()

    def begin(self) -> None:
        """Take a snapshot from now on: what it does not name is gone."""
        self._shown = set()

    def put(self, trip: trips.TransportRequest) -> None:
        """Show a trip; the same may come twice, and says the same."""
        self._shown.add(trip.id)
        if self._trips.get(trip.id) != trip:
            self._trips[trip.id] = trip
            print(f"{trip.trip_number} {words.TripStatus.Name(trip.status)}", flush=True)

    def complete(self) -> None:
        """Let go of what the snapshot did not name."""
        for id in self._trips.keys() - self._shown:
            print(f"{self._trips.pop(id).trip_number} gone", flush=True)
        print(f"that is all: {len(self._trips)}", flush=True)


class Watcher:
    """Comes back after every end, good or bad, from the last frame that could be resumed."""

    def __init__(self, router: str, session: Session, screen: Screen) -> None:
        self._router, self._session, self._screen = router, session, screen
        self._resume_token = b""

    async def watch(self) -> NoReturn:
        """Watch for ever; raises Stop."""
        failures = 0
        while True:
            before, wait = self._resume_token, None
            try:
                wait = await self._stream()
            except TimeoutError:
                print("nobody there", file=sys.stderr, flush=True)
            except grpc.aio.AioRpcError as refused:
                self._judge(refused)
            failures = 0 if self._resume_token != before else failures + 1
            await asyncio.sleep(pause(failures) if wait is None else wait)

    async def _stream(self) -> float | None:
        """Show one stream's frames; return how long its server asks to wait, if it does."""
        wait = None
        # A connection of its own: on one that fell silent the next call would hang, too.
        async with grpc.aio.insecure_channel(self._router) as channel:
            metadata = (("authorization", f"Bearer {await self._session.token(channel)}"),)
            request = trips.WatchTransportRequestsRequest(
                hospital_id=self._session.tenant_id, resume_token=self._resume_token
            )
            if not self._resume_token:
                self._screen.begin()
            stub = TransportRequestServiceStub(channel)
            stream = stub.WatchTransportRequests(request, metadata=metadata)
            while (frame := await next_of(stream)) is not grpc.aio.EOF:
                kind = frame.WhichOneof("frame")
                if kind == "transport_request":
                    self._screen.put(frame.transport_request)
                elif kind == "snapshot_end":
                    self._screen.complete()
                elif kind == "stream_end":
                    wait = frame.stream_end.reconnect_duration.ToTimedelta().total_seconds()
                # Only now: a token stands for what has been shown.
                self._resume_token = frame.resume_token or self._resume_token
        return wait

    def _judge(self, refused: grpc.aio.AioRpcError) -> None:
        """Arrange what the reason asks for; raises Stop where coming back does not help."""
        reason = reason_of(refused)
        print(reason, file=sys.stderr, flush=True)
        if reason in REBUILD:
            self._resume_token = b""
        elif refused.code() is grpc.StatusCode.UNAUTHENTICATED:
            self._session.forget()
        elif refused.code() in FINAL:
            raise Stop(f"{reason}: {refused.details()}")


def main() -> None:
    """Watch until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--router", default="localhost:50050")
    parser.add_argument("--email", required=True)
    given = parser.parse_args()
    password = os.environ.get("MEDPORT_PASSWORD", "")
    session = Session("hospital", "hospital", given.email, password)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(Watcher(given.router, session, Screen()).watch())
    except Stop as stop:
        sys.exit(str(stop))


if __name__ == "__main__":
    main()
