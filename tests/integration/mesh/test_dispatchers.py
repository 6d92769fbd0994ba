"""The demonstration's dispatchers and crews, against an EMS silo of their own.

Run: ``python -m pytest tests/integration/mesh/test_dispatchers.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from medport.common.v1 import vocabulary_pb2 as words

from mesh.demo.callers import Caller
from mesh.demo.cast import AgencyPart
from mesh.demo.dispatchers import Dispatch
from mesh.demo.script import Script
from mesh.demo.stage import Stage
from mesh.demo.tally import Tally
from tests.support.databases import Databases
from tests.support.ems_silo import ems_silo
from tests.support.ems_trips import Run, run
from tests.support.front_desk import PASSWORD
from tests.support.waiting import until


async def test_a_trip_that_changed_is_carried_to_its_end(databases: Databases) -> None:
    with databases.fresh("ems") as dsn:
        async with ems_silo(dsn) as silo:
            swift = await run(silo)
            await swift.won()
            await silo.hear(swift.trip.updated(destination_facility_id=swift.trip.destination))
            tally = Tally()

            day = asyncio.create_task((await dispatch(swift, tally)).work())
            await until(lambda: has_ended(swift))
            day.cancel()

            assert tally.unexplained == Counter()
            ended = await swift.job()
            assert ended.confirmed_material_version == 2


async def dispatch(swift: Run, tally: Tally) -> Dispatch:
    """Let the agency's dispatcher and its only unit's crew play their parts."""
    silo, id = swift.silo, swift.agency.id
    [(unit_id,)] = silo.sql("SELECT id FROM unit")
    await silo.login(id, "CREW", unit_id)
    emails = dict(silo.sql("SELECT role, email FROM ems_agency_user WHERE password_hash <> ''"))
    part = AgencyPart(
        key="swift",
        id=str(id),
        service_id="",
        admin=emails["ADMIN"],
        dispatcher=emails["DISPATCHER"],
        crew=emails["CREW"],
        crew_unit=str(unit_id),
    )
    dispatcher, crew = (
        Caller(silo.channel, "ems", email, PASSWORD, tally)
        for email in (part.dispatcher, part.crew)
    )
    stage = Stage(silo.channel, Script(unwanted=frozenset()), tally)
    return Dispatch(stage, part, dispatcher, crew)


async def has_ended(swift: Run) -> bool:
    return (await swift.job()).status == words.JOB_STATUS_COMPLETED
