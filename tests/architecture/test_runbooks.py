"""Every runbook can be found, has its four parts, and prints commands that ``medport`` knows.

No I/O but reading files.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from mesh.__main__ import app

DOCS = Path(__file__).resolve().parents[2] / "docs"
INDEX = (DOCS / "runbooks" / "README.md").read_text()
RUNBOOKS = sorted(path.name for path in (DOCS / "runbooks").glob("*.md") if path.stem != "README")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(medport [^`]+)`")
_BETWEEN = ";|&()\n"  # what ends a command of a shell
# They run a silo's own program: nobody logs in whose reason there would be to record.
_OWN_PROGRAMS = ("medport new-epoch", "medport rebuild-analytics")


def medport_commands() -> list[tuple[str, ...]]:
    """Return the arguments of each command of ours that a runbook prints, in a block or a line."""
    found = dict[tuple[str, ...], None]()
    for path in sorted((DOCS / "runbooks").glob("*.md")):
        text = path.read_text()
        printed = [script for _, script in _BLOCK.findall(text)]
        for script in (*printed, *_INLINE.findall(_BLOCK.sub("", text))):
            found.update(dict.fromkeys(tuple(each[1:]) for each in _words(script) if each))
    return list(found)


def _words(script: str) -> list[list[str]]:
    """Return the words of each ``medport`` of a script, as a shell splits them."""
    lexer = shlex.shlex(script.replace("\\\n", " "), posix=True, punctuation_chars=_BETWEEN)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    commands = list[list[str]]([[]])
    for word in lexer:
        if set(word) <= set(_BETWEEN):
            commands.append([])
        else:
            commands[-1].append(word)
    return [each for each in commands if each and each[0] == "medport"]


def parse(arguments: tuple[str, ...]) -> None:
    """Parse as ``medport`` does, and run nothing; raises TyperException."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        _, command, rest = command.resolve_command(typer.Context(command), rest)
    command.make_context("medport", rest)


def test_the_index_leads_to_every_runbook_and_to_nothing_else() -> None:
    linked = set(re.findall(r"\(([\w-]+\.md)\)", INDEX))
    assert linked == set(RUNBOOKS)


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_runbook_says_symptom_check_act_and_verify(name: str) -> None:
    text = (DOCS / "runbooks" / name).read_text()
    parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
    assert parts == ["Symptom", "Check", "Act", "Verify"]
    assert "```sh" in text.split("**Verify.**")[1], "it can be seen that it helped"
    for linked in re.findall(r"\(([\w-]+\.md)\)", text):
        assert (DOCS / "runbooks" / linked).exists(), linked
    for command in (block for language, block in _BLOCK.findall(text) if not language):
        says_why = "--reason" in command or '"reason"' in command
        is_own = any(each in command for each in _OWN_PROGRAMS)
        assert says_why or is_own or " show " in command, command


@pytest.mark.parametrize("arguments", medport_commands(), ids=" ".join)
def test_medport_knows_each_command_that_a_runbook_prints(arguments: tuple[str, ...]) -> None:
    parse(arguments)


def test_every_kind_of_command_is_found() -> None:
    found = {arguments[0] for arguments in medport_commands()}
    assert {"status", "psql", "consumers", "dead-letters", "login", "new-epoch"} <= found
    assert ("dead-letters", "list", "--state", "PARKED") in medport_commands()


@pytest.mark.parametrize(
    "arguments",
    [
        ("new-epoch", "ems"),
        ("new-epoch", "ems", "three"),
        ("new-epoch", "nowhere", "3"),
        ("consumers", "resume", "--silo", "ems"),
        ("consumers", "restart"),
        ("psql", "ems", "SELECT 1", "--loudly"),
    ],
    ids=" ".join,
)
def test_what_medport_does_not_know_would_be_noticed(arguments: tuple[str, ...]) -> None:
    with pytest.raises(TyperException):
        parse(arguments)


def test_no_runbook_asks_for_a_program_that_would_lack_its_settings() -> None:
    asking = [name for name in (*RUNBOOKS, "README.md") if "python -m" in _text(name)]
    assert asking == []


def _text(name: str) -> str:
    return (DOCS / "runbooks" / name).read_text()
