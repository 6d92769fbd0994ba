"""Every feature of the gateway names a module that has it and a test that proves it. No I/O."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "gateway.md").read_text().splitlines()
    if line.startswith("| ")
][1:]
FEATURES = {  # those of the contract's second part, in its words
    "transparent bytes",
    "routing",
    "access",
    "deadlines",
    "cancellation",
    "flow control",
    "retries",
    "breaker",
    "bulkhead",
    "channels",
    "API versions",
    "load balancing",
    "rate limits",
    "no retry storms",
    "isolation",
    "canary",
    "admin port",
    "read replicas",
    "error origin",
    "reflection",
    "health",
    "limits",
    "drain",
    "configuration",
    "metadata",
    "request ids",
    "metrics",
}


@cache
def written_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {each.name for each in tree.body if isinstance(each, functions)}


def test_every_feature_has_a_row_and_no_row_is_there_twice() -> None:
    names = [row[0] for row in ROWS]
    assert set(names) >= FEATURES
    assert len(names) == len(set(names))


def test_a_row_names_a_module_and_tests_that_exist() -> None:
    for feature, _, module, proof in ROWS:
        modules, proofs = re.findall(r"`([^`]+)`", module), re.findall(r"`([^`]+)`", proof)
        assert modules, feature
        assert proofs, feature
        for each in modules:
            assert (ROOT / each).exists(), (feature, each)
        for each in proofs:
            path, _, name = each.partition("::")
            assert name.startswith("test_"), (feature, each)
            assert name in written_in(path), (feature, each)
