"""Composition root of the center silo: the one place that knows every part."""

from __future__ import annotations

from functools import partial

from medport.center.events.v1 import event_log_pb2
from medport.center.events.v1.signing_keys_pb2 import SigningKeyPublished
from medport.center.v1 import (
    analytics_pb2_grpc,
    audit_log_pb2_grpc,
    services_pb2_grpc,
    sessions_pb2_grpc,
)
from medport.ems.events.v1 import event_log_pb2 as ems_log
from medport.hospital.events.v1 import event_log_pb2 as hospital_log

from center_svc.projectors import (
    agencies,
    assignments,
    audit_entries,
    hospitals,
    signing_keys,
    transport_bids,
    transport_requests,
    units,
)
from center_svc.repositories.sessions import rows
from center_svc.servicers.analytics import AnalyticsServicer
from center_svc.servicers.audit_log import AuditLogServicer
from center_svc.servicers.services import ServiceRegistryServicer
from center_svc.servicers.sessions import SessionServicer
from center_svc.timers.sla_timers import SlaSweep
from chassis.followers import Followers
from chassis.identity import Identity
from chassis.outbox import Envelope
from chassis.paging import Paging
from chassis.projection import Following
from chassis.publishing import Publishing
from chassis.server import Build, Kit, Silo
from chassis.timers import every
from chassis.unit_of_work import Database

SLA_SECONDS = 5.0
FOLLOWINGS = [
    Following(
        source="hospital",
        consumer="center",
        file=hospital_log.DESCRIPTOR,
        projects=[
            signing_keys.project,
            hospitals.project,
            transport_requests.project,
            audit_entries.project,
        ],
    ),
    Following(
        source="ems",
        consumer="center",
        file=ems_log.DESCRIPTOR,
        projects=[
            signing_keys.project,
            agencies.project,
            transport_bids.project,
            assignments.project,
            units.project,
            audit_entries.project,
        ],
    ),
]


def compose(kit: Kit) -> Silo:
    """Put the silo together; the process starts and stops it."""
    settings, clock = kit.settings, kit.clock
    paging = Paging(settings.key_encryption_key)
    envelope = Envelope(event_log_pb2.CenterEvent, "/medport/center")
    database = Database(kit.pool, envelope, tenant_column=None)
    publishing = Publishing(
        settings.database, event_log_pb2.DESCRIPTOR, paging, holds=("hospital", "ems")
    )
    database.after_commit = publishing.announced
    identity = Identity(
        "center",
        rows,
        database,
        secret=settings.key_encryption_key,
        identity=settings.identity_key,
        peers=settings.peer_keys,
        published=SigningKeyPublished,
        clock=clock,
    )
    sessions = SessionServicer(identity, paging)
    services = ServiceRegistryServicer(database, clock, paging)
    trail = AuditLogServicer(database, paging)
    analytics = AnalyticsServicer(database, clock)
    return Silo(
        add_to=[
            publishing.add_to,
            partial(sessions_pb2_grpc.add_SessionServiceServicer_to_server, sessions),
            partial(services_pb2_grpc.add_ServiceRegistryServiceServicer_to_server, services),
            partial(audit_log_pb2_grpc.add_AuditLogServiceServicer_to_server, trail),
            partial(analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server, analytics),
        ],
        authenticate=identity.verifier.verify,
        database=database,
        timers=[*identity.timers, every(SLA_SECONDS, SlaSweep().sweep)],
        parts=[publishing, Followers(FOLLOWINGS, database, settings.peers, identity.bearer)],
    )


BUILD = Build(name="center", revision="0001", compose=compose)
