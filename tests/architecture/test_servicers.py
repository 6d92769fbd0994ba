"""Each servicer keeps what the contract promises of all: one effect per request id, sealed pages.

The unit of work claims a request id by itself; what a method must not forget is the answer that a
repeat gets. No I/O but reading the servicers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from tests.support.contract import SILOS, methods

ROOT = Path(__file__).resolve().parents[2]
# Sessions answer with secrets, which are not kept; they are never repeated by machines (rule 8).
WITHOUT_KEPT_ANSWERS = {"SessionService"}
# The answer to everybody is empty, and the effect later: the token's id is the request's.
ANSWERED_BEFORE = {"RequestPasswordReset"}
# The chassis does it for the three silos, whose servicers only translate.
SHARED = {"ListConsumers", "ListDeadLetters", "ListEmailDeliveries", "ListNotifications"}
UNPAGED = {"ListVerificationKeys"}  # a handful of keys, which a verifier needs whole


def _bodies() -> Iterator[tuple[str, str]]:
    """Give each method's full name, but for the package's version, and its text."""
    for silo in SILOS:
        for path in sorted((ROOT / f"{silo}_svc" / "servicers").glob("*.py")):
            for each in ast.walk(ast.parse(path.read_text())):
                if isinstance(each, ast.AsyncFunctionDef):
                    yield f"{silo}.{path.stem}.{each.name}", ast.unparse(each)


BODIES = dict(_bodies())


def _name(method: MethodDescriptor) -> str:
    noun = method.containing_service.file.name.rpartition("/")[2].removesuffix(".proto")
    return f"{method.full_name.split('.')[1]}.{noun}.{method.name}"


def _owned(name: str) -> bool:
    return name in BODIES


CHANGING = [
    method
    for method in methods()
    if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
    and not method.client_streaming
    and method.containing_service.name not in WITHOUT_KEPT_ANSWERS
    and method.name not in ANSWERED_BEFORE
    and _owned(_name(method))
]
LISTS = [
    method
    for method in methods()
    if method.name.startswith("List")
    and method.name not in SHARED | UNPAGED
    and _owned(_name(method))
]


@pytest.mark.parametrize("method", CHANGING, ids=_name)
def test_what_changes_something_keeps_its_answer_with_the_effect(method: MethodDescriptor) -> None:
    assert ".answered(" in BODIES[_name(method)]


@pytest.mark.parametrize("method", LISTS, ids=_name)
def test_a_list_continues_from_a_sealed_place(method: MethodDescriptor) -> None:
    body = BODIES[_name(method)]
    assert ".page(" in body
    assert ".cut(" in body


def test_most_methods_are_seen_here() -> None:
    """A servicer that moved would pass unseen."""
    assert len(CHANGING) + len(LISTS) > len(BODIES) / 4
