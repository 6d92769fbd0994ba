"""Reads environment variables, and says of each wrong one, in one line, what is wrong."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

Value = TypeVar("Value")

LEAST_SECRET_BYTES = 32
LEAST_DIFFERENT_BYTES = 8  # a sample value, "xxxx...", has fewer
PUBLIC_KEY_BYTES = 32
MOST_PORT = 65_535
LOOPBACK = ("127.0.0.1", "::1", "localhost")

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_DURATION = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class BadSettings(Exception):
    """What is wrong with the environment, one line per mistake; no line holds a secret."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class Environment:
    """Collects mistakes while it reads, so that one start shows all of them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._mistakes: list[str] = []

    def read(
        self, name: str, parse: Callable[[str], Value], missing: Value, default: str | None = None
    ) -> Value:
        """Return ``name``'s value as ``parse`` understands it.

        ``missing`` stands in for a wrong value, and is never used: ``finish`` then raises.
        """
        text = self._environ.get(name) or default
        if text is None:
            self._mistakes.append(f"{name} is not set")
            return missing
        try:
            return parse(text)
        except OSError as wrong:
            self._mistakes.append(f"{name}: {text}: {wrong.strerror}")
        except ValueError as wrong:
            self._mistakes.append(f"{name}: {wrong}")
        return missing

    def refuse(self, mistake: str) -> None:
        """Note what is wrong with values that are right one by one."""
        self._mistakes.append(mistake)

    def finish(self) -> None:
        """Raise BadSettings if anything was wrong."""
        if self._mistakes:
            raise BadSettings(self._mistakes)


def address(text: str) -> str:
    """Parse ``host:port``; port 0 asks the system for a free one."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[1]) > MOST_PORT:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return text


def addresses(text: str) -> dict[str, str]:
    """Parse ``ems=127.0.0.1:50052,center=127.0.0.1:50053``."""
    named: dict[str, str] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, equals, where = each.partition("=")
        if not equals or not name or name in named:
            raise ValueError(f"{each!r} is not NAME=HOST:PORT, each name once")
        named[name] = address(where)
    return named


def replicas(text: str) -> dict[str, tuple[str, ...]]:
    """Parse ``ems=10.0.0.1:50052,ems=10.0.0.2:50052``: a name comes once for each of its replicas.

    A host name stands for itself alone, and for all the addresses that it has.
    """
    named: dict[str, tuple[str, ...]] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, equals, where = each.partition("=")
        if not equals or not name or address(where) in named.get(name, ()):
            raise ValueError(f"{each!r} is not NAME=HOST:PORT, each pair once")
        named[name] = (*named.get(name, ()), where)
    for name, all_of_it in named.items():
        families = {_family(each) for each in all_of_it}
        if len(all_of_it) > 1 and (len(families) > 1 or None in families):
            raise ValueError(f"the replicas of {name} are not all IPv4, or all IPv6, addresses")
    return named


def _family(where: str) -> int | None:
    try:
        return ip_address(where.rpartition(":")[0].strip("[]")).version
    except ValueError:
        return None


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def duration(text: str) -> timedelta:
    """Parse ``14d``, ``36h``, ``90m`` or ``30s``; longer than nothing."""
    match = _DURATION.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is not a duration such as 14d, 36h, 90m or 30s")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def database_role(text: str) -> str:
    if not _ROLE.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a database role")
    return text


def database_url(text: str) -> str:
    """Check a PostgreSQL DSN that holds no password and says how a far server is reached."""
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError:
        raise ValueError("is not a PostgreSQL DSN") from None
    if parts.get("password"):
        raise ValueError("holds a password: put it into a file")
    if parts.get("host", "") not in LOOPBACK and not parts.get("sslmode"):
        raise ValueError("names another host and no sslmode: use verify-full")
    return text


def file(text: str) -> Path:
    path = Path(text)
    path.stat()
    return path


def secret(text: str) -> str:
    """Read the one line of a file that holds a password."""
    content = Path(text).read_text(encoding="utf-8").strip()
    if not content:
        raise ValueError(f"{text} is empty")
    return content


def key(text: str) -> bytes:
    """Read a secret key of at least 32 bytes, in whatever form."""
    content = Path(text).read_bytes().strip()
    if len(content) < LEAST_SECRET_BYTES:
        raise ValueError(f"{text} holds fewer than {LEAST_SECRET_BYTES} bytes")
    if len(set(content)) < LEAST_DIFFERENT_BYTES:
        raise ValueError(f"{text} holds a sample, not a key")
    return content


def private_key(text: str) -> bytes:
    """Read an Ed25519 private key (PEM, PKCS #8)."""
    content = Path(text).read_bytes()
    try:
        loaded = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{text} holds no PEM private key") from None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise ValueError(f"{text} holds a key that is not Ed25519")  # noqa: TRY004 - of a file
    return content


def public_keys(text: str) -> dict[str, bytes]:
    """Read a JSON object: silo to raw Ed25519 public key in base64."""
    try:
        found = json.loads(Path(text).read_text(encoding="utf-8"))
        keys = {str(silo): base64.b64decode(key, validate=True) for silo, key in found.items()}
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f"{text} is not a JSON object of base64 keys") from None
    for silo, raw in keys.items():
        if len(raw) != PUBLIC_KEY_BYTES:
            raise ValueError(f"{text}: the key of {silo} has not {PUBLIC_KEY_BYTES} bytes")
    return keys
