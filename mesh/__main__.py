"""The program ``medport``: one mesh on one machine."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from chassis import garbage
from mesh.options import HERE, AsJson, Data, SiloName, directory
from mesh.problems import Problem

_GROUPS = {"consumers": "mesh.consumers", "dead-letters": "mesh.dead_letters"}


class Commands(TyperGroup):
    """The commands below and the groups of commands, which load when somebody asks for them.

    As each command's own imports do: all of them are 0.5 s of CPU, which who only stops a program
    would take from the mesh that runs beside it.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in _GROUPS:
            group = typer.main.get_command(import_module(_GROUPS[cmd_name]).app)
            group.name = cmd_name
            return group
        return super().get_command(ctx, cmd_name)


app = typer.Typer(cls=Commands, help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def up(
    *,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Start, and play nothing.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running behind.")] = False,
    data: Data = HERE,
    port_offset: Annotated[int, typer.Option(help="Added to every usual port.")] = 0,
    strict_ports: Annotated[
        bool, typer.Option("--strict-ports", help="A taken port is an error, not moved.")
    ] = False,
) -> None:
    """Start three databases, three silos and the router, and play a day of transfers."""
    from mesh import lifecycle

    wish = lifecycle.Wish(offset=port_offset, strict=strict_ports, demo=not no_demo)
    run = lifecycle.behind if detach else lifecycle.in_front
    raise typer.Exit(run(directory(data), wish, Console()))


@app.command()
def down(*, data: Data = HERE) -> None:
    """Stop the running mesh; its data stays."""
    from mesh import lifecycle

    lifecycle.down(directory(data))
    Console().print("stopped")


@app.command()
def status(
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look every two seconds, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
    data: Data = HERE,
) -> None:
    """Show what runs where, how it is, how much it is asked, and who follows whom how closely."""
    from mesh import status as board

    (board.watch if watch else board.show)(directory(data), as_json=as_json)


@app.command()
def demo(
    *,
    trips: Annotated[int, typer.Option(min=1, help="How many transfers of the day.")] = 300,
    as_json: AsJson = False,
    data: Data = HERE,
) -> None:
    """Play a day of transfers through the router and check the books afterwards."""
    from mesh.demo import day

    raise typer.Exit(day.play(directory(data), trips=trips, as_json=as_json))


@app.command()
def events(
    *,
    silo: Annotated[SiloName | None, typer.Option(help="One silo's log only.")] = None,
    type: Annotated[
        list[str] | None,
        typer.Option(help="Of this type only, such as TransportRequestAwarded; several add up."),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="About this only, such as transport_requests/ID; several add up."),
    ] = None,
    since: Annotated[str, typer.Option("--from", help="earliest or latest.")] = "latest",
    follow: Annotated[
        bool | None,
        typer.Option(
            help="Go on at the end of the log, or stop there. Default: from the latest, go on;"
            " from the earliest, stop."
        ),
    ] = None,
    as_json: AsJson = False,
    data: Data = HERE,
) -> None:
    """Print what the silos announce; a stream that breaks off goes on where it was."""
    from mesh import events as tail

    if since not in {"earliest", "latest"}:
        raise typer.BadParameter("--from is earliest or latest")
    asked = tail.wishes(
        silo=silo,
        types=type or [],
        subjects=subject or [],
        earliest=since == "earliest",
        follow=follow,
    )
    raise typer.Exit(tail.show(directory(data), asked, as_json=as_json))


@app.command()
def login(
    *,
    silo: Annotated[str, typer.Option(help="hospital, ems or center.")],
    email: Annotated[str, typer.Option(help="A user of the demonstration.")],
    audience: Annotated[
        str, typer.Option("--for", help="The silo to show it to; by default the user's own.")
    ] = "",
    data: Data = HERE,
) -> None:
    """Print an access token of a demonstration user, for grpcurl."""
    from mesh import logins

    typer.echo(logins.token(directory(data), silo, email, audience))


@app.command()
def psql(
    silo: SiloName,
    statements: Annotated[str, typer.Argument(help="As psql takes them, on one line or several.")],
    *,
    write: Annotated[
        bool, typer.Option("--write", help="As the superuser, who may do anything.")
    ] = False,
    data: Data = HERE,
) -> None:
    """Print what statements answer, as a role that may read every table and change none."""
    from mesh import psql as terminal

    typer.echo(terminal.run(directory(data), silo, statements, write=write))


@app.command()
def stop(name: str, *, data: Data = HERE) -> None:
    """Stop one program of the running mesh (such as center-postgres) and keep it down."""
    from mesh import holding

    holding.stop(directory(data), name)


@app.command()
def start(name: str, *, data: Data = HERE) -> None:
    """Let a stopped program run again."""
    from mesh import holding

    holding.start(directory(data), name)


@app.command("new-epoch")
def new_epoch(
    silo: SiloName,
    position: Annotated[int, typer.Argument(min=0, help="The last one that was not lost.")],
    *,
    data: Data = HERE,
) -> None:
    """Tell a silo's readers that its server was set back behind a position; stop the silo first."""
    from mesh import silo_commands

    raise typer.Exit(silo_commands.new_epoch(directory(data), silo, position))


@app.command("rebuild-analytics")
def rebuild_analytics(*, data: Data = HERE) -> None:
    """Count Center's facts and figures again, from both logs; Center may serve meanwhile."""
    from mesh import silo_commands

    raise typer.Exit(silo_commands.rebuild_analytics(directory(data)))


@app.command("next")
def print_next_steps(*, data: Data = HERE) -> None:
    """Print commands that work against the running mesh, as they stand."""
    from mesh import next_steps

    next_steps.show(directory(data), Console())


def main() -> None:
    """Run a command; what can go wrong on a machine is one line, not a traceback."""
    try:
        app()
    except Problem as problem:
        # No markup and no wrapping: the text quotes logs.
        print(f"medport: {problem}", file=sys.stderr)
        sys.exit(1)
    finally:
        garbage.leave_the_rest()


if __name__ == "__main__":
    main()
