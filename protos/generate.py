"""Generates ``protos/gen``, the descriptor set and ``docs/api`` from the contract.

    python protos/generate.py                    everything: build/medport.binpb and docs/api too
    python protos/generate.py medport/ems ...    only the files below these folders
    python protos/generate.py --image            only build/medport.binpb

Files are replaced one by one, never the folder: a running process keeps finding its imports.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
BUILD = PROTOS.parent / "build"
GEN = PROTOS / "gen"


def contract(below: list[str]) -> list[str]:
    files = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "medport").rglob("*.proto"))
    return [file for file in files if not below or file.startswith(tuple(below))]


def protoc(*arguments: str) -> None:
    imports = BUILD / "imports.binpb"
    subprocess.run([sys.executable, PROTOS / "imports.py", imports], check=True)
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={imports}"]
    # The mypy plugins stand beside the interpreter, whether or not its environment is activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path}
    subprocess.run([*command, "-I", str(PROTOS), *arguments], check=True, env=environment)


def image() -> None:
    """Write the descriptor set: what buf checks and what the router is driven by."""
    target = BUILD / "medport.binpb"
    protoc("--include_imports", "--include_source_info", "-o", str(target), *contract([]))


def code(below: list[str]) -> None:
    """Write typed Python below ``gen``; a proto's path is its module's path."""
    plugins = ("--python_out=", "--grpc_python_out=", "--mypy_out=quiet:", "--mypy_grpc_out=quiet:")
    protoc(*(f"{plugin}{GEN}" for plugin in plugins), *contract(below))
    (GEN / "medport" / "py.typed").touch()


def drop_orphans() -> None:
    """Remove code whose proto is gone."""
    known = {file.removesuffix(".proto") for file in contract([])}
    for path in (GEN / "medport").rglob("*_pb2*"):
        noun = path.name.partition("_pb2")[0]
        if str((path.parent / noun).relative_to(GEN)) not in known:
            path.unlink()


def main(arguments: list[str]) -> None:
    BUILD.mkdir(exist_ok=True)
    chosen = [argument for argument in arguments if argument != "--image"]
    if "--image" not in arguments:
        code(chosen)
        drop_orphans()
    if not chosen:
        image()
        if "--image" not in arguments:
            subprocess.run([sys.executable, PROTOS / "document.py"], check=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)  # it has said what is wrong
