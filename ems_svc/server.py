"""Composition root of the EMS silo: the one place that knows every part."""

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
from medport.ems.events.v1 import event_log_pb2
from medport.ems.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeyRevoked
from medport.ems.v1 import (
    agencies_pb2_grpc,
    assignments_pb2_grpc,
    available_trips_pb2_grpc,
    consumers_pb2_grpc,
    notifications_pb2_grpc,
    routes_pb2_grpc,
    service_areas_pb2_grpc,
    sessions_pb2_grpc,
    transport_bids_pb2_grpc,
    unit_availability_pb2_grpc,
    units_pb2_grpc,
    users_pb2_grpc,
)
from medport.hospital.events.v1 import event_log_pb2 as hospital_log
from medport.hospital.events.v1 import signing_keys_pb2 as hospital_keys

from chassis import idempotency_sweep
from chassis.clock import Clock
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
from ems_svc import snapshots
from ems_svc.projectors import (
    awards,
    facilities,
    feature_toggles,
    notification_templates,
    services,
    signing_keys,
    sla_timers,
    system_configurations,
    transport_requests,
)
from ems_svc.repositories import center_copies, notifications
from ems_svc.repositories.audit_entries import keep
from ems_svc.repositories.sessions import rows
from ems_svc.servicers.agencies import AgencyServicer
from ems_svc.servicers.assignments import AssignmentServicer
from ems_svc.servicers.available_trips import AvailableTripServicer
from ems_svc.servicers.consumers import ConsumerServicer
from ems_svc.servicers.notifications import NotificationServicer
from ems_svc.servicers.routes import RouteServicer
from ems_svc.servicers.service_areas import ServiceAreaServicer
from ems_svc.servicers.sessions import SessionServicer
from ems_svc.servicers.transport_bids import BidServicer
from ems_svc.servicers.unit_availability import UnitAvailabilityServicer
from ems_svc.servicers.units import UnitServicer
from ems_svc.servicers.users import UserServicer
from ems_svc.timers import idempotency_keys, unit_locations
from ems_svc.timers.awards import AwardDeadlines
from ems_svc.timers.transport_bids import BidExpiries


def compose(kit: Kit) -> Silo:
    """Put the silo together; the process starts and stops it."""
    settings = kit.settings
    paging = Paging(settings.key_encryption_key)
    envelope = Envelope(event_log_pb2.EmsEvent, "/medport/ems")
    database = Database(kit.pool, envelope, tenant_column="agency_id")
    publishing = Publishing(
        settings.database,
        event_log_pb2.DESCRIPTOR,
        paging,
        holds=("hospital", "hospital.signing_keys", "center", "center.signing_keys"),
        retention=settings.retention,
        snapshot=Snapshot(envelope, snapshots.current),
    )
    database.after_commit = publishing.announced
    identity = _identity(kit, database)
    watching = Watching(publishing.source, EventContract.of(event_log_pb2.DESCRIPTOR))
    followed = followings(kit.clock)
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
            Reaction(BidExpiries()),
            Reaction(AwardDeadlines()),
            every(idempotency_sweep.SECONDS, idempotency_keys.sweep),
            Mailing(notifications.mail, settings.mail),
            every(unit_locations.SECONDS, unit_locations.sweep),
        ],
        parts=[publishing, followers, *identity.parts],
        log_position=lambda: publishing.position,
    )


def _identity(kit: Kit, database: Database) -> Identity:
    return Identity(
        "ems",
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


def followings(clock: Clock) -> list[Following]:
    """Name what is followed: what decides, then copies of rows alone, each with a place of its own.

    Center's events have effects across subjects: a fault halts them.
    """
    return [
        Following(
            source="hospital",
            consumer="ems",
            file=hospital_log.DESCRIPTOR,
            projects=[
                facilities.project,
                partial(transport_requests.project, clock=clock),
                partial(awards.project, clock=clock),
            ],
            without_log="a trip's row answers no award, and ends no bid or job that lost it",
        ),
        Following(
            source="center",
            consumer="ems",
            file=center_log.DESCRIPTOR,
            projects=[partial(services.project, clock=clock), sla_timers.project],
            policy=Policy.HALT,
            without_log="only the log holds the invitations of agencies registered meanwhile",
        ),
        _settings(),
        _keys("hospital", hospital_log.DESCRIPTOR, hospital_keys.DESCRIPTOR),
        _keys("center", center_log.DESCRIPTOR, center_keys.DESCRIPTOR),
    ]


def _settings() -> Following:
    """Follow what Center configures; its effects are felt across subjects: a fault halts it."""
    nouns = (feature_toggles, system_configurations, notification_templates)
    return Following(
        source="center",
        consumer="ems.settings",
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
        consumer="ems.signing_keys",
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
    agencies, units, areas = agencies_pb2_grpc, units_pb2_grpc, service_areas_pb2_grpc
    trips, bids = available_trips_pb2_grpc, transport_bids_pb2_grpc
    jobs, shifts = assignments_pb2_grpc, unit_availability_pb2_grpc
    told = NotificationServicer(database, kit.clock, paging, kit.draining)
    served: list[tuple[Callable[..., None], Any]] = [
        (notifications_pb2_grpc.add_NotificationServiceServicer_to_server, told),
        (sessions.add_SessionServiceServicer_to_server, SessionServicer(identity, paging)),
        (users.add_UserServiceServicer_to_server, UserServicer(*parts, identity)),
        (agencies.add_AgencyServiceServicer_to_server, AgencyServicer(*parts)),
        (units.add_UnitServiceServicer_to_server, UnitServicer(*parts, watching)),
        (
            shifts.add_UnitAvailabilityServiceServicer_to_server,
            UnitAvailabilityServicer(*parts),
        ),
        (areas.add_ServiceAreaServiceServicer_to_server, ServiceAreaServicer(*parts)),
        (routes_pb2_grpc.add_RouteServiceServicer_to_server, RouteServicer(*parts)),
        (
            trips.add_AvailableTripServiceServicer_to_server,
            AvailableTripServicer(*parts, kit.draining),
        ),
        (bids.add_BidServiceServicer_to_server, BidServicer(*parts, watching)),
        (jobs.add_AssignmentServiceServicer_to_server, AssignmentServicer(*parts, watching)),
    ]
    return [partial(add, servicer) for add, servicer in served]


BUILD = Build(name="ems", revision="0011", compose=compose)
