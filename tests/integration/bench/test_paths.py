"""The bench still works: a few events go from a writer's process to a reader's, and are counted.

No time is asserted, and no peer needs to be installed.
"""

from __future__ import annotations

import psycopg

from bench import facts
from bench.peers import OURS
from bench.processes import working
from chassis import event_log
from tests.support.databases import Databases, owner_of, superuser_of
from tests.support.silos import Keys, running

COUNT = 20


async def test_what_a_writer_commits_a_reader_applies_and_both_say_when(
    databases: Databases, hospital_database: str
) -> None:
    with databases.fresh("ems", migrated=False) as target:
        for dsn, text in (
            (superuser_of(hospital_database), facts.SOURCE),
            (owner_of(target), event_log.schema("ems_service") + facts.TARGET),
        ):
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(text.encode())
        keys = Keys()
        async with (
            running("hospital", hospital_database, keys) as (silo, _),
            working("bench.reader") as reader,
            working("bench.writer") as writer,
        ):
            told = {
                "module": OURS.module,
                "source": hospital_database,
                "target": target,
                "address": f"127.0.0.1:{silo.port}",
                "bearer": keys.bearer("hospital", "hospital"),
            }
            reader.tell(**told)
            warm = (await writer.ask(**told, rate=200, seconds=COUNT / 200))["warm"]
            await reader.ask(until=warm)
            committed = await writer.ask(go=True)
            applied = await reader.ask(until=warm + COUNT)

        assert len(committed) == COUNT
        assert set(applied) >= set(committed)
        with psycopg.connect(target) as connection:
            effects = connection.execute("SELECT count(*) FROM bench_effect").fetchone()
        assert effects == (warm + COUNT,)
