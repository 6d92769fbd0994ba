"""What each process is told: the environment variables of one mesh."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mesh.ports import SILOS
from mesh.state import DataDirectory

_MAIL = (
    "MEDPORT_SMTP_SERVER",
    "MEDPORT_SMTP_FROM",
    "MEDPORT_SMTP_SECURITY",
    "MEDPORT_SMTP_USER",
    "MEDPORT_SMTP_PASSWORD_FILE",
    "MEDPORT_SMTP_CA_FILE",
)
_DESCRIPTORS = Path(__file__).resolve().parent.parent / "build" / "medport.binpb"


def _observed() -> dict[str, str]:
    """Return what a process is told of who watches it: the same as this one was."""
    return {
        "MEDPORT_LOG_LEVEL": os.environ.get("MEDPORT_LOG_LEVEL", "INFO"),
        "MEDPORT_OTLP_ENDPOINT": os.environ.get("MEDPORT_OTLP_ENDPOINT", "off"),
    }


def _mail() -> dict[str, str]:
    """Return how a silo's e-mail leaves: as this process was told, or not at all."""
    return {name: os.environ.get(name, "") for name in _MAIL}


def _address(port: int) -> str:
    return f"127.0.0.1:{port}"


def _database(silo: str, role: str, ports: Mapping[str, int]) -> str:
    return f"postgresql://{silo}_{role}@{_address(ports[f'{silo}-postgres'])}/{silo}"


def migration(silo: str, ports: Mapping[str, int], data: DataDirectory) -> dict[str, str]:
    """Return what ``python -m <silo>_svc migrate`` reads: the owner's connection."""
    return {
        "MEDPORT_MIGRATION_DATABASE_URL": _database(silo, "owner", ports),
        "MEDPORT_MIGRATION_PASSWORD_FILE": str(data.secrets / silo / "owner.password"),
        "MEDPORT_SERVICE_ROLE": f"{silo}_service",
    }


def service(silo: str, ports: Mapping[str, int], data: DataDirectory) -> dict[str, str]:
    """Return what ``python -m <silo>_svc serve`` reads."""
    folder = data.secrets / silo
    peers = (f"{peer}={_address(ports[peer])}" for peer in SILOS if peer != silo)
    return {
        "MEDPORT_DATABASE_URL": _database(silo, "service", ports),
        "MEDPORT_DATABASE_PASSWORD_FILE": str(folder / "service.password"),
        "MEDPORT_LISTEN": _address(ports[silo]),
        "MEDPORT_METRICS_LISTEN": _address(ports[f"{silo}-metrics"]),
        "MEDPORT_ADMIN_LISTEN": _address(ports[f"{silo}-admin"]),
        "MEDPORT_PEERS": ",".join(peers),
        "MEDPORT_IDENTITY_KEY_FILE": str(folder / "identity.pem"),
        "MEDPORT_PEER_KEYS_FILE": str(folder / "peers.json"),
        "MEDPORT_KEY_ENCRYPTION_KEY_FILE": str(folder / "key_encryption.key"),
        "MEDPORT_REFLECTION": "open",
        **_mail(),
        **_observed(),
    }


def router(ports: Mapping[str, int], data: DataDirectory) -> dict[str, str]:
    """Return what ``python -m router serve`` reads."""
    return {
        "MEDPORT_LISTEN": _address(ports["router"]),
        "MEDPORT_METRICS_LISTEN": _address(ports["router-metrics"]),
        "MEDPORT_ADMIN_LISTEN": _address(ports["router-admin"]),
        "MEDPORT_SILOS": ",".join(f"{silo}={_address(ports[silo])}" for silo in SILOS),
        "MEDPORT_DESCRIPTORS": os.environ.get("MEDPORT_DESCRIPTORS", str(_DESCRIPTORS)),
        "MEDPORT_KEY_CACHE": str(data.root / "router"),
        "MEDPORT_IDENTITY_KEY_FILE": str(data.secrets / "router" / "identity.pem"),
        "MEDPORT_REFLECTION": "open",
        **_observed(),
    }
