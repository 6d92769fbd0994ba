"""Secrets: made once, readable by their owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

from mesh import passwords, secrets
from mesh.state import DataDirectory


def everything(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_file_is_its_owners_alone(tmp_path: Path) -> None:
    secrets.generate(tmp_path / "secrets")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_second_start_finds_the_same_secrets(tmp_path: Path) -> None:
    secrets.generate(tmp_path)
    first = everything(tmp_path)
    secrets.generate(tmp_path)
    assert everything(tmp_path) == first


def test_no_two_passwords_are_alike(tmp_path: Path) -> None:
    secrets.generate(tmp_path)
    texts = [path.read_text() for path in tmp_path.rglob("*.password")]
    assert len(set(texts)) == len(texts) == 9


def test_a_users_password_stays(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    first = passwords.make(data, ["hospital/a@x.example"])
    passwords.make(data, ["ems/b@x.example"])
    assert passwords.make(data, ["hospital/a@x.example"]) == first
    assert stat.S_IMODE(data.passwords.stat().st_mode) == 0o600
