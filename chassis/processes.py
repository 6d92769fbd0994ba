"""The commands of a silo: ``python -m hospital_svc serve``, ``migrate`` and the rare ones.

``revision NAME`` begins a version of the schema; ``new-epoch [LAST_COMMON_POSITION]`` follows when
a server was set back in a way that it cannot tell.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping

import psycopg
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from chassis import garbage, settings, signals, telemetry, tracing
from chassis.environment import BadSettings
from chassis.event_log_epochs import NotCommon, open_epoch
from chassis.server import Build, CannotListen, Process
from chassis.settings import SiloSettings

Command = Callable[[list[str]], int]

FAILED, WRONG = 1, 2


def main(build: Build, package: str, more: Mapping[str, Command] | None = None) -> int:
    """Run the command that the arguments name; return the exit status.

    ``more`` adds a silo's own commands.
    """
    commands: dict[str, Command] = {
        "serve": lambda _: serve(build, settings.or_exit(settings.silo)),
        "migrate": lambda _: migrate(build.name, package),
        "new-epoch": lambda rest: new_epoch(build.name, package, rest),
        "revision": lambda rest: revision(package, rest),
        **(more or {}),
    }
    name, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if name not in commands:
        sys.stderr.write(f"usage: python -m {package} {' | '.join(commands)}\n")
        return WRONG
    return commands[name](rest)


def serve(build: Build, given: SiloSettings) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second one ends the process at once."""
    telemetry.configure(given.log_level, build.name)
    tracing.configure(build.name, given.collector)
    telemetry.log.info("starting", **settings.redacted(given))
    try:
        telemetry.expose(given.metrics)
    except OSError:
        sys.stderr.write(f"MEDPORT_METRICS_LISTEN: cannot listen on {given.metrics}\n")
        return WRONG
    try:
        uvloop.run(_serve(build, given))
    except CannotListen as taken:
        sys.stderr.write(f"MEDPORT_LISTEN: cannot listen on {taken}\n")
        return WRONG
    except BadSettings as bad:  # what a composition root could not use
        sys.stderr.writelines(f"{mistake}\n" for mistake in bad.mistakes)
        return WRONG
    finally:
        tracing.finish()
        garbage.leave_the_rest()
    return 0


async def _serve(build: Build, given: SiloSettings) -> None:
    stopping = signals.stopping()
    # asyncio would log the texts of what nobody awaited, and texts may quote patients.
    asyncio.get_running_loop().set_exception_handler(telemetry.lost)
    process = Process(build, given)
    await process.start()
    garbage.collect_from_now_on()
    await stopping.wait()
    await process.stop()


def migrate(silo: str, package: str) -> int:
    """Bring the silo's database to the newest schema, as its owner."""
    # Here, not above: a process that serves would carry 10 MB of Alembic around.
    from alembic.util import CommandError  # noqa: PLC0415

    from chassis import migrations  # noqa: PLC0415

    given = settings.or_exit(lambda: settings.migration(silo))
    telemetry.configure("INFO", f"{silo} migrate")
    try:
        migrations.migrate(package, given.database, given.service_role)
        revision = migrations.revision_of(given.database)
    except (psycopg.Error, SQLAlchemyError, CommandError) as error:
        telemetry.fault(error)
        sys.stderr.write(f"{silo}: {type(error).__name__}: the database was not migrated\n")
        return FAILED
    telemetry.log.info("migrated", revision=revision)
    return 0


def new_epoch(silo: str, package: str, arguments: list[str]) -> int:
    """Tell the log's readers which events they hold that it lost, as the database's owner."""
    if len(arguments) > 1 or not all(each.isdecimal() for each in arguments):
        sys.stderr.write(f"usage: python -m {package} new-epoch [LAST_COMMON_POSITION]\n")
        return WRONG
    given = settings.or_exit(lambda: settings.migration(silo))
    try:
        opened = open_epoch(given.database, *map(int, arguments))
    except NotCommon as wrong:
        sys.stderr.write(f"LAST_COMMON_POSITION: {wrong}\n")
        return WRONG
    except psycopg.Error as error:
        sys.stderr.write(f"{silo}: {type(error).__name__}: no epoch was opened\n")
        return FAILED
    sys.stdout.write(f"epoch {opened.epoch} begins at position {opened.start}\n")
    return 0


def revision(package: str, arguments: list[str]) -> int:
    """Begin a new version of the silo's schema and print the file to fill in."""
    from chassis import migrations  # noqa: PLC0415 - see migrate

    try:
        (name,) = arguments
        file = migrations.add_revision(package, name)
    except ValueError:
        sys.stderr.write(f"usage: python -m {package} revision add_something\n")
        return WRONG
    sys.stdout.write(f"{file}\n")
    return 0
