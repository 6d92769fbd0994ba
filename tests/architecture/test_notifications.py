"""Only one connection of a process notifies: in a business transaction it would cost too much.

Proves: NOTIFY takes a server-wide lock while its transaction commits, so no other file has one.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("chassis", "hospital_svc", "ems_svc", "center_svc")


def test_only_the_notifier_notifies() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")]
    files = [path for path in files if path.suffix in {".py", ".sql"}]
    loud = {path.name for path in files if "NOTIFY medport" in path.read_text()}
    assert loud == {"event_log_signals.py"}
    assert not [path for path in files if "pg_notify" in path.read_text()]
