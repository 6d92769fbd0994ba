"""Whoever writes to a process's output: each line is JSON, and none holds the text of an error."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mesh.postgres import free_port
from tests.support.databases import owner_of
from tests.support.fault_proxy import between
from tests.support.silo_processes import ROOT, SiloVictim
from tests.support.silos import Keys
from tests.support.waiting import until

QUOTED = "MRN-JOHN-DOE"


def told(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def of_the_pool(lines: list[dict[str, Any]]) -> list[list[Any]]:
    return [[*each.values()] for each in lines if each.get("logger") == "psycopg.pool"]


def test_no_library_and_no_error_quotes_a_patient(plain_database: str) -> None:
    told_of = (owner_of(plain_database), QUOTED, str(free_port()))
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.complaining", *told_of],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert QUOTED not in done.stdout
    lines = told(done.stdout)
    libraries = {(each["logger"], each["type"]) for each in lines if each["event"] == "library"}
    assert libraries == {("psycopg", "UniqueViolation"), ("py.warnings", None)}
    faults = [each["type"] for each in lines if each["event"] == "fault"]
    assert faults == ["ValueError", "InvalidTextRepresentation", "UniqueViolation"]
    assert [each["type"] for each in lines if each["event"] == "scrape"] == ["ConnectionResetError"]
    assert done.returncode == 1


async def test_a_silo_that_loses_its_database_says_so_in_json(
    hospital_database: str, tmp_path: Path
) -> None:
    async with between(hospital_database) as (proxy, dsn):
        said = tmp_path / "hospital.log"
        silo = SiloVictim("hospital", dsn, Keys(), free_port(), tmp_path)
        await silo.start_serving()
        try:
            await proxy.cut()

            async def is_missed() -> bool:
                lines = told(await asyncio.to_thread(said.read_text))
                return any("OperationalError" in each for each in of_the_pool(lines))

            await until(is_missed)
        finally:
            silo.stop()
        lines = told(said.read_text())
    assert "127.0.0.1" not in str(of_the_pool(lines))
