"""An access token proves one caller to one silo, or nothing at all."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.auth import Principal
from chassis.errors import Unauthenticated
from chassis.minting import ProcessTokens, SigningKey, mint, process
from chassis.tokens import Keyring, VerificationKey, Verifier, peer_key

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class World:
    """A verifier of the hospital silo, its signing key, and a clock to turn."""

    def __init__(self) -> None:
        self.now = NOON
        self.private_key = Ed25519PrivateKey.generate()
        self.signing = SigningKey(silo="hospital", name="k1", private_key=self.private_key)
        self.identity = SigningKey(
            silo="ems", name="identity", private_key=Ed25519PrivateKey.generate()
        )
        self.published = [public(self.signing)]
        self.loads = 0
        self.ended: set[object] = set()
        peers = [peer_key("ems", self.identity.private_key.public_key().public_bytes_raw())]
        self.keys = Keyring(peers, self._load, clock=lambda: self.now)
        self.verifier = Verifier(
            "hospital", self.keys, is_over=self._is_over, clock=lambda: self.now
        )

    async def _load(self) -> Iterable[VerificationKey]:
        self.loads += 1
        return self.published

    async def _is_over(self, principal: Principal) -> bool:
        return principal.session_id in self.ended

    def forged(self, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign, with the silo's own key unless told, claims that differ from a good token's."""
        good = claims_of(mint(self.signing, staff(), "hospital", self.now).bearer)
        changed = {name: value for name, value in {**good, **claims}.items() if value is not None}
        headers = {"kid": "hospital:k1", "typ": "at+jwt", **(header or {})}
        return jwt.encode(changed, key or self.private_key, "EdDSA", headers)


def public(key: SigningKey) -> VerificationKey:
    return VerificationKey(
        silo=key.silo,
        name=key.name,
        public_key=key.private_key.public_key(),
        not_before=NOON - timedelta(days=1),
        not_after=NOON + timedelta(days=30),
    )


def staff(**changes: Any) -> Principal:
    facts = {
        "user_id": uuid4(),
        "silo": "hospital",
        "roles": frozenset({"HOSPITAL_STAFF"}),
        "tenant_id": uuid4(),
        "session_id": uuid4(),
    }
    return Principal(**{**facts, **changes})


def claims_of(bearer: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(bearer, options={"verify_signature": False})
    return claims


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def world() -> World:
    return World()


async def refused(world: World, bearer: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await world.verifier.verify(bearer)
    assert str(caught.value) == "the access token is not valid here"


async def test_a_users_token_names_the_user(world: World) -> None:
    user = staff()
    token = mint(world.signing, user, "hospital", NOON)
    assert await world.verifier.verify(token.bearer) == user
    assert token.expires_at == NOON + timedelta(minutes=5)


async def test_a_processs_token_names_the_process(world: World) -> None:
    bearer = ProcessTokens(world.identity, lambda: world.now)("hospital")
    assert await world.verifier.verify(bearer) == process("ems")
    assert world.loads == 0


async def test_a_process_keeps_its_token_until_a_minute_before_its_end(world: World) -> None:
    tokens = ProcessTokens(world.identity, lambda: world.now)
    first = tokens("hospital")
    world.now += timedelta(minutes=4)
    assert tokens("hospital") == first
    world.now += timedelta(seconds=1)
    assert tokens("hospital") != first


async def test_no_algorithm_but_ours(world: World) -> None:
    head, body, signature = world.forged().split(".")
    raw = world.private_key.public_key().public_bytes_raw()
    claims = claims_of(world.forged())
    kid = {"kid": "hospital:k1", "typ": "at+jwt"}
    await refused(world, f"{segment({'alg': 'none', **kid})}.{body}.")
    await refused(world, jwt.encode(claims, raw, "HS256", kid))
    await refused(world, f"{head}.{body}.")
    await refused(world, f"{head}.{body}.{'A' * len(signature)}")
    await refused(world, world.forged(key=Ed25519PrivateKey.generate()))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../etc/passwd"},
        {"kid": "hospital:k2"},
        {"kid": "k1"},
        {"kid": "ems:k1"},
        {"typ": "JWT"},
        {"jku": "http://127.0.0.1/keys"},
        {"x5u": "http://127.0.0.1/keys"},
        {"jwk": {"kty": "OKP"}},
        {"crit": ["exp"]},
    ],
    ids=str,
)
async def test_a_header_says_what_ours_say(world: World, header: dict[str, Any]) -> None:
    await refused(world, world.forged(header=header))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "ems"},
        {"aud": ["hospital", "ems"]},
        {"aud": None},
        {"iss": "ems"},
        {"iss": None},
        {"exp": None},
        {"exp": 9e15},
        {"exp": "soon"},
        {"exp": int(NOON.timestamp()) + 3600},
        {"exp": 10**30},
        {"iat": None},
        {"nbf": int(NOON.timestamp()) + 60},
        {"sub": None},
        {"sub": "root"},
        {"sid": None},
        {"sid": 7},
        {"tenant": None},
        {"roles": []},
        {"roles": ["CENTER_ADMIN"]},
        {"roles": ["SERVICE"]},
        {"roles": 7},
        {"perms": ["TRIP_OVERRIDE"]},
        {"unit": str(UUID(int=7))},  # which only a crew has
        {"jti": None},
    ],
    ids=str,
)
async def test_claims_are_those_the_key_can_vouch_for(world: World, claims: dict[str, Any]) -> None:
    await refused(world, world.forged(**claims))


@pytest.mark.parametrize("bearer", ["", ".", "..", "a.b.c", "ü.ü.ü", "x" * 65_536, "e30.e30.e30"])
async def test_noise_is_no_token(world: World, bearer: str) -> None:
    await refused(world, bearer)


async def test_a_process_is_no_user(world: World) -> None:
    user = staff(silo="ems", roles=frozenset({"EMS_ADMIN"}))
    await refused(world, mint(world.identity, user, "hospital", NOON).bearer)


async def test_a_published_key_does_not_become_a_processs(world: World) -> None:
    false = SigningKey(silo="router", name="identity", private_key=Ed25519PrivateKey.generate())
    world.published = [public(false)]
    await refused(world, mint(false, process("router"), "hospital", NOON).bearer)


async def test_a_remembered_token_expires_all_the_same(world: World) -> None:
    bearer = mint(world.signing, staff(), "hospital", NOON).bearer
    await world.verifier.verify(bearer)
    world.now += timedelta(minutes=5, seconds=29)
    await world.verifier.verify(bearer)
    world.now += timedelta(seconds=1)
    await refused(world, bearer)


async def test_an_ended_session_is_noticed_within_five_seconds(world: World) -> None:
    user = staff()
    bearer = mint(world.signing, user, "hospital", NOON).bearer
    await world.verifier.verify(bearer)
    world.ended.add(user.session_id)
    world.now += timedelta(seconds=5)
    await refused(world, bearer)


async def test_a_revoked_key_is_noticed_within_thirty_seconds(world: World) -> None:
    bearer = mint(world.signing, staff(), "hospital", NOON).bearer
    await world.verifier.verify(bearer)
    world.published = []
    world.now += timedelta(seconds=30)
    await refused(world, bearer)


async def test_a_key_is_believed_only_in_its_time(world: World) -> None:
    bearer = mint(world.signing, staff(), "hospital", NOON + timedelta(days=30, hours=1)).bearer
    world.now = NOON + timedelta(days=30, hours=1)
    await refused(world, bearer)


async def test_a_flood_of_unknown_keys_loads_them_once(world: World) -> None:
    flood = [world.forged(header={"kid": f"hospital:{number}"}) for number in range(50)]
    await asyncio.gather(*(refused(world, each) for each in flood))
    assert world.loads == 1


async def test_a_new_key_is_found_at_once(world: World) -> None:
    await world.verifier.verify(mint(world.signing, staff(), "hospital", NOON).bearer)
    newer = SigningKey(silo="hospital", name="k2", private_key=Ed25519PrivateKey.generate())
    world.published = [public(world.signing), public(newer)]
    world.now += timedelta(seconds=1)
    await world.verifier.verify(mint(newer, staff(), "hospital", world.now).bearer)
