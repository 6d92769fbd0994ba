"""The examples need what a stranger has: the contract's wheel, what it depends on, and Python."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"
# grpcio, protobuf and googleapis-common-protos: what ``protos/stubs/pyproject.toml`` names.
PUBLISHED = {"medport", "grpc", "google"}


def imported(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_they_import_nothing_else() -> None:
    allowed = PUBLISHED | {"examples"} | sys.stdlib_module_names
    strange = {
        path.name: more
        for path in EXAMPLES.rglob("*.py")
        if (more := imported(path.read_text()) - allowed)
    }
    assert strange == {}
