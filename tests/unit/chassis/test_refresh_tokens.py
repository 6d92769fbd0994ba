"""Refresh tokens lead to their tenant, and each to the one after it, by the silo's secret only."""

from __future__ import annotations

from uuid import uuid4

import pytest

from chassis.refresh_tokens import RefreshTokens

SECRET = bytes(range(32))


@pytest.mark.parametrize("has_tenants", [True, False])
def test_a_token_is_read_as_it_was_made(has_tenants: bool) -> None:
    tokens = RefreshTokens(SECRET, has_tenants=has_tenants)
    secret = tokens.first(uuid4() if has_tenants else None)
    assert tokens.read(secret.text) == secret
    assert tokens.read(secret.text[:-1]) is None
    assert tokens.read(secret.text + "A") is None
    assert RefreshTokens(SECRET, has_tenants=not has_tenants).read(secret.text) is None


def test_the_next_token_follows_from_the_secret() -> None:
    tokens = RefreshTokens(SECRET, has_tenants=False)
    first = tokens.first(None)
    assert tokens.after(first) == tokens.after(first)
    assert tokens.after(first) != first
    assert RefreshTokens(SECRET[::-1], has_tenants=False).after(first) != tokens.after(first)


def test_no_two_sessions_begin_alike() -> None:
    tokens = RefreshTokens(SECRET, has_tenants=False)
    assert len({tokens.first(None).hash for _ in range(1000)}) == 1000
