"""A password is hashed as OWASP says, whoever asks costs the same, and Unicode is one spelling."""

from __future__ import annotations

import pytest

from chassis import passwords
from chassis.errors import InvalidArgument
from chassis.passwords import Passwords


async def test_the_right_password_matches_and_no_other() -> None:
    kit = Passwords()
    kept = await kit.hash("correct horse battery")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await kit.verify("correct horse battery", kept)
    assert not await kit.verify("correct horse batterz", kept)


async def test_nobodys_password_is_hashed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clock would show: an unknown account costs one hash, as a known one does."""
    hashed: list[str] = []
    matches = passwords._matches

    def counted(password: bytes, password_hash: str) -> bool:
        hashed.append(password_hash)
        return matches(password, password_hash)

    monkeypatch.setattr(passwords, "_matches", counted)
    assert not await Passwords().verify("anything", None)
    assert len(hashed) == 1
    assert not passwords.is_outdated(hashed[0])


async def test_one_password_however_it_is_typed() -> None:
    kit = Passwords()
    assert await kit.verify("café ﬁne", await kit.hash("cafe\u0301 fine"))


async def test_a_password_of_more_than_128_bytes_is_refused() -> None:
    kit = Passwords()
    await kit.hash("x" * 128)
    with pytest.raises(InvalidArgument):
        await kit.hash("x" * 129)


async def test_a_hash_of_another_kind_matches_nothing() -> None:
    assert not await Passwords().verify("x", "$2b$10$abcdefghijklmnopqrstuv")
    assert passwords.is_outdated("$2b$10$abcdefghijklmnopqrstuv")
