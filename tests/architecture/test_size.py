"""Files and functions stay small: the budget of the house, per package.

Proves: no file over 300 lines, no function over 50; the median and the 90th percentile of each
package stay below what other code bases of this taste have. Migrations and generated code are
exempt. No I/O but reading sources.
"""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "chassis",
    "hospital_svc",
    "ems_svc",
    "center_svc",
    "router",
    "mesh",
    "bench",
    "examples",
)
FOLDERS = (*PACKAGES, "tests", "protos", "deploy")

FILE_LINES, FUNCTION_LINES, SERVICER_LINES = 300, 50, 20
MEDIAN_FILE, MEDIAN_FUNCTION, P90_FUNCTION = 120, 8, 25

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    return [path for path in found if not {"gen", "migrations"} & set(path.parts)]


def functions(path: Path) -> list[Function]:
    tree = ast.parse(path.read_text())
    return [each for each in ast.walk(tree) if isinstance(each, Function)]


def length(function: Function) -> int:
    """Count the lines of code: a docstring explains, and is not counted."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_and_no_function_is_too_long(folder: str) -> None:
    long_files = {
        str(path.relative_to(ROOT)): lines
        for path in sources(folder)
        if (lines := len(path.read_text().splitlines())) > FILE_LINES
    }
    long_functions = {
        f"{path.relative_to(ROOT)}:{each.lineno} {each.name}": length(each)
        for path in sources(folder)
        for each in functions(path)
        if length(each) > FUNCTION_LINES
    }
    assert (long_files, long_functions) == ({}, {})


@pytest.mark.parametrize("package", PACKAGES)
def test_most_files_and_functions_are_small(package: str) -> None:
    files = [len(path.read_text().splitlines()) for path in sources(package)]
    lengths = [length(each) for path in sources(package) for each in functions(path)]
    assert median(files) <= MEDIAN_FILE
    assert median(lengths) <= MEDIAN_FUNCTION
    assert quantiles(lengths, n=10)[-1] <= P90_FUNCTION


def test_a_servicers_method_reads_decides_writes_and_announces() -> None:
    folders = (f"{silo}_svc/servicers" for silo in ("hospital", "ems", "center"))
    paths = chain.from_iterable(map(sources, folders))
    too_long = {
        f"{path.relative_to(ROOT)}:{each.lineno} {each.name}": body
        for path in paths
        for each in functions(path)
        if each.name[0].isupper() and (body := _body(each)) > SERVICER_LINES
    }
    assert too_long == {}


def _body(function: Function) -> int:
    """Count what comes after the signature, which a formatter may spread over lines."""
    return (function.end_lineno or 0) - function.body[0].lineno + 1
