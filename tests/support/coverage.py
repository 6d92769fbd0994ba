"""Reads ``docs/coverage.md``: where each column of the founding document went."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor import Descriptor, MethodDescriptor

from tests.support.contract import files, messages, methods

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"
_HEADING = re.compile(r"^## (\w+): `(\w+)\.(\w+)`, `([\w.]+)`$")
_ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$")
_QUOTED = re.compile(r"`([\w.*]+)`")


@dataclass(frozen=True)
class Column:
    """One column of the founding document; names as the page gives them."""

    founding: str  # Table.column
    silo: str
    columns: list[tuple[str, str]]  # (table, column), where * stands for a whole table
    fields: list[tuple[str, str]]  # (message's full name, field)
    readers: list[str]  # full names of RPCs
    writers: list[str]

    def __str__(self) -> str:
        return self.founding


def founding_columns() -> list[Column]:
    found: list[Column] = []
    table = silo = ours = message = ""
    for line in PAGE.read_text().splitlines():
        if heading := _HEADING.match(line):
            table, silo, ours, message = heading.groups()
        elif row := _ROW.match(line):
            name, columns, fields, readers, writers = row.groups()
            package = message.rpartition(".")[0]
            found.append(
                Column(
                    founding=f"{table}.{name}",
                    silo=silo,
                    columns=[_split(each, ours) for each in _QUOTED.findall(columns)],
                    fields=[
                        _split(each, message, package + ".") for each in _QUOTED.findall(fields)
                    ],
                    readers=[_rpc(each, package) for each in _QUOTED.findall(readers)],
                    writers=[_rpc(each, package) for each in _QUOTED.findall(writers)],
                )
            )
    return found


def _split(name: str, owner: str, prefix: str = "") -> tuple[str, str]:
    """Split ``owner.name``; without an owner it is the heading's."""
    given, _, last = name.rpartition(".")
    return (prefix + given if given else owner, last)


def _rpc(name: str, package: str) -> str:
    return (
        f"medport.{name}"
        if name.startswith(("ems.", "hospital.", "center."))
        else (f"{package}.{name}")
    )


def rpcs() -> dict[str, MethodDescriptor]:
    return {method.full_name: method for method in methods()}


def descriptors() -> dict[str, Descriptor]:
    return {message.full_name: message for file in files() for message in messages(file)}
