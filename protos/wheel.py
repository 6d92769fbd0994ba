"""Builds the wheel of stubs, for teams that call MedPort and run nothing of it.

    python protos/wheel.py dist

Generated code imports ``buf.validate``, a name that other packages own. In this wheel it imports
``medport._validate`` in its place, and the top level has nothing but ``medport``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

PROTOS = Path(__file__).resolve().parent
IMAGE = PROTOS.parent / "build" / "medport.binpb"
OPTIONS = "buf/validate/validate.proto"

_IMPORT = re.compile(r"^from buf\.validate import validate_pb2 as \w+$", re.MULTILINE)


def lay_out(folder: Path) -> None:
    """Put into ``folder`` everything that the wheel is made of."""
    package = folder / "medport"
    shutil.copytree(
        PROTOS / "gen" / "medport", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    for path in package.rglob("*_pb2.py"):
        path.write_text(_IMPORT.sub("from medport import _validate", path.read_text()))
    shutil.copy(PROTOS / "stubs" / "_validate.py", package)
    shutil.copy(IMAGE, package)
    (package / "_validate.binpb").write_bytes(_options())
    shutil.copy(PROTOS / "stubs" / "README.md", folder)
    project = (PROTOS / "stubs" / "pyproject.toml").read_text()
    version = tomllib.loads((PROTOS.parent / "pyproject.toml").read_text())["project"]["version"]
    named = project.replace('version = "0"', f'version = "{version}"')
    (folder / "pyproject.toml").write_text(named)


def _options() -> bytes:
    """Return the options' own description, without the comments of its source."""
    files = FileDescriptorSet.FromString(IMAGE.read_bytes()).file
    (options,) = (file for file in files if file.name == OPTIONS)
    options.ClearField("source_code_info")
    return options.SerializeToString(deterministic=True)


def build(target: Path) -> None:
    """Build without a network: hatchling is in our own environment."""
    with tempfile.TemporaryDirectory() as temporary:
        lay_out(Path(temporary))
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
        subprocess.run(command, cwd=temporary, check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
