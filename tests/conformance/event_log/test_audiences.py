"""Who is sent what: each type of event to eight principals.

Proves events.md 14.21: delivery follows the audience alone, whatever the type; a type that a caller
can never hear is refused in its filters. That no event holds a word about a patient is proven in
tests/architecture/test_contract.py and by the canaries of tests/e2e.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from medport.common.v1 import event_log_pb2 as common
from medport.common.v1.event_audience_pb2 import EventAudience

from chassis import event_contract, stream_subscriptions
from chassis.auth import Principal
from chassis.event_contract import hearers
from chassis.outbox import Announcement
from tests.support.event_streams import EARLIEST, LATEST, Silo, frames, positions, until_head
from tests.support.event_writers import Scene
from tests.support.refusals import told
from tests.support.silo_logs import Kind, signing_key

TENANT = uuid4()


def _user(silo: str, tenant: UUID | None, role: str) -> Principal:
    return Principal(user_id=uuid4(), silo=silo, tenant_id=tenant, roles=frozenset({role}))


def _process(silo: str) -> Principal:
    return Principal(user_id=uuid4(), silo=silo, roles=frozenset({"SERVICE"}))


HOSPITAL, AGENCY = f"hospital:{TENANT}", f"agency:{TENANT}"
AUDIENCES = (
    ("silo:ems", "silo:hospital", HOSPITAL),
    (HOSPITAL,),
    (AGENCY,),
    ("role:center_admin", "silo:center"),
    ("silo:ems",),
)
PRINCIPALS = {  # with the audience that each belongs to, as a key and in the contract's word
    "staff": (_user("hospital", TENANT, "HOSPITAL_STAFF"), HOSPITAL, "HOSPITAL"),
    "staff of another hospital": (_user("hospital", uuid4(), "HOSPITAL_ADMIN"), "", "HOSPITAL"),
    # of an agency that has the hospital's id
    "dispatcher": (_user("ems", TENANT, "EMS_DISPATCHER"), AGENCY, "AGENCY"),
    "crew": (_user("ems", TENANT, "EMS_CREW"), "", "UNSPECIFIED"),
    "biller": (_user("ems", TENANT, "EMS_BILLING"), "", "UNSPECIFIED"),
    "administrator": (
        _user("center", None, "CENTER_ADMIN"),
        "role:center_admin",
        "CENTER_ADMINISTRATORS",
    ),
    "coordinator": (_user("center", None, "CENTER_COORDINATOR"), "", "UNSPECIFIED"),
    "process": (_process("ems"), "silo:ems", "EMS_SILO"),
}


def _every_type(kind: Kind, audience: tuple[str, ...]) -> list[Announcement]:
    """Make one event of each type that the silo announces to any of ``audience``.

    Snapshots are no events of the log.
    """
    payloads = kind.event.DESCRIPTOR.oneofs_by_name["payload"].fields
    heard_by = hearers(kind.event.DESCRIPTOR)
    announced = []
    for each in payloads:
        hearing: Any = heard_by[each.message_type.full_name]
        meant = [key for key in audience if event_contract.kind(key) in hearing]
        if meant and each.number < 100:
            event = GetMessageClass(each.message_type)()
            subject = f"subjects/{uuid4()}"
            told = Announcement(event=event, subject=subject, subject_version=1, audience=meant)
            announced.append(told)
    return announced


async def test_the_audience_decides_whatever_the_type(scene: Scene, served: Silo) -> None:
    expected: dict[str, list[int]] = {name: [] for name in PRINCIPALS}
    written = 0
    for audience in AUDIENCES:
        announced = _every_type(scene.kind, audience)
        if announced:
            await served.announce(*announced)
        for event in announced:
            written += 1
            for name, (_, key, _) in PRINCIPALS.items():
                expected[name] += [written] if key in event.audience else []
    await until_head(served, written)
    for name, (principal, _, _) in PRINCIPALS.items():
        served.principal = principal
        stream = served.subscribe(EARLIEST, stop_at_head=True)
        seen = positions([frame async for frame in stream])
        assert seen == expected[name], name
        listed = await served.stub.ListEvents(scene.kind.pb.ListEventsRequest(page_size=500))
        assert [event.placement.position for event in listed.events] == seen, name


async def test_a_type_that_a_caller_can_never_hear_is_refused(served: Silo) -> None:
    """Each type to each principal, alone and behind one that it may hear; and in every RPC."""
    token = (await until_head(served, 0)).head_token
    for name, (principal, _, audience) in PRINCIPALS.items():
        served.principal = principal
        number = EventAudience.Value(f"EVENT_AUDIENCE_{audience}")
        heard_by = hearers(served.kind.event.DESCRIPTOR)
        allowed = [each for each, hearing in heard_by.items() if number in hearing]
        for type_name in heard_by:
            for call in _asking(served, token, [*allowed[:1], type_name]):
                outcome = await _outcome(call)
                assert outcome == ("OK" if type_name in allowed else FORBIDDEN), (name, type_name)


FORBIDDEN = "PERMISSION_DENIED EVENT_TYPE_FORBIDDEN"


def _asking(served: Silo, token: bytes, types: list[str]) -> Iterator[Any]:
    pb, filter = served.kind.pb, common.EventFilter(types=types)
    yield served.subscribe(LATEST, filter=filter, stop_at_head=True)
    yield served.stub.ListEvents(pb.ListEventsRequest(filter=filter))
    yield served.stub.GetEventLog(pb.GetEventLogRequest(filter=filter, resume_token=token))


async def _outcome(call: Any) -> str:
    try:
        if isinstance(call, grpc.aio.UnaryStreamCall):
            assert [frame async for frame in call]
        else:
            await call
    except grpc.aio.AioRpcError as refused:
        return f"{refused.code().name} {told(refused)[0]}"
    return "OK"


async def test_who_changes_sides_hears_the_other_side_from_then_on(
    served: Silo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream asks again who its caller is; what it may no longer see, it no longer gets."""
    monkeypatch.setattr(stream_subscriptions, "RECHECK_SECONDS", 0.05)
    caller = {"now": _process("ems")}
    monkeypatch.setattr("chassis.auth.caller", lambda: caller["now"])
    stream = served.subscribe(LATEST)
    await frames(stream, 2)
    await served.announce(_key_for("silo:ems", served.kind))
    assert positions(await frames(stream, 1)) == [1]
    caller["now"] = _process("hospital")
    await asyncio.sleep(0.2)  # the interval is time itself
    await served.announce(_key_for("silo:ems", served.kind))
    await served.announce(_key_for("silo:hospital", served.kind))
    assert positions(await frames(stream, 1)) == [3]
    stream.cancel()


def _key_for(audience: str, kind: Kind) -> Announcement:
    """Make an event of a type that every silo may hear, for one of them."""
    return replace(signing_key(kind), audience=(audience,))
