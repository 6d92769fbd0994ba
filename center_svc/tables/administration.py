"""Users, settings, the registry and the trail: what the center administers."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET

from center_svc.domain.configuration_keys import ConfigurationValueType
from center_svc.domain.users import Permission, Role
from center_svc.tables.shared import metadata
from chassis.notification_texts import PHI
from chassis.schema import (
    NOW,
    check,
    column,
    jsonb,
    names,
    one_of,
    record,
    set_of,
    text_column,
)
from chassis.shared_tables import CHANNELS, shared_tables
from chassis.vocabulary import (
    ActorKind,
    AuditOutcome,
    RegistryStatus,
    ServiceType,
    Silo,
)

center_user = Table(
    "center_user",
    metadata,
    column("id", primary_key=True),
    column("email"),
    column("password_hash", optional=True),
    column("name"),
    one_of("role", names(Role)),
    set_of("permissions", names(Permission)),
    column("is_active", default="true"),
    column("last_login_at", optional=True),
    *record(),
    Index("center_user_email", func.lower(text("email")), unique=True),
)

shared_tables(metadata, tenant=None, users="center_user")

# A number carries INTEGER and SECONDS; DECIMAL is a string, so that no digit is lost.
system_configuration = Table(
    "system_configuration",
    metadata,
    column("id", primary_key=True),
    text_column("key", 100),
    one_of("value_type", names(ConfigurationValueType)),
    jsonb("value", default=None),
    text_column("description", 500),
    text_column("category", 50),
    column("is_active", default="true"),
    column("version", default="1"),
    column("updated_by"),
    column("updated_at", default=NOW),
    UniqueConstraint("key", name="system_configuration_key"),
    check(
        "jsonb_typeof(value) = CASE value_type WHEN 'BOOLEAN' THEN 'boolean' WHEN 'TEXT' THEN"
        " 'string' WHEN 'DECIMAL' THEN 'string' ELSE 'number' END",
        "value_has_its_type",
    ),
)

system_configuration_version = Table(
    "system_configuration_version",
    metadata,
    column("configuration_id", primary_key=True),
    column("version", primary_key=True),
    jsonb("value", default=None),
    column("is_active"),
    column("updated_by"),
    column("updated_at"),
    ForeignKeyConstraint(["configuration_id"], ["system_configuration.id"]),
)

# row_version 0 is a registration that awaits approval: no other silo has heard of it.
service_registry = Table(
    "service_registry",
    metadata,
    column("id", primary_key=True),
    column("service_name"),
    one_of("service_type", names(ServiceType)),
    one_of("status", names(RegistryStatus), default=RegistryStatus.PENDING),
    column("external_id"),
    column("added_by"),
    column("added_at", default=NOW),
    column("provisioned_at", optional=True),
    jsonb("configuration"),
    jsonb("metadata"),
    *record(),
    UniqueConstraint("external_id", name="service_registry_external_id"),
    Index(
        "service_registry_name",
        "service_type",
        func.lower(text("service_name")),
        unique=True,
        postgresql_where=text("status <> 'RETIRED'"),
    ),
    check("status NOT IN ('ACTIVE', 'SUSPENDED') OR provisioned_at IS NOT NULL", "is_provisioned"),
)

audit_log = Table(
    "audit_log",
    metadata,
    column("id", primary_key=True),
    one_of("source_silo", names(Silo)),
    column("organization_id", optional=True),
    column("user_id", optional=True),
    one_of("actor_kind", names(ActorKind)),
    text_column("action", 100),
    text_column("entity_type", 64),
    column("entity_id", optional=True),
    jsonb("changes"),
    one_of("outcome", names(AuditOutcome)),
    text_column("reason", 500, optional=True),
    column("occurred_at"),
    column("recorded_at", default=NOW),
    Column("ip_address", INET),
    column("request_id", optional=True),
    column("chain_hash"),
    # The order of the chains: the default is taken under the chain's lock.
    Column("chain_position", BigInteger, Identity(always=False), nullable=False),
    Index("audit_log_chain", "source_silo", "chain_position", unique=True),
    Index("audit_log_time", text("occurred_at DESC, id DESC")),
    Index("audit_log_organization", "organization_id", text("occurred_at DESC, id DESC")),
)

# The end of each silo's chain. Its row is the lock under which the chain grows: two writers that
# read the same end would fork it.
audit_chain = Table(
    "audit_chain",
    metadata,
    one_of("source_silo", names(Silo), primary_key=True),
    column("audit_log_id", optional=True),
    column("chain_hash"),
)

feature_toggle = Table(
    "feature_toggle",
    metadata,
    column("id", primary_key=True),
    column("feature_name"),
    column("is_enabled", default="false"),
    Column("target_users", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("target_organizations", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("rollout_percent", SmallInteger, nullable=False, server_default=text("100")),
    jsonb("configuration"),
    column("version", default="1"),
    column("updated_by"),
    column("updated_at", default=NOW),
    column("created_at", default=NOW),
    column("is_deleted", default="false"),
    UniqueConstraint("feature_name", name="feature_toggle_name"),
    check(
        "rollout_percent BETWEEN 0 AND 100 AND (rollout_percent < 100"
        " OR (target_users = '{}' AND target_organizations = '{}'))",
        "rollout_is_valid",
    ),
)

notification_template = Table(
    "notification_template",
    metadata,
    column("id", primary_key=True),
    column("template_name"),
    one_of("template_type", CHANNELS),
    text_column("subject", 200, optional=True),
    text_column("content", 4000),
    Column("variables", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    column("is_active", default="true"),
    column("version", default="1"),
    column("created_at", default=NOW),
    column("updated_at", default=NOW),
    column("is_deleted", default="false"),
    UniqueConstraint("template_name", "template_type", name="notification_template_name"),
    check(f"NOT variables && ARRAY[{', '.join(map(repr, PHI))}]", "variables_hold_no_phi"),
)
