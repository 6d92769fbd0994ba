"""Every figure is documented with its type and labels, and every documented one exists. No I/O."""

from __future__ import annotations

import center_svc.server
import ems_svc.server
import hospital_svc.server
import router.server
from tests.support.metrics import listed, registered

PROCESSES = (center_svc.server, ems_svc.server, hospital_svc.server, router.server)


def test_what_the_code_counts_is_what_the_document_lists() -> None:
    assert all(PROCESSES)
    code, document = registered(), listed()
    assert {each.name for each in code ^ document} == set()
    assert code == document
