"""Events that no consumer can apply, and projectors that fail in every way."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from chassis.projection import Received
from chassis.sql import written
from chassis.unit_of_work import UnitOfWork
from tests.support.event_consumers import note
from tests.support.event_streams import Silo

PICKY = "subjects/picky"
GARBLED = "subjects/garbled"

REFUSED = written("INSERT INTO picky VALUES (%(subject)s, false)")
SMUGGLE = written(
    """
    INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)
    VALUES (%(event_id)s, %(type)s, %(subject)s, %(version)s, %(audience)s, %(data)s)
    """
)


@dataclass
class Clumsy:
    """Has an effect, but fails at PICKY and at each third call, until it is ``healed``."""

    healed: bool = False
    calls: int = field(default=0)

    async def project(self, uow: UnitOfWork, event: Received) -> None:
        await note(uow, event)
        if event.metadata.subject == PICKY and not self.healed:
            await uow.execute(REFUSED, subject=PICKY)
        self.calls += 1
        if self.calls % 3 == 0 and not self.healed:
            raise ValueError("a fault of the projector")


async def smuggle(silo: Silo, version: int, *, is_nameless: bool = False) -> None:
    """Announce what is no event of the silo, as a writer with a fault might.

    Its payload is cut short; with ``is_nameless`` nothing of it can be read at all.
    """
    row = silo.kind.row(GARBLED, version)
    payload = silo.kind.event.DESCRIPTOR.oneofs_by_name["payload"].fields[0].number
    tag = bytes([(payload << 3 | 2) & 0x7F | 0x80, payload >> 4])
    data = b"\xff\xff" if is_nameless else row["data"] + tag + b"\x02\xff\xff"
    async with silo.database.begin(None) as uow:
        await uow.execute(
            SMUGGLE,
            event_id=uuid4(),
            type=row["type"],
            subject=GARBLED,
            version=version,
            audience=row["audience"],
            data=data,
        )
    silo.publishing.announced()
