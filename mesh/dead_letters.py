"""Shows events that a consumer could not apply, and has them tried again or given up."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import uuid4

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from medport.common.v1 import consumers_pb2 as common
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from chassis.event_contract import EventContract
from mesh.operators import LOGS, Operator, Refused, operating
from mesh.options import HERE, AsJson, Consumer, Data, Reason, Silo, SiloName, Source, directory
from mesh.ports import SILOS
from mesh.problems import Problem

app = typer.Typer(
    help="List, show, requeue or discard events that could not be applied.", no_args_is_help=True
)
Position = Annotated[int, typer.Option(min=1, help="The event's position in the source's log.")]
Epoch = Annotated[
    int | None, typer.Option(help="Its epoch, where two lives of the log had the position.")
]
_PAGE = 1000


class NoSuchLetter(Problem):
    """No dead letter is at this position, or more than one."""


@app.command("list")
def list_all(
    *,
    silo: Annotated[SiloName | None, typer.Option(help="One silo's only.")] = None,
    consumer: Annotated[str, typer.Option(help="One consumer's only.")] = "",
    source: Annotated[str, typer.Option(help="One source's only.")] = "",
    subject: Annotated[str, typer.Option(help="One subject's only.")] = "",
    state: Annotated[
        list[str] | None, typer.Option(help="PARKED, RETRY or DISCARDED; several add up.")
    ] = None,
    as_json: AsJson = False,
    data: Data = HERE,
) -> None:
    """List events that could not be applied, of every silo that answers."""
    filter = common.DeadLetterFilter(
        consumer=consumer, source=source, subject=subject, states=_states(state or [])
    )
    silos = [str(silo)] if silo else list(SILOS)
    found, silent = list[tuple[str, common.DeadLetter]](), dict[str, str]()
    with operating(directory(data), silos) as operator:
        for name in silos:
            try:
                found += [(name, letter) for letter in _letters(operator, name, filter)]
            except Refused as refused:
                silent[name] = str(refused)
    if as_json:
        letters = [{"silo": name, **_plain(letter)} for name, letter in found]
        print(json.dumps({"dead_letters": letters, "unanswered": silent}))
        return
    console = Console()
    console.print(_table(found))
    for name, why in silent.items():
        console.print(f"{name} does not answer: {why}", style="red", soft_wrap=True)


@app.command()
def show(
    *,
    silo: Silo,
    consumer: Consumer,
    source: Source,
    position: Position,
    epoch: Epoch = None,
    data: Data = HERE,
) -> None:
    """Print one of them as JSON, with the event as its source announced it."""
    with operating(directory(data), [silo]) as operator:
        place = _place(operator, silo, consumer, source, position, epoch)
        letter = operator.consumers(silo, "GetDeadLetter", **place).dead_letter
    print(json.dumps({"silo": silo, **_plain(letter), "event": _event(letter)}, indent=2))


@app.command()
def requeue(
    *,
    silo: Silo,
    consumer: Consumer,
    source: Source,
    subject: Annotated[str, typer.Option(help="What the events are about.")],
    reason: Reason,
    data: Data = HERE,
) -> None:
    """Have everything parked of a subject tried again, in order, within seconds."""
    who = {"consumer": consumer, "source": source, "subject": subject}
    with operating(directory(data), [silo]) as operator:
        answer = operator.consumers(
            silo, "RetryDeadLetters", **who, reason=reason, request_id=str(uuid4())
        )
    print(f"{silo}: {answer.retried_count} events of {subject} will be tried again")


@app.command()
def discard(
    *,
    silo: Silo,
    consumer: Consumer,
    source: Source,
    position: Position,
    reason: Reason,
    epoch: Epoch = None,
    data: Data = HERE,
) -> None:
    """Give one event up for good; what is parked behind it can be requeued then."""
    with operating(directory(data), [silo]) as operator:
        place = _place(operator, silo, consumer, source, position, epoch)
        decision = {"reason": reason, "request_id": str(uuid4())}
        operator.consumers(silo, "DiscardDeadLetter", **place, **decision)
    print(f"{silo}: the event at {source} {position} is given up")


def _letters(
    operator: Operator, silo: str, filter: common.DeadLetterFilter
) -> Iterator[common.DeadLetter]:
    token = ""
    while True:
        asked = {"filter": filter, "page_size": _PAGE, "page_token": token}
        page = operator.consumers(silo, "ListDeadLetters", **asked)
        yield from page.dead_letters
        token = page.next_page_token
        if not token:
            return


def _place(  # noqa: PLR0917 - what names one event
    operator: Operator, silo: str, consumer: str, source: str, position: int, epoch: int | None
) -> dict[str, Any]:
    """Name one dead letter, as requests do; the epoch is looked up where none is given."""
    who = {"consumer": consumer, "source": source}
    if epoch is None:
        filter = common.DeadLetterFilter(consumer=consumer, source=source)
        letters = _letters(operator, silo, filter)
        epochs = [each.epoch for each in letters if each.position == position]
        if len(epochs) != 1:
            several = f"several have the position: --epoch is one of {epochs}"
            told = several if epochs else "there is none"
            raise NoSuchLetter(f"{silo}: dead letter at {source} {position}: {told}")
        epoch = epochs[0]
    return {**who, "epoch": epoch, "position": position}


def _event(letter: common.DeadLetter) -> Any:
    """Decode the event by its source's contract; what no contract explains is given as it is."""
    messages, _ = LOGS[letter.source]
    try:
        event = EventContract.of(messages.DESCRIPTOR).event.FromString(letter.event)
        return MessageToDict(event, preserving_proto_field_name=True)
    except (DecodeError, KeyError):
        return {"base64": base64.b64encode(letter.event).decode()}


def _plain(letter: common.DeadLetter) -> dict[str, Any]:
    known = MessageToDict(letter, preserving_proto_field_name=True)
    known.pop("event", None)
    return {**known, "position": letter.position, "state": _state(letter)}


def _states(names: list[str]) -> list[common.DeadLetterState.ValueType]:
    try:
        return [common.DeadLetterState.Value(f"DEAD_LETTER_STATE_{each}") for each in names]
    except ValueError:
        raise typer.BadParameter("a state is PARKED, RETRY or DISCARDED") from None


def _state(letter: common.DeadLetter) -> str:
    return common.DeadLetterState.Name(letter.state).removeprefix("DEAD_LETTER_STATE_")


def _table(found: list[tuple[str, common.DeadLetter]]) -> Table:
    """Draw all of a subject and of a reason, however narrow: a requeue needs the one whole."""
    table = Table(title="Events that could not be applied", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("consumer", "position"):
        table.add_column(name, no_wrap=True)
    for name in ("event", "state"):
        table.add_column(name, overflow="fold")
    for silo, letter in found:
        table.add_row(
            f"{letter.consumer}\nof {letter.source}, in {silo}",
            str(letter.position),
            f"{letter.type.rpartition('.')[2]}\n{letter.subject}",
            f"{_state(letter)}, tried {letter.attempts}\n{letter.reason}",
        )
    return table
