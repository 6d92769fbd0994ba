"""The program ``medport``: one mesh on one machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mesh import events as tail
from mesh import holding, lifecycle, logins, next_steps
from mesh import status as board
from mesh.binaries import NoPostgres
from mesh.demo import day
from mesh.holding import UnknownProgram
from mesh.logins import LoginFailed
from mesh.ports import PortTaken
from mesh.postgres import PostgresFailed
from mesh.processes import StartFailed
from mesh.state import AlreadyRunning, DataDirectory, NotRunning

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
_EXPECTED = (
    AlreadyRunning,
    LoginFailed,
    NotRunning,
    NoPostgres,
    PortTaken,
    PostgresFailed,
    StartFailed,
    UnknownProgram,
)

Data = Annotated[Path, typer.Option("--data", help="Directory of everything this mesh keeps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per answer.")]
_HERE = Path(".medport")


def _directory(data: Path) -> DataDirectory:
    return DataDirectory(data.resolve())


@app.command()
def up(
    *,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Start, and play nothing.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running behind.")] = False,
    data: Data = _HERE,
    port_offset: Annotated[int, typer.Option(help="Added to every usual port.")] = 0,
    strict_ports: Annotated[
        bool, typer.Option("--strict-ports", help="A taken port is an error, not moved.")
    ] = False,
) -> None:
    """Start three databases, three silos and the router, and play a day of transfers."""
    wish = lifecycle.Wish(offset=port_offset, strict=strict_ports, demo=not no_demo)
    run = lifecycle.behind if detach else lifecycle.in_front
    raise typer.Exit(run(_directory(data), wish, Console()))


@app.command()
def down(*, data: Data = _HERE) -> None:
    """Stop the running mesh; its data stays."""
    lifecycle.down(_directory(data))
    Console().print("stopped")


@app.command()
def status(*, as_json: AsJson = False, data: Data = _HERE) -> None:
    """Show what runs where, how it is, and how far each silo follows the others."""
    board.show(_directory(data), as_json=as_json)


@app.command()
def demo(
    *,
    trips: Annotated[int, typer.Option(min=1, help="How many transfers of the day.")] = 300,
    as_json: AsJson = False,
    data: Data = _HERE,
) -> None:
    """Play a day of transfers through the router and check the books afterwards."""
    raise typer.Exit(day.play(_directory(data), trips=trips, as_json=as_json))


@app.command()
def events(
    *,
    silo: Annotated[str | None, typer.Option(help="One silo's log only.")] = None,
    since: Annotated[str, typer.Option("--from", help="earliest or latest.")] = "latest",
    as_json: AsJson = False,
    data: Data = _HERE,
) -> None:
    """Print what the silos announce, as it happens."""
    tail.follow(_directory(data), silo=silo, earliest=since == "earliest", as_json=as_json)


@app.command()
def login(
    *,
    silo: Annotated[str, typer.Option(help="hospital, ems or center.")],
    email: Annotated[str, typer.Option(help="A user of the demonstration.")],
    data: Data = _HERE,
) -> None:
    """Print an access token of a demonstration user, for grpcurl."""
    typer.echo(logins.token(_directory(data), silo, email))


@app.command()
def stop(name: str, *, data: Data = _HERE) -> None:
    """Stop one program of the running mesh (such as center-postgres) and keep it down."""
    holding.stop(_directory(data), name)


@app.command()
def start(name: str, *, data: Data = _HERE) -> None:
    """Let a stopped program run again."""
    holding.start(_directory(data), name)


@app.command("next")
def print_next_steps(*, data: Data = _HERE) -> None:
    """Print commands that work against the running mesh, as they stand."""
    next_steps.show(_directory(data), Console())


def main() -> None:
    """Run a command; what can go wrong on a machine is one line, not a traceback."""
    try:
        app()
    except _EXPECTED as problem:
        # No markup and no wrapping: the text quotes logs.
        print(f"medport: {problem}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
