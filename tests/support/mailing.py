"""Sends a hospital's waiting e-mail once, as a process that can be killed.

``python -m tests.support.mailing DSN PORT``
"""

from __future__ import annotations

import asyncio
import sys

from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

from chassis.clock import utc_now
from chassis.mail_settings import MailSettings
from chassis.mailing import Mailing
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.unit_of_work import Database
from hospital_svc.repositories import notifications


async def send(dsn: str, port: str) -> None:
    settings = MailSettings(
        server=f"127.0.0.1:{port}", sender="medport@mercy.example", security="off"
    )
    async with pool(dsn, size=2) as connections:
        await connections.wait()
        envelope = Envelope(HospitalEvent, "/medport/hospital")
        database = Database(connections, envelope, tenant_column="hospital_id")
        await Mailing(notifications.mail, settings).turn(database, utc_now)


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[1:]))
