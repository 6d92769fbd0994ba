"""Shows an operator a silo's database, and lets one change it who says so."""

from __future__ import annotations

import shutil

from mesh.postgres import PostgresServer
from mesh.state import DataDirectory


def run(data: DataDirectory, silo: str, statements: str, *, write: bool) -> str:
    """Return what psql prints for them, as the role that only reads, or as the superuser.

    Raises PostgresFailed at the first statement that fails.
    """
    name = f"{silo}-postgres"
    server = PostgresServer(name, data.running().ports[name], data.postgres)
    user, password = "postgres", server.password
    if not write:
        user = f"{silo}_reader"
        password = (data.secrets / silo / "reader.password").read_text()
    width = shutil.get_terminal_size().columns
    return server.table(statements, database=silo, user=user, password=password, width=width)
