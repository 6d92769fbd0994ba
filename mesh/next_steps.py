"""Commands to type next: they work against the running mesh exactly as they are printed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from rich.console import Console

from mesh.state import DataDirectory


def show(data: DataDirectory, console: Console) -> None:
    """Print the commands; one without its program here is left out."""
    console.print("\n[bold]Next[/bold]")
    for line in lines(data):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def lines(data: DataDirectory) -> list[str]:
    """Return comments and commands, each on a line of its own."""
    address = f"127.0.0.1:{data.running().ports['router']}"
    return [*_grpcurl(address), *_buf(address), *_ours(data, address)]


def program(name: str) -> str | None:
    """Return how to call a program from here: by path where PATH does not lead to ours."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name)
    if found and (not beside.exists() or Path(found).samefile(beside)):
        return name
    if not beside.exists():
        return None
    relative = os.path.relpath(beside)
    return str(beside) if relative.startswith("..") else relative


def _grpcurl(address: str) -> list[str]:
    grpcurl = program("grpcurl")
    if grpcurl is None:
        return []
    method = "medport.hospital.v1.TransportRequestService"
    return [
        "# every public service, and one of them",
        f"{grpcurl} -plaintext {address} list",
        f"{grpcurl} -plaintext {address} describe {method}",
        f"{grpcurl} -plaintext {address} medport.router.v1.GatewayService/GetMeshStatus",
    ]


def _buf(address: str) -> list[str]:
    buf = program("buf")
    if buf is None:
        return []
    http = "--protocol grpc --http2-prior-knowledge"
    status = "medport.router.v1.GatewayService/GetMeshStatus"
    return [
        "# the same with buf",
        f"{buf} curl {http} --list-methods http://{address}",
        f"{buf} curl {http} -d '{{}}' http://{address}/{status}",
    ]


def _ours(data: DataDirectory, address: str) -> list[str]:
    medport = program("medport") or f"{sys.executable} -m mesh"
    where = f"--data {_shortest(data.root)}"
    general = [
        "# what runs where, and what the silos announce",
        f"{medport} status {where}",
        f"{medport} events {where} --from earliest",
    ]
    grpcurl = program("grpcurl")
    if grpcurl is None or not data.demonstration.exists():
        return general
    cast = json.loads(data.demonstration.read_text())
    hospital = cast["hospitals"][0]
    login = f"{medport} login {where} --silo hospital --email {hospital['managers'][0]}"
    request = json.dumps({"hospital_id": hospital["id"], "page_size": 3})
    method = "medport.hospital.v1.TransportRequestService/ListTransportRequests"
    bearer = '-H "authorization: Bearer $TOKEN"'
    return [
        *general,
        "# as a case manager: log in, then read the hospital's newest trips",
        f"TOKEN=$({login})",
        f"{grpcurl} -plaintext {bearer} -d '{request}' {address} {method}",
    ]


def _shortest(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
