"""Every alarm has a runbook, every runbook its four parts, every figure a meaning. No I/O."""

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


def test_an_alarm_is_about_a_metric_that_is_listed() -> None:
    listed = set(
        re.findall(r"^\| `(medport_\w+)`", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    )
    alarms = [line for line in INDEX.splitlines() if line.startswith("|") and "medport_" in line]
    assert len(alarms) >= 7
    for alarm in alarms:
        assert set(re.findall(r"medport_\w+", alarm)) <= listed, alarm


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
        assert "python -m" in command or " show " in command or "--reason" in command, command
