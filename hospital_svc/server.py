"""Composition root of the hospital silo: the one place that knows every part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from medport.center.events.v1 import event_log_pb2 as center_log
from medport.center.events.v1 import (
    feature_toggles_pb2,
    notification_templates_pb2,
    system_configurations_pb2,
)
from medport.center.events.v1 import signing_keys_pb2 as center_keys
from medport.ems.events.v1 import event_log_pb2 as ems_log
from medport.ems.events.v1 import signing_keys_pb2 as ems_keys
from medport.hospital.events.v1 import event_log_pb2
from medport.hospital.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeyRevoked
from medport.hospital.v1 import (
    agency_preferences_pb2_grpc,
    break_glass_grants_pb2_grpc,
    consumers_pb2_grpc,
    facilities_pb2_grpc,
    hospitals_pb2_grpc,
    notifications_pb2_grpc,
    received_bids_pb2_grpc,
    sessions_pb2_grpc,
    transport_requests_pb2_grpc,
    users_pb2_grpc,
)

from chassis import idempotency_sweep
from chassis.event_contract import EventContract
from chassis.followers import Followers
from chassis.identity import Identity
from chassis.mailing import Mailing
from chassis.outbox import Envelope
from chassis.paging import Paging
from chassis.projection import Following, Policy, Rebuild, types_of
from chassis.publishing import Publishing
from chassis.reactions import Reaction
from chassis.server import Build, Kit, Silo
from chassis.stream_snapshots import Snapshot
from chassis.timers import every
from chassis.unit_of_work import Database
from chassis.watching import Watching
from hospital_svc import snapshots
from hospital_svc.projectors import (
    agencies,
    assignments,
    feature_toggles,
    notification_templates,
    services,
    signing_keys,
    sla_timers,
    system_configurations,
    transport_bids,
    units,
)
from hospital_svc.repositories import center_copies, notifications
from hospital_svc.repositories.audit_entries import keep
from hospital_svc.repositories.sessions import rows
from hospital_svc.servicers.agency_preferences import AgencyPreferenceServicer
from hospital_svc.servicers.break_glass_grants import BreakGlassServicer
from hospital_svc.servicers.consumers import ConsumerServicer
from hospital_svc.servicers.facilities import FacilityServicer
from hospital_svc.servicers.hospitals import HospitalServicer
from hospital_svc.servicers.notifications import NotificationServicer
from hospital_svc.servicers.received_bids import ReceivedBidServicer
from hospital_svc.servicers.sessions import SessionServicer
from hospital_svc.servicers.transport_requests import TransportRequestServicer
from hospital_svc.servicers.users import UserServicer
from hospital_svc.timers import idempotency_keys, patients
from hospital_svc.timers.awards import AwardTimeouts
from hospital_svc.timers.transport_requests import OfferExpiries

HEARTBEAT_SECONDS = 1.0  # an award is taken back when EMS has been heard past its grace


def compose(kit: Kit) -> Silo:
    """Put the silo together; the process starts and stops it."""
    settings = kit.settings
    paging = Paging(settings.key_encryption_key)
    envelope = Envelope(event_log_pb2.HospitalEvent, "/medport/hospital")
    database = Database(kit.pool, envelope, tenant_column="hospital_id")
    publishing = Publishing(
        settings.database,
        event_log_pb2.DESCRIPTOR,
        paging,
        holds=("ems", "ems.signing_keys", "center", "center.signing_keys"),
        retention=settings.retention,
        snapshot=Snapshot(envelope, snapshots.current),
    )
    database.after_commit = publishing.announced
    identity = _identity(kit, database)
    watching = Watching(publishing.source, EventContract.of(event_log_pb2.DESCRIPTOR))
    timeouts = AwardTimeouts()
    followed = followings(timeouts)
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
            Reaction(OfferExpiries()),
            Reaction(timeouts),
            every(idempotency_sweep.SECONDS, idempotency_keys.sweep),
            every(patients.SECONDS, patients.sweep),
            Mailing(notifications.mail, settings.mail),
        ],
        parts=[publishing, followers, *identity.parts],
        log_position=lambda: publishing.position,
    )


def _identity(kit: Kit, database: Database) -> Identity:
    return Identity(
        "hospital",
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


def followings(timeouts: AwardTimeouts) -> list[Following]:
    """Name what is followed: what decides, then copies alone, each with a place of its own."""
    return [
        Following(
            source="ems",
            consumer="hospital",
            file=ems_log.DESCRIPTOR,
            projects=[
                agencies.project,
                transport_bids.project,
                assignments.project,
                units.project,
            ],
            bookmarked=timeouts.bookmarked,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            without_log="a job's row shows where it stands, not the answers that move its trip",
        ),
        Following(
            source="center",
            consumer="hospital",
            file=center_log.DESCRIPTOR,
            projects=[services.project, sla_timers.project],
            without_log="only the log holds the invitations of hospitals registered meanwhile",
        ),
        _settings(),
        _keys("ems", ems_log.DESCRIPTOR, ems_keys.DESCRIPTOR),
        _keys("center", center_log.DESCRIPTOR, center_keys.DESCRIPTOR),
    ]


def _settings() -> Following:
    """Follow what Center configures; its effects are felt across subjects: a fault halts it."""
    nouns = (feature_toggles, system_configurations, notification_templates)
    return Following(
        source="center",
        consumer="hospital.settings",
        file=center_log.DESCRIPTOR,
        types=types_of(
            feature_toggles_pb2.DESCRIPTOR,
            system_configurations_pb2.DESCRIPTOR,
            notification_templates_pb2.DESCRIPTOR,
        ),
        projects=[each.project for each in nouns],
        policy=Policy.HALT,
        rebuild=Rebuild(
            overwrite=[each.overwrite for each in nouns],
            sweep=[each.sweep for each in center_copies.EVERY],
        ),
    )


def _keys(source: str, file: FileDescriptor, noun: FileDescriptor) -> Following:
    """Follow keys by themselves: logins work on while what decides is halted."""
    return Following(
        source=source,
        consumer="hospital.signing_keys",
        file=file,
        types=types_of(noun),
        projects=[signing_keys.project],
        rebuild=Rebuild(overwrite=[signing_keys.overwrite], sweep=[rows.keys.copies.sweep]),
    )


def _servicers(
    kit: Kit, database: Database, identity: Identity, paging: Paging, watching: Watching
) -> Sequence[Callable[[Any], None]]:
    parts = (database, kit.clock, paging)
    sessions, users = sessions_pb2_grpc, users_pb2_grpc
    hospitals, facilities = hospitals_pb2_grpc, facilities_pb2_grpc
    trips, bids = transport_requests_pb2_grpc, received_bids_pb2_grpc
    preferences, glass = agency_preferences_pb2_grpc, break_glass_grants_pb2_grpc
    told = NotificationServicer(database, kit.clock, paging, kit.draining)
    served: list[tuple[Callable[..., None], Any]] = [
        (notifications_pb2_grpc.add_NotificationServiceServicer_to_server, told),
        (sessions.add_SessionServiceServicer_to_server, SessionServicer(identity, paging)),
        (users.add_UserServiceServicer_to_server, UserServicer(*parts, identity)),
        (hospitals.add_HospitalServiceServicer_to_server, HospitalServicer(*parts)),
        (facilities.add_FacilityServiceServicer_to_server, FacilityServicer(*parts)),
        (
            trips.add_TransportRequestServiceServicer_to_server,
            TransportRequestServicer(*parts, watching),
        ),
        (bids.add_ReceivedBidServiceServicer_to_server, ReceivedBidServicer(*parts, kit.draining)),
        (
            preferences.add_AgencyPreferenceServiceServicer_to_server,
            AgencyPreferenceServicer(*parts),
        ),
        (glass.add_BreakGlassServiceServicer_to_server, BreakGlassServicer(*parts)),
    ]
    return [partial(add, servicer) for add, servicer in served]


BUILD = Build(name="hospital", revision="0007", compose=compose)
