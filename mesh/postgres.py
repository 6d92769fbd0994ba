"""Runs one real PostgreSQL server: created, started, watched, stopped; no account, no socket."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

from mesh.binaries import find_binaries, major_version, unprivileged
from mesh.problems import Problem

_CREATE = ("--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=scram-sha-256", "--no-sync")
_SERVE = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
# A server's log is nobody's medical record: by default it quotes the row that was refused
# (DETAIL), the statement, and the values of its parameters.
QUOTE_NO_ROWS = (
    "-c", "log_error_verbosity=terse",
    "-c", "log_min_error_statement=panic",
    "-c", "log_parameter_max_length_on_error=0",
)  # fmt: skip
_STATUS_LINE = 7  # of postmaster.pid: "ready" once connections are accepted
_PATIENCE = {"PGCONNECT_TIMEOUT": "5"}  # a frozen server takes them, and says nothing
_PAUSE = Event()  # never set: its wait is the pause between two looks


class PostgresFailed(Problem):
    """A program of PostgreSQL did not do what was asked; the text quotes its last words."""


def free_port() -> int:
    """Return a loopback port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """A data directory, a port and a superuser password; the server is our direct child.

    ``pg_ctl start`` would make a daemon: where process 1 reaps late, or never, a killed
    daemon stays a zombie and PostgreSQL refuses to start again.
    """

    def __init__(self, name: str, port: int, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name, self.port, self.root = name, port, root.resolve()
        self.data = self.root / f"{name}-{major_version()}"
        self.log = self.data.with_suffix(".log")
        self._secret = self.data.with_suffix(".password")
        if not self._secret.exists():
            self._secret.touch(mode=0o600)
            self._secret.write_text(secrets.token_urlsafe(24))
        self._bin, self._prefix = find_binaries(), unprivileged(self.root)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        return self._secret.read_text()

    @property
    def dsn(self) -> str:
        """Return the superuser's connection string."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int | None:
        """Return the process id the data directory names, whether or not it is alive."""
        lines = self._pid_lines()
        return int(lines[0]) if lines else None

    @property
    def ready(self) -> bool:
        """Tell whether the server of this directory accepts connections."""
        lines = self._pid_lines()
        named = len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"
        return named and self._is_postgres(int(lines[0]))

    def create(self) -> None:
        """Make the data directory; renamed last, so that a torn initdb is never taken for one."""
        if self.data.exists():
            return
        partial = self.data.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        password = f"--pwfile={self._secret}"
        self._run("initdb", "-D", str(partial), "-U", "postgres", password, *_CREATE)
        partial.rename(self.data)

    def start(self, patience: float = 30.0) -> None:
        """Create what is missing, start, and return once connections are accepted."""
        self.create()
        self._stop_stranger()
        deadline = time.monotonic() + patience
        while not (self._child and self._child.poll() is None and self._ready_is_ours()):
            if time.monotonic() > deadline:
                raise PostgresFailed(f"{self.name} does not answer on {self.port}: {self.tail()}")
            if self._child is None or self._child.poll() is not None:
                self._kill_orphans()
                self._spawn()
            _PAUSE.wait(0.05)

    def wait(self) -> int:
        """Wait for the child's end and return its exit code; at once when there is no child."""
        child = self._child
        return child.wait() if child is not None else 0

    def stop(self) -> None:
        """Disconnect everybody and write everything down."""
        if self.pid is not None and self._is_postgres(self.pid):
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")
        if self._child is not None:
            self._child.wait(timeout=30)

    def kill(self) -> None:
        """Do what a crash does: the server dies at once, its children notice later."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def psql(self, text: str, *, database: str = "postgres") -> str:
        """Run SQL as the superuser and return what it prints: tuples only, unaligned."""
        options = ("-Atq", "-d", database, "-U", "postgres")
        return self._psql(text, options).strip()

    def table(self, text: str, *, database: str, user: str, password: str, width: int) -> str:
        """Run SQL and return what it prints for a terminal of ``width`` columns.

        Each answer with its headers; what is wider as one line per value.
        """
        options = ("-d", database, "-U", user, "-P", "expanded=auto", "-P", f"columns={width}")
        return self._psql(text, options, password).rstrip()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-600:] if self.log.exists() else ""

    def _psql(self, text: str, options: Sequence[str], password: str = "") -> str:
        where = ("-h", "127.0.0.1", "-p", str(self.port))
        given = ("-X", "-v", "ON_ERROR_STOP=1", "-f", "-")
        return self._run("psql", *where, *given, *options, text=text, password=password)

    def _run(self, program: str, *arguments: str, text: str = "", password: str = "") -> str:
        """Run one of PostgreSQL's programs; without ``password``, with the superuser's."""
        command = [*self._prefix, str(self._bin / program), *arguments]
        done = subprocess.run(
            command, env=self._environment(password), cwd=self.root, input=text,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PostgresFailed(f"{self.name}: {program} failed: {done.stderr[-600:].strip()}")
        return done.stdout

    def _environment(self, password: str = "") -> dict[str, str]:
        # The caller's PGPORT, PGDATA or PGSERVICE must not redirect the tools.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        known = {"LC_ALL": "C", "TZ": "UTC", "PGPASSWORD": password or self.password}
        return {**inherited, **known, **_PATIENCE}

    def _spawn(self) -> None:
        command = [*self._prefix, str(self._bin / "postgres"), "-D", str(self.data)]
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*command, "-p", str(self.port), *_SERVE, *QUOTE_NO_ROWS],
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C reaches us alone: we stop it, in order
            )  # fmt: skip

    def _pid_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _ready_is_ours(self) -> bool:
        return self.ready and self._child is not None and self.pid == self._child.pid

    def _is_postgres(self, pid: int) -> bool:
        """Tell a living server from a number that a dead one left behind."""
        proc = Path("/proc")
        if proc.is_dir():
            return _working_directory(proc / str(pid)) == self.data
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    def _stop_stranger(self) -> None:
        """Stop a server that an earlier, killed supervisor left on this directory."""
        ours = self._child is not None and self._child.poll() is None
        if not ours and self.pid is not None and self._is_postgres(self.pid):
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")

    def _kill_orphans(self) -> None:
        """End children that outlived their server: a busy one holds the shared memory for long."""
        for process in Path("/proc").glob("[0-9]*"):
            if _working_directory(process) == self.data:
                with suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)


def _working_directory(process: Path) -> Path | None:
    """Return where a process works; every process of PostgreSQL works in its data directory."""
    try:
        return (process / "cwd").readlink()
    except OSError:  # it ended, or it belongs to somebody else
        return None
