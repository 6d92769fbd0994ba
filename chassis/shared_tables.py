"""The tables that every silo has: logins, keys, idempotency, notifications; and the copies.

``tenant`` is the silo's tenant column, or None in Center, whose users belong to no tenant.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INET

from chassis.notification_tables import notifications
from chassis.notification_texts import Channel
from chassis.schema import NOW, column, jsonb, names, one_of, set_of, text_column
from chassis.vocabulary import ActorKind, AuditOutcome, CareCapability, FacilityType, Silo

REVOKE_REASONS = ("LOGOUT", "EXPIRED", "TOKEN_REUSED", "ADMINISTRATOR", "PASSWORD_CHANGED")
ALGORITHMS = ("ES256", "EDDSA")
CHANNELS = tuple(Channel)

# Tables without a tenant-leading key, and why each may be: they belong to the silo, hold a value
# that is unique over tenants, or copy what every tenant may read.
UNTENANTED = frozenset(
    {
        "outbox",
        "event_log",
        "event_log_head",
        "event_log_epoch",
        "event_subscriber",
        "consumer_checkpoint",
        "consumer_dead_letter",
        "consumer_snapshot_subject",
        "login_email",
        "login_throttle",
        "signing_key",
        "trusted_key",
        "facility_directory",
        "agency_directory",
        "feature_toggle_copy",
        "system_configuration_copy",
        "notification_template_copy",
        "offered_trip",
    }
)


def shared_tables(metadata: MetaData, *, tenant: str | None, users: str) -> None:
    """Add domain.md's section 2.3 to ``metadata``; ``users`` names the silo's table of users."""
    _logins(metadata, tenant)
    _sessions(metadata, tenant, users)
    _refresh_tokens(metadata, tenant)
    _keys(metadata)
    Table(
        "idempotency_key",
        metadata,
        *_tenant(tenant),
        column("principal_id", primary_key=True),
        text_column("method", 200, primary_key=True),
        column("request_id", primary_key=True),
        column("request_hash"),
        Column("response", LargeBinary),
        column("created_at", default=NOW),
        column("expires_at"),
        Index("idempotency_key_expiry", "expires_at"),
    )
    notifications(metadata, tenant)


def copies(metadata: MetaData, *, tenant: str) -> None:
    """Add what Hospital and EMS have besides: the audit trail and Center's copies."""
    Table(
        "audit_entry",
        metadata,
        *_tenant(tenant),
        column("id", primary_key=True),
        column("user_id", optional=True),
        one_of("actor_kind", names(ActorKind)),
        text_column("action", 100),
        text_column("entity_type", 64),
        column("entity_id", optional=True),
        jsonb("changes"),
        one_of("outcome", names(AuditOutcome)),
        text_column("reason", 500, optional=True),
        column("occurred_at", default=NOW),
        Column("ip_address", INET),
        column("request_id", optional=True),
    )
    _facility_directory(metadata)
    _center_copies(metadata)


def _tenant(tenant: str | None) -> list[Column[Any]]:
    return [] if tenant is None else [column(tenant, primary_key=True)]


def _logins(metadata: MetaData, tenant: str | None) -> None:
    Table(
        "login_email",
        metadata,
        column("email", primary_key=True),
        *([] if tenant is None else [column(tenant)]),
        column("user_id"),
        column("created_at", default=NOW),
    )
    Table(
        "login_throttle",
        metadata,
        column("email", primary_key=True),
        column("attempts", default="0"),
        column("window_started_at", default=NOW),
        column("blocked_until_at", optional=True),
    )


def _sessions(metadata: MetaData, tenant: str | None, users: str) -> None:
    key = [] if tenant is None else [tenant]
    user = ([*key, "user_id"], [f"{users}.{each}" for each in (*key, "id")])
    Table(
        "user_session",
        metadata,
        *_tenant(tenant),
        column("id", primary_key=True),
        column("user_id"),
        column("created_at", default=NOW),
        column("last_used_at", default=NOW),
        column("expires_at"),
        column("revoked_at", optional=True),
        one_of("revoke_reason", REVOKE_REASONS, optional=True),
        Column("ip_address", INET),
        text_column("user_agent", 300, optional=True),
        ForeignKeyConstraint(*user),
    )
    Table(
        "one_time_token",
        metadata,
        *_tenant(tenant),
        column("id", primary_key=True),
        column("user_id"),
        one_of("purpose", ("INVITATION", "PASSWORD_RESET")),
        column("token_hash"),
        column("created_at", default=NOW),
        column("expires_at"),
        column("used_at", optional=True),
        ForeignKeyConstraint(*user),
        Index("one_time_token_hash", *key, "token_hash", unique=True),
    )


def _refresh_tokens(metadata: MetaData, tenant: str | None) -> None:
    key = [] if tenant is None else [tenant]
    session = ([*key, "session_id"], [f"user_session.{each}" for each in (*key, "id")])
    Table(
        "refresh_token",
        metadata,
        *_tenant(tenant),
        column("id", primary_key=True),
        column("session_id"),
        column("token_hash"),
        column("issued_at", default=NOW),
        column("expires_at"),
        column("used_at", optional=True),
        column("replaced_by_id", optional=True),
        ForeignKeyConstraint(*session),
        Index("refresh_token_hash", *key, "token_hash", unique=True),
        Index(
            "refresh_token_live",
            *key,
            "session_id",
            unique=True,
            postgresql_where=text("used_at IS NULL"),
        ),
    )


def _keys(metadata: MetaData) -> None:
    Table(
        "signing_key",
        metadata,
        text_column("key_name", 200, primary_key=True),
        one_of("algorithm", ALGORITHMS),
        Column("public_key", LargeBinary, nullable=False),
        Column("private_key_encrypted", LargeBinary, nullable=False),
        one_of("state", ("NEXT", "ACTIVE", "RETIRED")),
        column("not_before_at"),
        column("not_after_at"),
        Index(
            "signing_key_active", "state", unique=True, postgresql_where=text("state = 'ACTIVE'")
        ),
    )
    Table(
        "trusted_key",
        metadata,
        one_of("silo", names(Silo), primary_key=True),
        text_column("key_name", 200, primary_key=True),
        one_of("algorithm", ALGORITHMS),
        Column("public_key", LargeBinary, nullable=False),
        column("not_before_at"),
        column("not_after_at"),
        column("revoked_at", optional=True),
    )


def _facility_directory(metadata: MetaData) -> None:
    Table(
        "facility_directory",
        metadata,
        column("facility_id", primary_key=True),
        column("hospital_id"),
        column("hospital_name"),
        column("name"),
        one_of("type", names(FacilityType)),
        column("address"),
        column("city"),
        column("state"),
        column("zip_code"),
        column("latitude"),
        column("longitude"),
        set_of("capabilities", names(CareCapability)),
        column("is_active"),
        column("facility_version"),
    )


def _center_copies(metadata: MetaData) -> None:
    Table(
        "feature_toggle_copy",
        metadata,
        text_column("feature_name", 200, primary_key=True),
        column("is_enabled"),
        Column("target_users", ARRAY(Uuid), nullable=False),
        Column("target_organizations", ARRAY(Uuid), nullable=False),
        Column("rollout_percent", SmallInteger, nullable=False),
        jsonb("configuration", default=None),
        column("version"),
    )
    Table(
        "system_configuration_copy",
        metadata,
        text_column("key", 100, primary_key=True),
        text_column("value_type", 20),
        jsonb("value", default=None),
        column("is_active"),
        column("version"),
    )
    Table(
        "notification_template_copy",
        metadata,
        text_column("template_name", 200, primary_key=True),
        text_column("template_type", 20, primary_key=True),
        text_column("subject", 200, optional=True),
        text_column("content", 4000),
        Column("variables", ARRAY(Text), nullable=False),
        column("is_active"),
        column("version"),
        column("is_deleted", default="false"),
    )
