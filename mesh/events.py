"""Prints what the silos announce, as it happens: the event logs through the router."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from medport.common.v1 import event_log_pb2 as common

from chassis.backoff import Backoff
from chassis.event_contract import EventContract
from mesh.logins import LoginFailed
from mesh.operators import LOGS, Refused, operating, reason_of
from mesh.problems import Problem
from mesh.state import DataDirectory, NotRunning

_PAUSE = Event()  # never set: its wait is the pause before the next try
_MOST_WAIT = 5.0
# No repetition changes these answers: the position is gone, or the question is wrong.
_FINAL = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.DATA_LOSS,
}


class UnknownType(Problem):
    """No silo that was asked announces events of this type."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which events of one silo, from where, and whether to go on at the head."""

    silo: str
    types: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    start: common.StartPosition
    follow: bool

    def request(self) -> Any:
        messages, _ = LOGS[self.silo]
        return messages.SubscribeRequest(
            subscriber="medport.events",
            start=self.start,
            filter=common.EventFilter(types=self.types, subjects=self.subjects),
            stop_at_head=not self.follow,
        )


def wishes(
    *,
    silo: str | None,
    types: list[str],
    subjects: list[str],
    earliest: bool,
    follow: bool | None,
) -> list[Wish]:
    """Ask each silo for what it announces of ``types``; raises UnknownType for what none does.

    From the latest on there is only what comes: it is followed. From the earliest there is an end.
    """
    origin = common.START_ORIGIN_EARLIEST if earliest else common.START_ORIGIN_LATEST
    asked = [silo] if silo else [*LOGS]
    named = {name: _named(name, types) for name in asked}
    unknown = [each for each in types if not any(_is(full, each) for full in _all(asked))]
    if unknown:
        known = {full.rpartition(".")[2] for full in _all(asked)}
        near = get_close_matches(unknown[0], known, n=3, cutoff=0.4)
        raise UnknownType(f"{unknown[0]} is no type of event; is it {' or '.join(near) or 'new'}?")
    return [
        Wish(
            silo=name,
            types=named[name],
            subjects=tuple(subjects),
            start=common.StartPosition(origin=origin),
            follow=not earliest if follow is None else follow,
        )
        for name in asked
        if named[name] or not types
    ]


def show(data: DataDirectory, asked: list[Wish], *, as_json: bool) -> int:
    """Print events, one line each, those of several silos as they come; until their end or Ctrl-C.

    Returns the exit code. A stream that breaks off goes on behind what was printed.
    """
    for end in (signal.SIGINT, signal.SIGPIPE):  # Ctrl-C, and `| head`
        signal.signal(end, signal.SIG_DFL)
    with operating(data, [wish.silo for wish in asked]) as operator:
        tokens = operator.tokens  # who cannot log in at all is told at once
    lines: SimpleQueue[str | int] = SimpleQueue()
    line_of = _json if as_json else _line
    for wish in asked:
        Thread(target=_read, args=(Tail(data, wish, tokens), line_of, lines), daemon=True).start()
    codes = list[int]()
    while len(codes) < len(asked):
        match lines.get():
            case int() as code:
                codes.append(code)
            case line:
                print(line, flush=True)
    return max(codes)


class Tail:
    """One silo's events, each once, across every end of a stream that a return can mend."""

    def __init__(self, data: DataDirectory, wish: Wish, tokens: dict[str, str]) -> None:
        self._data = data
        self._wish = wish
        self._tokens = tokens
        self._backoff = Backoff(0.1, _MOST_WAIT)
        self._is_at_head = False

    def events(self) -> Iterator[Any]:
        """Yield until the head, where it is to stop there; raises Refused for what is final."""
        while True:
            try:
                yield from self._stream()
            except grpc.RpcError as error:
                refused: Any = error  # grpc declares no code for what it raises
                if refused.code() in _FINAL:
                    raise Refused(self._wish.silo, error) from error
                if refused.code() is grpc.StatusCode.UNAUTHENTICATED:
                    self._tokens = {}  # they live for minutes
                self._wait(reason_of(refused))
            except (LoginFailed, NotRunning) as away:
                self._wait(str(away))
            else:
                if self._is_at_head:
                    return
                self._wait("")

    def _stream(self) -> Iterator[Any]:
        for frame in self._frames():
            yield from frame.batch.events
            # Only now: what was not handed on comes again.
            self._wish = replace(
                self._wish, start=common.StartPosition(resume_token=frame.resume_token)
            )
            if frame.batch.events or frame.HasField("caught_up"):
                self._backoff.reset()
            self._is_at_head = frame.stream_end.reason == common.STREAM_END_REASON_HEAD_REACHED

    def _frames(self) -> Iterator[Any]:
        """Subscribe where the router listens now, with a new token when the old one ran out."""
        with operating(self._data, [self._wish.silo], self._tokens) as operator:
            self._tokens = operator.tokens
            yield from operator.subscribe(self._wish.silo, self._wish.request())

    def _wait(self, why: str) -> None:
        seconds = self._backoff.next()
        if why:
            print(f"{self._wish.silo}: {why}: again in {seconds:.1f} s", file=sys.stderr)
        _PAUSE.wait(seconds)


def _read(tail: Tail, line_of: Callable[[str, Any], str], lines: SimpleQueue[str | int]) -> None:
    code = 0
    try:
        for event in tail.events():
            lines.put(line_of(event.metadata.source.rpartition("/")[2], event))
    except Refused as refused:
        print(f"medport: {refused}", file=sys.stderr)
        code = 1
    lines.put(code)


def _all(silos: list[str]) -> set[str]:
    return {full for silo in silos for full in EventContract.of(LOGS[silo][0].DESCRIPTOR).heard_by}


def _named(silo: str, types: list[str]) -> tuple[str, ...]:
    """Return the full names of those of ``types`` that the silo announces."""
    return tuple(sorted(full for full in _all([silo]) if any(_is(full, each) for each in types)))


def _is(full: str, named: str) -> bool:
    return named in {full, full.rpartition(".")[2]}


def _line(silo: str, event: Any) -> str:
    metadata, at = event.metadata, event.metadata.time.ToDatetime()
    name = metadata.type.rpartition(".")[2]
    position = event.placement.position
    return f"{at:%H:%M:%S.%f} {silo:8} {position:>7} {name} {metadata.subject}"


def _json(silo: str, event: Any) -> str:
    return json.dumps({"silo": silo, **MessageToDict(event, preserving_proto_field_name=True)})
