"""Shows how the mesh is at a glance, once or for as long as somebody watches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from threading import Event
from typing import Any

from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mesh.census import Following
from mesh.looks import Look, Program, look
from mesh.state import DataDirectory, NotRunning

SECONDS = 2.0
BEHIND_SECONDS = 10.0  # as an alarm has it
_GOOD = {"SERVING", "ready", "CLOSED", "RUNNING"}
_BETWEEN = {"HALF_OPEN", "REBUILDING", "NOT_SERVING"}
_PAUSE = Event()  # never set: its wait is the pause between two looks


def show(data: DataDirectory, *, as_json: bool) -> None:
    """Print what one look brings: tables, or one JSON object with the same."""
    seen = look(data)
    if as_json:
        print(json.dumps(_plain(seen)))
    else:
        Console().print(drawn(seen))


def watch(data: DataDirectory, *, as_json: bool) -> None:
    """Look again and again until Ctrl-C, whatever dies meanwhile; as JSON, one object a line.

    Where nothing can be drawn over, in a file or at a dumb terminal, looks follow one another.
    """
    try:
        if as_json:
            while True:
                print(json.dumps(_seen(data)), flush=True)
                _PAUSE.wait(SECONDS)
        console = Console()
        while not console.is_terminal or console.is_dumb_terminal:
            console.print(_shown(data, console))
            _PAUSE.wait(SECONDS)
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_shown(data, console), refresh=True)
                _PAUSE.wait(SECONDS)
    except KeyboardInterrupt:  # how a watch ends
        return


def _seen(data: DataDirectory) -> dict[str, Any]:
    try:
        return _plain(look(data))
    except NotRunning as away:
        return {"programs": {}, "following": [], "unanswered": {}, "away": str(away)}


def _shown(data: DataDirectory, console: Console) -> RenderableType:
    try:
        return fitted(look(data), console)
    except NotRunning as away:
        return Text(str(away), style="red")


def _plain(seen: Look) -> dict[str, Any]:
    return {
        "seconds": seen.seconds,
        "programs": {name: _facts(each) for name, each in seen.programs.items()},
        "following": [
            {
                "source": each.source,
                "consumer": each.consumer,
                "position": each.position,
                "head": each.head,
                "lag": each.lag,
                "lag_seconds": seen.lag_seconds.get((each.consumer, each.source)),
                "parked": each.parked,
                "state": each.state,
            }
            for each in seen.following
        ],
        "unanswered": seen.unanswered,
    }


def _facts(program: Program) -> dict[str, Any]:
    """Leave out what a program does not have, or nobody says."""
    return {name: value for name, value in vars(program).items() if value not in {None, ""}}


def fitted(seen: Look, console: Console) -> RenderableType:
    """Draw what the terminal has lines for: everything, or of the consumers those in trouble."""
    shown = drawn(seen)
    troubled = sorted(
        (each for each in seen.following if _is_troubled(seen, each)), key=_is_unknown
    )
    for most in range(len(troubled), -1, -1):
        if len(console.render_lines(shown)) < console.height:
            break
        rest = Text(f"{len(seen.following) - len(troubled)} more follow closely", "dim")
        if most < len(troubled):
            rest = Text(
                f"{len(troubled) - most} more do not follow closely: medport consumers", "red"
            )
        shown = drawn(seen, troubled[:most], rest)
    return shown


def _is_troubled(seen: Look, each: Following) -> bool:
    seconds = seen.lag_seconds.get((each.consumer, each.source), 0.0)
    is_close = each.head is not None and seconds <= BEHIND_SECONDS
    return each.state != "RUNNING" or each.parked > 0 or not is_close


def _is_unknown(each: Following) -> bool:
    """Put these last: the line of the silo that does not answer says why."""
    return each.state == "RUNNING" and not each.parked and each.head is None


def drawn(seen: Look, following: Sequence[Following] | None = None, *more: Text) -> RenderableType:
    """Draw what a look has brought; of its consumers those alone that are given, and more words."""
    since = "each start" if seen.seconds is None else f"the look {seen.seconds:,.0f} s ago"
    note = Text(f"calls/s, and the share of them that failed: since {since}", "dim")
    rows = seen.following if following is None else following
    silent = (
        Text(f"{silo} does not answer: {why}", "red") for silo, why in seen.unanswered.items()
    )
    return Group(_programs(seen), _following(seen, rows), *silent, *more, note)


def _table(title: str, *columns: str) -> Table:
    """Draw for a terminal of eighty columns."""
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _programs(seen: Look) -> Table:
    columns = ("program", "port", "metrics", "health", "breaker", "calls/s", "failed")
    table = _table("What runs where, on 127.0.0.1", *columns)
    for name, each in seen.programs.items():
        table.add_row(
            name,
            str(each.port),
            str(each.metrics or ""),
            _colored(each.health),
            _colored(each.breaker),
            "" if each.calls_per_second is None else f"{each.calls_per_second:,.1f}",
            "" if each.error_share is None else f"{each.error_share:.1%}",
        )
    return table


def _following(seen: Look, rows: Sequence[Following]) -> Table:
    table = _table("Who follows whom", "consumer", "of", "state", "position", "lag", "parked")
    for each in rows:
        seconds = seen.lag_seconds.get((each.consumer, each.source))
        lag = "?" if each.lag is None else str(each.lag)
        behind = lag if seconds is None else f"{lag}, {seconds:.1f} s"
        parked = f"[red]{each.parked}[/red]" if each.parked else ""
        row = (each.consumer, each.source, _colored(each.state), str(each.position), behind)
        table.add_row(*row, parked)
    return table


def _colored(word: str) -> str:
    color = "green" if word in _GOOD else "yellow" if word in _BETWEEN else "red"
    return f"[{color}]{word}[/{color}]" if word else ""
