"""Shows what runs where: ports, health, and how far each silo follows the others."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from mesh import health
from mesh.census import Census, Following
from mesh.ports import SILOS
from mesh.postgres import PostgresServer
from mesh.state import DataDirectory

_GOOD = {"SERVING", "ready"}


def show(data: DataDirectory, *, as_json: bool) -> None:
    """Print a table, or one JSON object with the same."""
    programs, lags = _programs(data), list(Census(data).following())
    if as_json:
        print(json.dumps({"programs": programs, "following": [_plain(lag) for lag in lags]}))
        return
    console = Console()
    console.print(_programs_table(programs))
    console.print(_lags_table(lags))


def _programs(data: DataDirectory) -> dict[str, dict[str, str | int]]:
    ports = data.running().ports
    answer: dict[str, dict[str, str | int]] = {}
    for silo in SILOS:
        name = f"{silo}-postgres"
        server = PostgresServer(name, ports[name], data.postgres)
        answer[name] = {"port": ports[name], "health": "ready" if server.ready else "down"}
    for name in (*SILOS, "router"):
        answer[name] = {
            "port": ports[name],
            "metrics": ports[f"{name}-metrics"],
            "health": health.state(ports[name]),
        }
    return answer


def _plain(lag: Following) -> dict[str, str | int]:
    return {
        "source": lag.source,
        "consumer": lag.consumer,
        "position": lag.position,
        "lag": lag.lag,
        "state": lag.state,
    }


def _programs_table(programs: dict[str, dict[str, str | int]]) -> Table:
    table = Table("program", "address", "metrics", "health", title="What runs where")
    for name, facts in programs.items():
        color = "green" if facts["health"] in _GOOD else "red"
        metrics = f"127.0.0.1:{facts['metrics']}" if "metrics" in facts else ""
        health_shown = f"[{color}]{facts['health']}[/{color}]"
        table.add_row(name, f"127.0.0.1:{facts['port']}", metrics, health_shown)
    return table


def _lags_table(lags: list[Following]) -> Table:
    table = Table("events of", "followed by", "position", "lag", "state", title="Who follows whom")
    for lag in lags:
        table.add_row(lag.source, lag.consumer, str(lag.position), str(lag.lag), lag.state)
    return table
