"""What a process runs with: read once from the environment, checked before anything starts."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from psycopg.conninfo import make_conninfo

from chassis import environment, mail_settings
from chassis.environment import (
    LOOPBACK,
    BadSettings,
    Environment,
    address,
    addresses,
    duration,
    one_of,
    replicas,
)
from chassis.mail_settings import MailSettings

Read = TypeVar("Read")

_REFLECTION = one_of("open", "token", "off")
_SERVES = one_of("everything", "reads")
_LEVEL = one_of("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long a silo's event log keeps what it announced, at least.

    After ``keep`` an event goes unless a hold needs it, after ``hard_cap`` whoever needs it. The
    log goes a partition at a time, so that it may keep more.
    """

    keep: timedelta = timedelta(days=14)
    hard_cap: timedelta = timedelta(days=30)

    def __str__(self) -> str:
        return f"{self.keep}, at most {self.hard_cap} for a hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiloSettings:
    """What one silo's process runs with."""

    listen: str
    database: str = field(repr=False)  # a DSN, password included
    peers: Mapping[str, str]  # silo -> address
    identity_key: bytes = field(repr=False)  # PEM, PKCS #8, Ed25519
    peer_keys: Mapping[str, bytes] = field(repr=False)  # silo -> raw Ed25519 public key
    key_encryption_key: bytes = field(repr=False)
    reflection: str
    log_level: str
    metrics: str = ""  # host:port for Prometheus; empty for none
    collector: str = ""  # host:port that takes spans (OTLP over gRPC); empty for none
    admin: str = ""  # host:port on loopback for Channelz; empty for none
    retention: Retention = field(default_factory=Retention)
    mail: MailSettings | None = None  # None: e-mail waits in the database until it expires
    serves: str = "everything"  # or "reads": its database is a standby


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationSettings:
    """What ``migrate`` runs with: the owner's login, never the service's."""

    database: str = field(repr=False)
    service_role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """What the router runs with; it has no database."""

    listen: str
    silos: Mapping[str, tuple[str, ...]]  # silo -> the addresses of its replicas
    read_replicas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    canaries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    descriptors: Path
    key_cache: Path
    reflection: str
    log_level: str
    metrics: str = ""  # host:port for Prometheus; empty for none
    collector: str = ""  # host:port that takes spans (OTLP over gRPC); empty for none
    admin: str = ""  # host:port on loopback for Channelz; empty for none
    # PEM, PKCS #8, Ed25519; without it silos take the router's address for its clients'
    identity_key: bytes = field(default=b"", repr=False)


def silo(environ: Mapping[str, str] = os.environ) -> SiloSettings:
    """Read a silo's settings; raises BadSettings with every mistake."""
    env = Environment(environ)
    settings = SiloSettings(
        listen=env.read("MEDPORT_LISTEN", address, ""),
        database=_database(env, "MEDPORT_DATABASE_URL", "MEDPORT_DATABASE_PASSWORD_FILE"),
        peers=env.read("MEDPORT_PEERS", addresses, {}, ","),
        identity_key=env.read("MEDPORT_IDENTITY_KEY_FILE", environment.private_key, b""),
        peer_keys=env.read("MEDPORT_PEER_KEYS_FILE", environment.public_keys, {}),
        key_encryption_key=env.read("MEDPORT_KEY_ENCRYPTION_KEY_FILE", environment.key, b""),
        reflection=env.read("MEDPORT_REFLECTION", _REFLECTION, "", "token"),
        log_level=env.read("MEDPORT_LOG_LEVEL", _LEVEL, "", "INFO"),
        metrics=env.read("MEDPORT_METRICS_LISTEN", _metrics, "", "off"),
        collector=env.read("MEDPORT_OTLP_ENDPOINT", _collector, "", "off"),
        admin=env.read("MEDPORT_ADMIN_LISTEN", _admin, "", "off"),
        retention=_retention(env),
        mail=mail_settings.read(env),
        serves=env.read("MEDPORT_SERVES", _SERVES, "", "everything"),
    )
    env.finish()
    return settings


def migration(silo_name: str, environ: Mapping[str, str] = os.environ) -> MigrationSettings:
    """Read the migrations' settings; raises BadSettings with every mistake."""
    env = Environment(environ)
    role, role_default = environment.database_role, f"{silo_name}_service"
    settings = MigrationSettings(
        database=_database(
            env, "MEDPORT_MIGRATION_DATABASE_URL", "MEDPORT_MIGRATION_PASSWORD_FILE"
        ),
        service_role=env.read("MEDPORT_SERVICE_ROLE", role, "", role_default),
    )
    env.finish()
    return settings


def router(environ: Mapping[str, str] = os.environ) -> RouterSettings:
    """Read the router's settings; raises BadSettings with every mistake."""
    env = Environment(environ)
    settings = RouterSettings(
        listen=env.read("MEDPORT_LISTEN", address, ""),
        silos=env.read("MEDPORT_SILOS", replicas, {}),
        read_replicas=env.read("MEDPORT_READ_REPLICAS", replicas, {}, ","),
        canaries=env.read("MEDPORT_CANARIES", replicas, {}, ","),
        descriptors=env.read("MEDPORT_DESCRIPTORS", environment.file, Path()),
        key_cache=env.read("MEDPORT_KEY_CACHE", Path, Path()),
        identity_key=env.read("MEDPORT_IDENTITY_KEY_FILE", _identity, b"", "off"),
        reflection=env.read("MEDPORT_REFLECTION", _REFLECTION, "", "token"),
        log_level=env.read("MEDPORT_LOG_LEVEL", _LEVEL, "", "INFO"),
        metrics=env.read("MEDPORT_METRICS_LISTEN", _metrics, "", "off"),
        collector=env.read("MEDPORT_OTLP_ENDPOINT", _collector, "", "off"),
        admin=env.read("MEDPORT_ADMIN_LISTEN", _admin, "", "off"),
    )
    env.finish()
    return settings


def or_exit(read: Callable[[], Read]) -> Read:
    """Return what ``read`` returns, or print one line per mistake and exit with status 2."""
    try:
        return read()
    except BadSettings as bad:
        sys.stderr.writelines(f"{mistake}\n" for mistake in bad.mistakes)
        raise SystemExit(2) from None


def redacted(settings: Any) -> dict[str, str]:
    """Give any of the settings as they may be printed: a field without repr is secret."""
    return {
        each.name: str(getattr(settings, each.name)) if each.repr else "(secret)"
        for each in fields(settings)
    }


def _metrics(text: str) -> str:
    return "" if text == "off" else address(text)


def _admin(text: str) -> str:
    if text != "off" and address(text).rpartition(":")[0].strip("[]") not in LOOPBACK:
        raise ValueError(f"{text!r} is not on loopback: nobody else may ask there")
    return "" if text == "off" else text


def _collector(text: str) -> str:
    """Check the address, and that what speaks to a collector is installed."""
    if text == "off":
        return ""
    try:
        importlib.import_module("opentelemetry.exporter.otlp.proto.grpc")
    except ImportError:
        raise ValueError("spans cannot be sent: pip install 'medport[tracing]'") from None
    return address(text.removeprefix("http://"))


def _identity(text: str) -> bytes:
    return b"" if text == "off" else environment.private_key(text)


def _retention(env: Environment) -> Retention:
    default = Retention()
    keep = env.read("MEDPORT_EVENT_LOG_KEEP", duration, default.keep, "14d")
    hard_cap = env.read("MEDPORT_EVENT_LOG_HARD_CAP", duration, max(default.hard_cap, keep), "30d")
    if hard_cap < keep:
        env.refuse("MEDPORT_EVENT_LOG_HARD_CAP: is shorter than MEDPORT_EVENT_LOG_KEEP")
    return Retention(keep=keep, hard_cap=hard_cap)


def _database(env: Environment, url: str, password_file: str) -> str:
    dsn = env.read(url, environment.database_url, "")
    password = env.read(password_file, environment.secret, "")
    return make_conninfo(dsn, password=password)
