"""The soak: ``python -m tests.soak``, which ``make soak`` runs; interrupted, it goes on later.

Every silo's log is written, followed and disturbed in chunks, each with its own verdict; then the
tests that have a long profile run at length. The report names the seed: a chunk with a violation
comes again with ``--seed`` and ``--silo``, except for what the machine's own timing adds.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from rich.console import Console

from mesh.postgres import PostgresServer
from tests.soak import reports, suite
from tests.soak.chunks import Chunk, Verdict, soak
from tests.soak.reports import AnotherSoak, Report, Wish
from tests.soak.sites import Ground, ground_in, site_of
from tests.support.silo_logs import KINDS, Kind
from tests.support.silo_processes import START_SECONDS, kill_those_of

CHUNK_EVENTS = 20_000
SAY = Console(soft_wrap=True, highlight=False).print


def chunks(wish: Wish, kind: Kind) -> dict[str, Chunk]:
    """Name the chunks of one silo; all silos' together are what is wished for, or a little more."""
    count = max(1, ceil(wish.events / len(KINDS) / CHUNK_EVENTS))
    events = ceil(wish.events / len(KINDS) / count)
    disconnects = ceil(wish.disconnects / len(KINDS) / count)
    return {
        f"{kind.silo}/{number:03}": Chunk(events, disconnects, f"{wish.seed} {kind.silo} {number}")
        for number in range(count)
    }


async def soak_silo(ground: Ground, kind: Kind, report: Report) -> None:
    """Do the silo's chunks that are not done; one process and one log live through all of them."""
    while left := [name for name in chunks(report.wish, kind) if name not in report.parts]:
        try:
            await _sitting(ground, kind, report, left)
        except Exception as fault:  # noqa: BLE001 - it is this chunk's verdict, and others follow
            name = next(each for each in left if each not in report.parts)
            broken = Verdict(violations=[f"{type(fault).__name__}: {fault}"])
            _add(report, name, broken)


async def _sitting(ground: Ground, kind: Kind, report: Report, names: Sequence[str]) -> None:
    ground.server.start(START_SECONDS)  # a chunk that broke off may have left it down
    async with site_of(ground, kind) as site:
        for name in names:
            _add(report, name, await soak(site, chunks(report.wish, kind)[name]))


def _add(report: Report, name: str, verdict: Verdict) -> None:
    report.add(name, verdict.as_json())
    SAY(
        f"{name}: {verdict.events} events, {sum(verdict.faults.values())} disconnects"
        f" in {verdict.seconds:.0f} s, {verdict.megabytes[1]:.0f} MB,"
        f" {len(verdict.violations)} violations"
    )


def run_suite(report: Report) -> None:
    for file in suite.files():
        name = f"suite/{file}"
        if name not in report.parts:
            found = suite.run(file)
            report.add(name, found)
            SAY(f"{name}: {found['said']}")


def clear(folder: Path) -> None:
    """Remove what a sitting that was killed has left: processes first, their server, its files."""
    if folder.exists():
        kill_those_of(folder)
        PostgresServer("soak", 0, folder).stop()
        shutil.rmtree(folder)


def summary(report: Report) -> None:
    for name, value in report.totals().items():
        SAY(f"{name}: {value}")
    for violation in report.violations():
        SAY(violation)
    SAY(f"the report is {report.file}; the processes' logs are beside it, until the next sitting")


def main() -> int:
    """Return 0 when nothing was violated in any part."""
    given = _arguments()
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # lost connections are what this is about
    try:
        report = reports.opened(given.report, given.events, given.disconnects, given.seed)
    except AnotherSoak as other:
        sys.exit(f"soak: {other}")
    SAY(f"seed {report.wish.seed}, {len(report.parts)} parts are done")
    folder = given.report.parent.resolve() / "ground"
    clear(folder)
    kinds = [kind for kind in KINDS if given.silo in {None, kind.silo}]
    with ground_in(folder) as ground:
        for kind in kinds:
            asyncio.run(soak_silo(ground, kind, report))
    if not given.no_suite:
        run_suite(report)
    summary(report)
    return 1 if report.violations() else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="of all silos together")
    parser.add_argument("--disconnects", type=int, default=500, help="of all silos together")
    parser.add_argument("--report", type=Path, default=Path("build/soak/report.json"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--silo", choices=[kind.silo for kind in KINDS], help="only this one")
    parser.add_argument("--no-suite", action="store_true", help="chunks only")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("soak: interrupted; the same command goes on with the parts not yet done")
