"""Every runbook can be found and has its four parts. No I/O but reading files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
INDEX = (DOCS / "runbooks" / "README.md").read_text()
RUNBOOKS = sorted(path.name for path in (DOCS / "runbooks").glob("*.md") if path.stem != "README")


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
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for command in (block for language, block in blocks if not language):
        says_why = "--reason" in command or '"reason"' in command
        assert says_why or "python -m" in command or " show " in command, command
