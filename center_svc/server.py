"""Composition root of the center silo: the one place that knows every part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from medport.center.events.v1 import event_log_pb2
from medport.center.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeyRevoked
from medport.center.v1 import (
    analytics_pb2_grpc,
    audit_log_pb2_grpc,
    consumers_pb2_grpc,
    feature_toggles_pb2_grpc,
    notification_templates_pb2_grpc,
    notifications_pb2_grpc,
    services_pb2_grpc,
    sessions_pb2_grpc,
    system_configurations_pb2_grpc,
    users_pb2_grpc,
)
from medport.ems.events.v1 import event_log_pb2 as ems_log
from medport.ems.events.v1 import signing_keys_pb2 as ems_keys
from medport.hospital.events.v1 import event_log_pb2 as hospital_log
from medport.hospital.events.v1 import signing_keys_pb2 as hospital_keys

from center_svc import snapshots
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
from center_svc.repositories import notifications, trip_facts
from center_svc.repositories.audit_log import keep
from center_svc.repositories.sessions import rows
from center_svc.servicers.analytics import AnalyticsServicer
from center_svc.servicers.audit_log import AuditLogServicer
from center_svc.servicers.consumers import ConsumerServicer
from center_svc.servicers.feature_toggles import FeatureToggleServicer
from center_svc.servicers.notification_templates import NotificationTemplateServicer
from center_svc.servicers.notifications import NotificationServicer
from center_svc.servicers.services import ServiceRegistryServicer
from center_svc.servicers.sessions import SessionServicer
from center_svc.servicers.system_configurations import ConfigurationServicer
from center_svc.servicers.users import UserServicer
from center_svc.timers import analytics, idempotency_keys
from center_svc.timers.sla_timers import SlaSweep
from chassis import idempotency_sweep
from chassis.event_contract import EventContract
from chassis.followers import Followers
from chassis.identity import Identity
from chassis.mailing import Mailing
from chassis.outbox import Envelope
from chassis.paging import Paging
from chassis.projection import Following, Rebuild, types_of
from chassis.publishing import Publishing
from chassis.reactions import Reaction
from chassis.server import Build, Kit, Silo
from chassis.stream_snapshots import Snapshot
from chassis.timers import every
from chassis.unit_of_work import Database
from chassis.watching import Watching

HEARTBEAT_SECONDS = 1.0  # a level was missed when both silos have been heard past its due time
COUNTED = "facts count events, of which rows show the last: recompute them from the whole log"


def compose(kit: Kit) -> Silo:
    """Put the silo together; the process starts and stops it."""
    settings = kit.settings
    paging = Paging(settings.key_encryption_key)
    envelope = Envelope(event_log_pb2.CenterEvent, "/medport/center")
    database = Database(kit.pool, envelope, tenant_column=None)
    publishing = Publishing(
        settings.database,
        event_log_pb2.DESCRIPTOR,
        paging,
        holds=[
            f"{silo}{copies}"
            for silo in ("hospital", "ems")
            for copies in ("", ".settings", ".signing_keys")
        ],
        retention=settings.retention,
        snapshot=Snapshot(envelope, snapshots.current),
    )
    database.after_commit = publishing.announced
    identity = _identity(kit, database)
    watching = Watching(publishing.source, EventContract.of(event_log_pb2.DESCRIPTOR))
    sweep = SlaSweep()
    followed = followings(sweep)
    followers = Followers(followed, database, settings.peers, identity.bearer)
    consumers = ConsumerServicer(database, kit.clock, paging, followed)
    return Silo(
        add_to=[
            publishing.add_to,
            partial(consumers_pb2_grpc.add_ConsumerServiceServicer_to_server, consumers),
            *_servicers(kit, database, identity, paging, watching),
        ],
        authenticate=identity.verifier.verify,
        guards=identity.guards,
        database=database,
        timers=[
            *identity.timers,
            Reaction(sweep, sweep.heard),
            every(idempotency_sweep.SECONDS, idempotency_keys.sweep),
            every(analytics.SECONDS, analytics.sweep),
            Mailing(notifications.mail, settings.mail),
        ],
        parts=[publishing, followers, *identity.parts],
        log_position=lambda: publishing.position,
    )


def followings(sweep: SlaSweep) -> list[Following]:
    """Say whom the center follows, and what becomes of what they announce."""
    return [
        Following(
            source="hospital",
            consumer="center",
            file=hospital_log.DESCRIPTOR,
            projects=[
                hospitals.project,
                transport_requests.project,
                transport_requests.keep_incident,
                audit_entries.project,
            ],
            turn=trip_facts.turn,
            bookmarked=sweep.bookmarked("hospital"),
            heartbeat_seconds=HEARTBEAT_SECONDS,
            without_log=COUNTED,
        ),
        Following(
            source="ems",
            consumer="center",
            file=ems_log.DESCRIPTOR,
            projects=[
                agencies.project,
                transport_bids.project,
                assignments.project,
                units.project,
                audit_entries.project,
            ],
            turn=trip_facts.turn,
            bookmarked=sweep.bookmarked("ems"),
            heartbeat_seconds=HEARTBEAT_SECONDS,
            without_log=COUNTED,
        ),
        _keys("hospital", hospital_log.DESCRIPTOR, hospital_keys.DESCRIPTOR),
        _keys("ems", ems_log.DESCRIPTOR, ems_keys.DESCRIPTOR),
    ]


def _keys(source: str, file: FileDescriptor, noun: FileDescriptor) -> Following:
    """Follow keys by themselves: logins work on while what decides is halted."""
    return Following(
        source=source,
        consumer="center.signing_keys",
        file=file,
        types=types_of(noun),
        projects=[signing_keys.project],
        rebuild=Rebuild(overwrite=[signing_keys.overwrite], sweep=[rows.keys.copies.sweep]),
    )


def _identity(kit: Kit, database: Database) -> Identity:
    return Identity(
        "center",
        rows,
        database,
        secret=kit.settings.key_encryption_key,
        identity=kit.settings.identity_key,
        peers=kit.settings.peer_keys,
        published=SigningKeyPublished,
        revoked=SigningKeyRevoked,
        keep=keep,
        notifications=notifications.rows,
        clock=kit.clock,
    )


def _servicers(
    kit: Kit, database: Database, identity: Identity, paging: Paging, watching: Watching
) -> Sequence[Callable[[Any], None]]:
    sessions, services = sessions_pb2_grpc, services_pb2_grpc
    trail, figures = audit_log_pb2_grpc, analytics_pb2_grpc
    settings = system_configurations_pb2_grpc
    registry = ServiceRegistryServicer(database, kit.clock, paging)
    configuration = ConfigurationServicer(database, kit.clock, paging)
    toggles, texts = feature_toggles_pb2_grpc, notification_templates_pb2_grpc
    switches = FeatureToggleServicer(database, kit.clock, paging, watching)
    templates = NotificationTemplateServicer(database, kit.clock, paging)
    users = UserServicer(database, kit.clock, paging, identity)
    told = AnalyticsServicer(database, kit.clock, paging)
    notices = NotificationServicer(database, kit.clock, paging, kit.draining)
    served: list[tuple[Callable[..., None], Any]] = [
        (notifications_pb2_grpc.add_NotificationServiceServicer_to_server, notices),
        (sessions.add_SessionServiceServicer_to_server, SessionServicer(identity, paging)),
        (users_pb2_grpc.add_UserServiceServicer_to_server, users),
        (services.add_ServiceRegistryServiceServicer_to_server, registry),
        (settings.add_ConfigurationServiceServicer_to_server, configuration),
        (toggles.add_FeatureToggleServiceServicer_to_server, switches),
        (texts.add_NotificationTemplateServiceServicer_to_server, templates),
        (trail.add_AuditLogServiceServicer_to_server, AuditLogServicer(database, paging)),
        (figures.add_AnalyticsServiceServicer_to_server, told),
    ]
    return [partial(add, servicer) for add, servicer in served]


BUILD = Build(name="center", revision="0010", compose=compose)
