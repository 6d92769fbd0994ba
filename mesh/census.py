"""Counts what the databases hold: how far each silo follows the others, and whether books agree.

The only place of ``mesh`` that looks into databases unasked. It asks PostgreSQL's own psql, as a
superuser from outside would: nothing here can be reached from a serving process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mesh.ports import SILOS
from mesh.postgres import PostgresFailed, PostgresServer
from mesh.state import DataDirectory

Rows = list[dict[str, Any]]

_HEAD = "SELECT last_position AS head FROM event_log_head"
_CHECKPOINTS = """
SELECT consumer, source, position, state,
  (SELECT count(*) FROM consumer_dead_letter d
   WHERE d.consumer = c.consumer AND d.source = c.source AND d.state = 'PARKED') AS parked
FROM consumer_checkpoint c ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Following:
    """How far one consumer of a silo, such as ``ems.settings``, follows another silo."""

    source: str
    consumer: str
    position: int
    head: int | None  # None while the source's database does not answer
    state: str
    parked: int = 0  # events that wait for an operator

    @property
    def lag(self) -> int | None:
        """Events of the source that have not had their effect yet; None where nobody knows."""
        return None if self.head is None else max(0, self.head - self.position)


class Census:
    """Read-only questions to the three databases of a running mesh."""

    def __init__(self, data: DataDirectory) -> None:
        ports = data.running().ports
        self._servers = {
            silo: PostgresServer(f"{silo}-postgres", ports[f"{silo}-postgres"], data.postgres)
            for silo in SILOS
        }

    def rows(self, silo: str, query: str) -> Rows:
        """Return a query's rows; values are what JSON has for them."""
        text = f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) q"  # noqa: S608 - constants of ours
        answer: Rows = json.loads(self._servers[silo].psql(text, database=silo))
        return answer

    def following(self) -> tuple[list[Following], dict[str, str]]:
        """Return who follows whom, and by silo why nobody says whom it follows."""
        heads, rows, silent = dict[str, int](), Rows(), dict[str, str]()
        for silo in SILOS:
            try:
                heads[silo] = self.rows(silo, _HEAD)[0]["head"]
                rows += self.rows(silo, _CHECKPOINTS)
            except PostgresFailed as failed:
                silent[silo] = _why(failed)
        return [Following(**row, head=heads.get(row["source"])) for row in rows], silent


def _why(failed: PostgresFailed) -> str:
    """Take the reason from psql's words, of which the first line names host and port as well."""
    return str(failed).partition("\n")[0].rpartition(": ")[2]
