"""One list of words: the contract's enum, the code's, and the CHECK of every column.

Proves domain.md 2.2: each shared word list is the contract's without UNSPECIFIED; each list in a
silo's rules is that of the contract's enum of its name; each CHECK holds one of those lists.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from enum import StrEnum
from importlib import import_module
from types import ModuleType

import pytest
from google.protobuf.descriptor import EnumDescriptor
from medport.common.v1 import access_pb2
from sqlalchemy import CheckConstraint, Table

from center_svc.domain.users import Permission, Role
from chassis import notification_texts, shared_tables, vocabulary
from tests.support.contract import SILOS, enums, files, package

_LITERAL = re.compile(r"'([A-Z0-9_]+)'")


def _words(module: ModuleType) -> list[type[StrEnum]]:
    found = vars(module).values()
    return [
        each
        for each in found
        if inspect.isclass(each)
        and issubclass(each, StrEnum)
        and each.__module__ == module.__name__
    ]


def _values(enum: EnumDescriptor) -> set[str]:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix) for value in enum.values} - {"UNSPECIFIED"}


def _domain(silo: str) -> list[type[StrEnum]]:
    root = importlib.import_module(f"{silo}_svc.domain")
    modules = pkgutil.iter_modules(root.__path__, f"{root.__name__}.")
    return [word for module in modules for word in _words(import_module(module.name))]


SHARED = {enum.name: enum for file in package("medport.common.v1") for enum in enums(file)}
DOMAINS = [(silo, word) for silo in SILOS for word in _domain(silo)]


WORDS = [
    *_words(vocabulary),
    notification_texts.DeliveryOutcome,
    notification_texts.EmailDeliveryState,
    notification_texts.EmailEndReason,
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.__name__)
def test_a_shared_word_is_the_contracts(word: type[StrEnum]) -> None:
    assert set(word) == _values(SHARED[word.__name__])


@pytest.mark.parametrize(
    ("silo", "word"), DOMAINS, ids=[f"{silo}.{word.__name__}" for silo, word in DOMAINS]
)
def test_a_silos_word_is_that_of_the_contracts_enum_of_its_name(
    silo: str, word: type[StrEnum]
) -> None:
    own = [
        enum
        for file in files()
        if file.package.startswith(f"medport.{silo}.")
        for enum in enums(file)
        if enum.name == word.__name__
    ]
    for enum in own:
        assert set(word) == _values(enum), enum.full_name


def test_the_centers_roles_and_permissions_are_the_contracts() -> None:
    roles = {name.removeprefix("ROLE_CENTER_") for name in access_pb2.Role.keys()}  # noqa: SIM118
    assert {role for role in roles if not role.startswith("ROLE_")} == set(Role)
    assert set(Permission) == _values(access_pb2.Permission.DESCRIPTOR)


def _lists(table: Table) -> dict[str, set[str]]:
    """Return what each column of a table may hold, where its CHECK is a list."""
    found = {}
    for column in table.columns:
        for check in column.constraints:
            text = str(check.sqltext) if isinstance(check, CheckConstraint) else ""
            if " IN (" in text or "<@ ARRAY" in text:
                found[column.name] = set(_LITERAL.findall(text))
    return found


@pytest.mark.parametrize("silo", SILOS)
def test_a_check_that_lists_the_contracts_words_lists_all_of_them(silo: str) -> None:
    """A list may be shorter than an enum only by being another list of the code."""
    metadata = import_module(f"{silo}_svc.tables").metadata
    words = [*_words(vocabulary), *_words(notification_texts)]
    known = [set(word) for word in [*words, *(w for s, w in DOMAINS if s == silo)]]
    for table in metadata.sorted_tables:
        for column, listed in _lists(table).items():
            assert listed, f"{table.name}.{column}"
            if listed in known:
                continue
            own_list = any(listed == set(each) for each in _tuples())
            place = f"{table.name}.{column}"
            assert own_list or place in OWN, f"{place}: {listed}"


@pytest.mark.parametrize("silo", SILOS)
def test_a_notifications_state_is_an_e_mails_or_that_it_was_read(silo: str) -> None:
    table = import_module(f"{silo}_svc.tables").metadata.tables["notification"]
    assert _lists(table)["state"] == {*notification_texts.EmailDeliveryState, "READ"}


def _tuples() -> list[tuple[str, ...]]:
    found = vars(shared_tables).values()
    return [each for each in found if isinstance(each, tuple)]


# Columns whose words stand nowhere but in the table, as the domain lists them.
OWN = {
    "one_time_token.purpose",
    "signing_key.state",
    "notification.state",
    "unit_availability.status",
}
