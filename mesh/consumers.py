"""Shows how far every silo follows the others, and lets one that stands go on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from medport.common.v1 import consumers_pb2 as common
from medport.common.v1 import event_log_pb2 as events
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from mesh.operators import Operator, Refused, operating
from mesh.options import HERE, AsJson, Consumer, Data, Reason, Silo, SiloName, Source, directory
from mesh.ports import SILOS

app = typer.Typer(
    help="Show every silo's consumers with their lag; resume or rebuild one.",
    invoke_without_command=True,
)
_ORIGINS = {
    "earliest": events.START_ORIGIN_EARLIEST,
    "snapshot": events.START_ORIGIN_SNAPSHOT,
}
_COLORS = {"RUNNING": "green", "REBUILDING": "yellow", "HALTED": "red"}
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Row:
    """One consumer; a lag that its source does not tell is None, and ``lag_refusal`` says why."""

    silo: str
    consumer: str
    source: str
    state: str
    state_reason: str
    epoch: int
    position: int
    lag_positions: int | None
    lag_seconds: float | None
    lag_refusal: str
    lease_holder: str
    parked: int


@app.callback()
def show(context: typer.Context, *, as_json: AsJson = False, data: Data = HERE) -> None:
    """Show every silo's consumers with their lag; resume or rebuild one."""
    if context.invoked_subcommand:
        return
    with operating(directory(data), SILOS) as operator:
        found, silent = everywhere(operator)
    if as_json:
        print(json.dumps({"consumers": [asdict(row) for row in found], "unanswered": silent}))
        return
    console = Console()
    console.print(drawn(found))
    for silo, why in silent.items():
        console.print(f"{silo} does not answer: {why}", style="red", soft_wrap=True)


@app.command()
def resume(
    *, silo: Silo, consumer: Consumer, source: Source, reason: Reason, data: Data = HERE
) -> None:
    """Let a halted consumer try again, at the event that halted it."""
    _decide(data, silo, "ResumeConsumer", consumer=consumer, source=source, reason=reason)


@app.command()
def rebuild(
    *,
    silo: Silo,
    consumer: Consumer,
    source: Source,
    reason: Reason,
    origin: Annotated[
        str, typer.Option("--from", help="snapshot: the source's rows; earliest: its whole log.")
    ] = "snapshot",
    data: Data = HERE,
) -> None:
    """Let a consumer begin again: from the source's current rows, or its oldest event."""
    if origin not in _ORIGINS:
        raise typer.BadParameter(f"{origin} is none of {', '.join(_ORIGINS)}")
    named = {"consumer": consumer, "source": source, "reason": reason}
    _decide(data, silo, "RebuildConsumer", **named, origin=_ORIGINS[origin])


def everywhere(operator: Operator) -> tuple[list[Row], dict[str, str]]:
    """Return every consumer of the silos that answer, and why each of the others does not."""
    found, silent = list[Row](), dict[str, str]()
    for silo in SILOS:
        try:
            found += [_row(operator, silo, each) for each in _consumers(operator, silo)]
        except Refused as refused:
            silent[silo] = str(refused)
    return found, silent


def _consumers(operator: Operator, silo: str) -> Iterator[common.Consumer]:
    token = ""
    while True:
        page = operator.consumers(silo, "ListConsumers", page_size=_PAGE, page_token=token)
        yield from page.consumers
        token = page.next_page_token
        if not token:
            return


def _row(operator: Operator, silo: str, known: common.Consumer) -> Row:
    positions, seconds, refusal = _lag(operator, known)
    return Row(
        silo=silo,
        consumer=known.consumer,
        source=known.source,
        state=state_of(known),
        state_reason=known.state_reason,
        epoch=known.epoch,
        position=known.position,
        lag_positions=positions,
        lag_seconds=seconds,
        lag_refusal=refusal,
        lease_holder=known.lease_holder,
        parked=known.parked_count,
    )


def _lag(operator: Operator, known: common.Consumer) -> tuple[int | None, float | None, str]:
    """Ask the source: only its log knows its head, and when what is outstanding was recorded."""
    try:
        token = known.resume_token or _earliest(operator, known.source)
        answer = operator.log(known.source, "GetEventLog", resume_token=token)
    except Refused as refused:
        return None, None, refused.reason
    positions = max(0, answer.event_log.head_position - known.position)
    oldest = answer.backlog
    if not positions or not oldest.HasField("oldest_recorded_time"):
        return positions, 0.0, ""
    since = oldest.oldest_recorded_time.ToDatetime(tzinfo=UTC)
    return positions, round(max(0.0, (datetime.now(UTC) - since).total_seconds()), 3), ""


def _earliest(operator: Operator, source: str) -> bytes:
    token: bytes = operator.log(source, "GetEventLog").event_log.earliest_token
    return token


def _decide(data: Any, silo: SiloName, method: str, **fields: Any) -> None:
    with operating(directory(data), [silo]) as operator:
        answer = operator.consumers(silo, method, **fields, request_id=str(uuid4()))
    known = answer.consumer
    print(f"{silo}: {known.consumer} of {known.source} is {state_of(known)}")


def state_of(known: common.Consumer) -> str:
    return common.ConsumerState.Name(known.state).removeprefix("CONSUMER_STATE_")


def drawn(rows: Sequence[Row]) -> Group:
    """Draw them for a terminal of eighty columns; a consumer's name begins with its silo's."""
    return Group(_table(rows), *(_note(row) for row in rows if _remarks(row)))


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Who follows whom", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("consumer", "of", "state", "position", "lag", "lease of"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        color = _COLORS.get(row.state, "")
        table.add_row(
            row.consumer,
            row.source,
            f"[{color}]{row.state}[/{color}]",
            str(row.position),
            _lag_text(row),
            row.lease_holder[:8],
        )
    return table


def _note(row: Row) -> Text:
    """Say below the table, in whole words, what no column of it has room for."""
    name = (f"{row.consumer} of {row.source}: ", _COLORS.get(row.state, ""))
    return Text.assemble(name, "; ".join(_remarks(row)))


def _remarks(row: Row) -> list[str]:
    remarks = [row.state_reason] if row.state_reason else []
    if row.parked:
        remarks.append(f"{row.parked} parked")
    if row.lag_refusal:
        remarks.append(f"lag not known: {row.lag_refusal}")
    return remarks


def _lag_text(row: Row) -> str:
    return "?" if row.lag_positions is None else f"{row.lag_positions}, {row.lag_seconds:.1f} s"
