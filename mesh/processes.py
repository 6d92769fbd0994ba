"""Starts and stops the whole mesh: three PostgreSQL servers, three silos, the router."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from mesh import databases, environments, passwords, secrets
from mesh.health import serves
from mesh.ports import SILOS, Reservation
from mesh.postgres import PostgresFailed, PostgresServer
from mesh.problems import Problem
from mesh.state import DataDirectory
from mesh.supervision import Service, Supervisor

_PATIENCE = 60.0
_REVISION = "SELECT max(version_num) FROM alembic_version"
_PAUSE = Event()  # never set: its wait is the pause between two looks


class StartFailed(Problem):
    """A process did not come up; the text quotes the end of its log."""


class Mesh:
    """The seven programs of one data directory, under one supervisor."""

    def __init__(
        self,
        data: DataDirectory,
        reserved: Reservation,
        say: Callable[[str], None],
        is_unwanted: Callable[[], bool],
    ) -> None:
        secrets.generate(data.secrets)
        self._data, self._reserved, self._ports = data, reserved, reserved.ports
        self._servers = {silo: self._server(silo) for silo in SILOS}
        self._services = {name: self._service(name) for name in (*SILOS, "router")}
        self._supervisor = Supervisor(say, data.held)
        self._is_unwanted = is_unwanted

    def start(self) -> None:
        """Bring everything up, side by side; returns when every process serves.

        Raises StartFailed when one does not, or when the mesh is unwanted meanwhile.
        """
        with ThreadPoolExecutor(len(SILOS)) as pool:
            list(pool.map(self._start_silo, SILOS))
        # Last, or its breakers would open while the silos are still starting.
        self._start_service("router")
        self._make_center_admin()

    def stop(self) -> None:
        """Drain the router first, then the silos, and last their databases."""
        silos = [self._services[silo] for silo in SILOS]
        self._supervisor.stop([[self._services["router"]], silos, [*self._servers.values()]])

    def _server(self, silo: str) -> PostgresServer:
        name = f"{silo}-postgres"
        return PostgresServer(name, self._ports[name], self._data.postgres)

    def _service(self, name: str) -> Service:
        if name == "router":
            package, environment = name, environments.router(self._ports, self._data)
        else:
            package, environment = (
                f"{name}_svc",
                environments.service(name, self._ports, self._data),
            )
        command = [sys.executable, "-m", package, "serve"]
        return Service(name, command, environment, self._data.log(name))

    def _start_silo(self, silo: str) -> None:
        server = self._servers[silo]
        self._reserved.release(server.name)
        server.start()
        self._supervisor.watch(server)
        self._go_on()
        databases.prepare(server, silo, self._data.secrets)
        if not self._is_migrated(silo):
            self._run(silo, environments.migration(silo, self._ports, self._data), "migrate")
        self._start_service(silo)

    def _is_migrated(self, silo: str) -> bool:
        """Ask first: a start that finds everything done then saves three processes."""
        # Here, not above: every other command would wait for Alembic and SQLAlchemy to load.
        from chassis import migrations  # noqa: PLC0415

        try:
            found = self._servers[silo].psql(_REVISION, database=silo)
        except PostgresFailed:  # no such table: never migrated
            return False
        return found == migrations.head_of(f"{silo}_svc")

    def _make_center_admin(self) -> None:
        """Make the one user that nobody can invite."""
        user = f"center/{passwords.CENTER_ADMIN}"
        made = self._data.secrets / "center" / "admin.password"
        if made.exists():
            return
        secrets.replace(made, passwords.make(self._data, [user])[user].encode())
        who = ("--email", passwords.CENTER_ADMIN, "--password-file", str(made))
        environment = environments.service("center", self._ports, self._data)
        try:
            self._run("center", environment, "bootstrap", *who)
        except StartFailed:
            made.unlink()  # the next start tries again
            raise

    def _run(self, silo: str, environment: Mapping[str, str], *arguments: str) -> None:
        """Run one of a silo's commands to its end, into a log of its own."""
        done = subprocess.run(
            [sys.executable, "-m", f"{silo}_svc", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        with self._data.log(f"{silo}-{arguments[0]}").open("a") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode:
            raise StartFailed(f"{silo}: {arguments[0]} failed: {done.stderr[-1500:]}")

    def _go_on(self) -> None:
        if self._is_unwanted():
            raise StartFailed("broken off")

    def _start_service(self, name: str) -> None:
        self._go_on()
        service = self._services[name]
        for port in (name, f"{name}-metrics", f"{name}-admin"):
            self._reserved.release(port)
        service.start()
        deadline = time.monotonic() + _PATIENCE
        while not serves(self._ports[name]):
            if service.has_ended or time.monotonic() > deadline:
                raise StartFailed(f"{name} does not serve: {service.said}")
            self._go_on()
            _PAUSE.wait(0.05)
        self._supervisor.watch(service)
