"""Every RPC, message and enum has its place in ``docs/api``, and every link there leads somewhere.

That the pages are fresh is ``make contract``'s to prove. No I/O but reading them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

from tests.support.contract import enums, files, messages

API = Path(__file__).resolve().parents[2] / "docs" / "api"
PAGES = sorted(API.rglob("*.md"))
LINK = re.compile(r"\[`?[\w.]+`?\]\(([^)]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def _headings(page: Path) -> set[str]:
    return set(HEADING.findall(page.read_text()))


def _anchors(page: Path) -> set[str]:
    return {re.sub(r"[^a-z0-9_-]", "", heading.lower()) for heading in _headings(page)}


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.name))
def test_whatever_the_contract_defines_is_described(file: FileDescriptor) -> None:
    page = API / f"{file.name.removeprefix('medport/').removesuffix('.proto')}.md"
    called = {
        method.name for service in file.services_by_name.values() for method in service.methods
    }
    typed = {
        element.full_name.removeprefix(f"{file.package}.")
        for element in [*messages(file), *enums(file)]
    }
    assert called | typed | set(file.services_by_name) <= _headings(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(API)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(API)))
def test_a_page_is_text(page: Path) -> None:
    """With a NUL in it, it is binary to git and grep, which then show no line of it."""
    assert page.read_text().replace("\n", "").isprintable()


def test_an_updates_resource_is_checked_where_the_mask_names_it() -> None:
    rows = (API / "hospital" / "v1" / "facilities.md").read_text().splitlines()
    [row] = [each for each in rows if each.startswith("| `facility` | 3 |")]
    assert "required; checked where the mask names it |" in row
