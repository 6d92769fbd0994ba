"""Reports where an ambulance is, a line of standard input at a time: ``latitude longitude``.

Each position counts by itself: when the stream breaks, the next one begins with the last position,
and nothing that arrived is taken back.

    gps | MEDPORT_PASSWORD=... python -m examples.report_location --email crew@blueheron.example \
        --unit 0198f000-0000-7000-8000-000000000001
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
from google.type.latlng_pb2 import LatLng
from medport.ems.v1 import units_pb2 as units
from medport.ems.v1.units_pb2_grpc import UnitServiceStub

from examples.refusals import Stop, reason_of
from examples.sessions import Session
from examples.streams import FINAL, pause

MOST_FAILURES = 10


class Reporter:
    """Sends positions as they come, on as many streams as it takes."""

    def __init__(self, router: str, session: Session, unit_id: str) -> None:
        self._router, self._session, self._unit_id = router, session, unit_id
        self._last: units.ReportLocationRequest | None = None

    async def report(self, places: AsyncIterator[LatLng]) -> int:
        """Send them all; return how many of the last stream's were news. Raises Stop."""
        failures = 0
        while True:
            try:
                return await self._stream(places)
            except grpc.aio.AioRpcError as refused:
                failures += 1
                self._judge(refused, failures)
            await asyncio.sleep(pause(failures))

    async def _stream(self, places: AsyncIterator[LatLng]) -> int:
        async with grpc.aio.insecure_channel(self._router) as channel:
            metadata = (("authorization", f"Bearer {await self._session.token(channel)}"),)
            call: Any = UnitServiceStub(channel).ReportLocation(metadata=metadata)
            with suppress(asyncio.InvalidStateError):  # it ended meanwhile; its status says how
                if self._last is not None:  # it may be lost, and is no news if it is not
                    await call.write(self._last)
                async for place in places:
                    self._last = self._request(place)
                    await call.write(self._last)
                await call.done_writing()
            answer: units.ReportLocationResponse = await call
        return answer.accepted_count

    def _request(self, place: LatLng) -> units.ReportLocationRequest:
        request = units.ReportLocationRequest(
            agency_id=self._session.tenant_id, unit_id=self._unit_id, location=place
        )
        request.fix_time.GetCurrentTime()
        return request

    def _judge(self, refused: grpc.aio.AioRpcError, failures: int) -> None:
        """Arrange what the reason asks for; raises Stop where another try does not help."""
        reason, code = reason_of(refused), refused.code()
        if code is grpc.StatusCode.UNAUTHENTICATED:
            self._session.forget()
        if code in {*FINAL, grpc.StatusCode.NOT_FOUND} or failures > MOST_FAILURES:
            raise Stop(f"{reason}: {refused.details()}")


async def typed() -> AsyncIterator[LatLng]:
    """Yield what standard input says, until its end."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        latitude, longitude = line.split()
        yield LatLng(latitude=float(latitude), longitude=float(longitude))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--router", default="localhost:50050")
    parser.add_argument("--email", required=True)
    parser.add_argument("--unit", required=True, help="id of the unit, one of the user's agency")
    given = parser.parse_args()
    session = Session("ems", "ems", given.email, os.environ.get("MEDPORT_PASSWORD", ""))
    try:
        accepted = asyncio.run(Reporter(given.router, session, given.unit).report(typed()))
    except Stop as stop:
        sys.exit(str(stop))
    print(f"{accepted} positions were news")


if __name__ == "__main__":
    main()
