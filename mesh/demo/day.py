"""Plays the day: everybody at once, time compressed, then the books are checked."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chassis.channels import channel
from mesh import books, passwords
from mesh.census import Census
from mesh.demo import admissions, cast, dataset
from mesh.demo.admission import Admission
from mesh.demo.case_managers import CaseManagers
from mesh.demo.cast import Cast
from mesh.demo.dataset import Trip
from mesh.demo.dispatchers import Dispatch
from mesh.demo.registry import reinstate, suspend_for_a_while
from mesh.demo.report import Report
from mesh.demo.script import Script
from mesh.demo.stage import Stage, forever
from mesh.demo.tally import Tally
from mesh.state import DataDirectory

_DAY_MINUTES = 24 * 60
_SECONDS_PER_TRIP = 0.2  # 300 trips in a minute
_MOST_UNDER_WAY = 50  # on a slow machine the day takes longer, instead of drowning it
_SETTLING = 150.0
_TRIPS_FOR_A_SUSPENSION = 100
_TRIPS_PER_UNWANTED = 100  # running out takes half a minute, which a short day does not have


def play(data: DataDirectory, *, trips: int, as_json: bool) -> int:
    """Play ``trips`` transfers and return 0 when every check holds."""
    console = Console(stderr=as_json)
    report = asyncio.run(_Day(data, dataset.trips(trips), console).play())
    if as_json:
        print(report.as_json())
    else:
        report.show(console)
    if report.good:
        data.played.touch()
    return 0 if report.good else 1


@dataclass
class _Day:
    data: DataDirectory
    trips: list[Trip]
    console: Console

    @property
    def _length(self) -> float:
        return max(5.0, len(self.trips) * _SECONDS_PER_TRIP)

    async def play(self) -> Report:
        began, tally = time.monotonic(), Tally()
        every = range(0, len(self.trips), _TRIPS_PER_UNWANTED)
        unwanted = [self.trips[at].key for at in every] if len(self.trips) > len(every) * 20 else []
        address = f"127.0.0.1:{self.data.running().ports['router']}"
        async with channel(address) as router:
            players = await self._admit(router, tally)
            stage = Stage(router, Script(frozenset(unwanted)), tally)
            await self._play(stage, players)
        census = Census(self.data)
        _, silent = await asyncio.to_thread(census.following)
        checks = await books.check(census, silent.keys())
        checks["no_unexplained_failures"] = not tally.unexplained
        checks["every_trip_ended"] = (
            tally.seen["requested"]
            == len(self.trips)
            == sum(tally.seen[outcome] for outcome in ("completed", "cancelled", "expired"))
        )
        following, _ = census.following()
        return Report(tally, time.monotonic() - began, following, checks, set(silent))

    async def _admit(self, router: grpc.aio.Channel, tally: Tally) -> Cast:
        known = cast.load(self.data)
        if known is None:
            self.console.print("admitting 9 hospitals and 12 agencies")
            known = await admissions.admit_all(Admission(self.data, router, tally))
            known.save(self.data)
        return known

    async def _play(self, stage: Stage, players: Cast) -> None:
        admission = Admission(self.data, stage.channel, stage.tally)
        managers = _managers(stage, players, admission)
        dispatch = _dispatch(stage, players, admission)
        people = dict.fromkeys(managers.values())  # a hospital has several facilities
        working = [asyncio.ensure_future(forever(one.work())) for one in people]
        working += [asyncio.ensure_future(forever(one.work())) for one in dispatch]
        admin = admission.caller("center", passwords.CENTER_ADMIN)
        suspended = players.agencies[0] if len(self.trips) >= _TRIPS_FOR_A_SUSPENSION else None
        try:
            with self._progress() as progress:
                async with asyncio.TaskGroup() as scenes:
                    if suspended:
                        scene = suspend_for_a_while(stage, admin, suspended)
                        scenes.create_task(stage.play(_later(self._length / 3, scene)))
                    await self._ask(stage, managers, progress)
        finally:
            for one in working:
                one.cancel()
            await asyncio.gather(*working)
            if suspended:
                await stage.play(reinstate(stage, admin, suspended))

    async def _ask(
        self, stage: Stage, managers: dict[str, CaseManagers], progress: Progress
    ) -> None:
        """Ask for every trip at its time, then wait until all have ended."""
        bar = progress.add_task("transfers", total=len(self.trips))
        day = f"demo-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        began = time.monotonic()
        asking: list[asyncio.Task[None]] = []
        for trip in self.trips:
            at = began + trip.minute / _DAY_MINUTES * self._length
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            while _under_way(stage) >= _MOST_UNDER_WAY:
                progress.update(bar, completed=_ended(stage))
                await asyncio.sleep(0.1)
            asked = managers[trip.origin].ask_for(trip, day)
            asking.append(asyncio.create_task(stage.play(asked)))
            progress.update(bar, completed=_ended(stage))
        await asyncio.gather(*asking)
        until = time.monotonic() + _SETTLING
        while any(one.live for one in managers.values()) and time.monotonic() < until:
            progress.update(bar, completed=_ended(stage))
            await asyncio.sleep(0.2)
        progress.update(bar, completed=_ended(stage))

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        return Progress(
            *columns, TimeElapsedColumn(), console=self.console, disable=not sys.stderr.isatty()
        )


async def _later(seconds: float, scene: Coroutine[object, object, None]) -> None:
    await asyncio.sleep(seconds)
    await scene


def _under_way(stage: Stage) -> int:
    return stage.tally.seen["requested"] - _ended(stage)


def _ended(stage: Stage) -> int:
    return sum(stage.tally.seen[outcome] for outcome in ("completed", "cancelled", "expired"))


def _managers(stage: Stage, players: Cast, admission: Admission) -> dict[str, CaseManagers]:
    """Return who asks for the trips of each facility, by its key."""
    places = {key: id for part in players.hospitals for key, id in part.facilities.items()}
    answer: dict[str, CaseManagers] = {}
    for part in players.hospitals:
        callers = [admission.caller("hospital", email) for email in part.managers]
        people = CaseManagers(stage, part, callers, places)
        answer.update(dict.fromkeys(part.facilities, people))
    return answer


def _dispatch(stage: Stage, players: Cast, admission: Admission) -> list[Dispatch]:
    return [
        Dispatch(
            stage,
            part,
            admission.caller("ems", part.dispatcher),
            admission.caller("ems", part.crew),
        )
        for part in players.agencies
    ]
