"""A consumer of this release follows a source of a later one, and the other way round.

Proves that contracts may grow: a payload that a consumer does not know is skipped and counted, a
field that it does not know is none of its business, and one that a source does not know is absent.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
from medport.common.v1.event_log_pb2 import EventMetadata
from prometheus_client import REGISTRY

from tests.support.event_consumers import LEDGER, consuming
from tests.support.event_logs import add
from tests.support.event_streams import EARLIEST, Silo, events, until_head, until_kind
from tests.support.golden_events import recorded
from tests.support.other_contracts import NEW_TYPE, newer
from tests.support.silo_logs import Kind


def of_a_later_release(kind: Kind, **payload: Any) -> Any:
    """Make an event by the later contract."""
    metadata = EventMetadata(id=str(uuid4()), type=kind.type, subject="s", subject_version=1)
    event = newer(kind).FromString(kind.event(metadata=metadata).SerializeToString())
    for name, fields in payload.items():
        for field, value in fields.items():
            setattr(getattr(event, name), field, value)
    return event


def write(silo: Silo, event: Any, type_name: str) -> None:
    """Commit what the later release of the silo's own process would."""
    with psycopg.connect(silo.dsn) as writer:
        writer.execute(
            "INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)"
            " VALUES (gen_random_uuid(), %s, gen_random_uuid()::text, 1, %s, %s)",
            [type_name, [f"silo:{silo.kind.peer}"], event.SerializeToString()],
        )


async def test_what_a_consumer_does_not_know_yet_costs_it_nothing(
    silo: Silo, kind: Kind, peer_database: str
) -> None:
    new_type = f"{kind.file.package}.{NEW_TYPE}"
    known = next(name for name, each in _payloads(kind).items() if each == kind.type)
    await silo.announce(kind.announcement())
    await until_head(silo, 1)
    write(silo, of_a_later_release(kind, not_yet_invented={"id": "x"}), new_type)
    await until_head(silo, 2)
    write(silo, of_a_later_release(kind, **{known: {"colour": "red"}}), kind.type)
    await until_head(silo, 3)
    await silo.announce(kind.announcement())

    labels = {"consumer": kind.peer, "source": kind.silo}
    unknown = REGISTRY.get_sample_value("medport_unknown_events_total", labels) or 0
    async with consuming(add(peer_database, LEDGER)) as consumer:
        await consumer.follow(silo)
        await consumer.until_at(4)
        assert consumer.ledger() == [1, 3, 4]
        assert consumer.state() == "RUNNING"
        assert consumer.one("SELECT count(*) FROM consumer_dead_letter") == 0
    assert REGISTRY.get_sample_value("medport_unknown_events_total", labels) == unknown + 1


async def test_what_a_relay_does_not_know_passes_through_it_whole(silo: Silo, kind: Kind) -> None:
    written = of_a_later_release(kind, not_yet_invented={"id": "x"})
    write(silo, written, f"{kind.file.package}.{NEW_TYPE}")
    await until_head(silo, 1)
    [event] = events(await until_kind(silo.subscribe(EARLIEST, stop_at_head=True), "stream_end"))
    again = newer(kind).FromString(event.SerializeToString())
    assert again.not_yet_invented.id == "x"


def test_a_later_release_reads_everything_that_was_released_before(kind: Kind) -> None:
    later = newer(kind)
    for record in recorded(kind):
        event = later.FromString(bytes.fromhex(record.bytes))
        assert _payloads(kind)[event.WhichOneof("payload")] == record.type
        said = getattr(event, event.WhichOneof("payload"))
        assert record.type != kind.type or not said.colour


def _payloads(kind: Kind) -> dict[str, str]:
    fields = kind.event.DESCRIPTOR.oneofs_by_name["payload"].fields
    return {field.name: field.message_type.full_name for field in fields}
