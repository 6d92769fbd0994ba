"""Makes access tokens: for users with the silo's signing key, for processes with their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis import ids
from chassis.auth import Principal
from chassis.clock import Clock, utc_now
from chassis.tokens import ALGORITHM, AUDIENCES, IDENTITY, LIFE, TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The private half of a key."""

    silo: str
    name: str
    private_key: Ed25519PrivateKey

    @property
    def kid(self) -> str:
        return f"{self.silo}:{self.name}"


@dataclass(frozen=True, slots=True)
class AccessToken:
    bearer: str
    expires_at: datetime


def identity_key(silo: str, pem: bytes) -> SigningKey:
    """Read a process's own key (PEM, PKCS#8); raises ValueError unless it is Ed25519."""
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the identity key is not an Ed25519 key")  # noqa: TRY004 - of its content
    return SigningKey(silo=silo, name=IDENTITY, private_key=key)


def process(silo: str) -> Principal:
    """Return the principal that a silo's own process is to its peers."""
    user_id = uuid5(NAMESPACE_URL, f"spiffe://medport/{silo}")
    return Principal(user_id=user_id, silo=silo, roles=frozenset({"SERVICE"}))


def may_call(principal: Principal, audience: str) -> bool:
    """Say whether the contract lets ``principal`` call anything in the silo ``audience``."""
    return any(audience in AUDIENCES.get(role, ()) for role in principal.roles)


def mint(key: SigningKey, principal: Principal, audience: str, now: datetime) -> AccessToken:
    """Sign a token that lets ``principal`` call the silo ``audience`` until it expires."""
    issued = now.replace(microsecond=0)
    expires = issued + LIFE
    claims = {
        "iss": key.silo,
        "aud": audience,
        "sub": str(principal.user_id),
        "roles": sorted(principal.roles),
        "perms": sorted(principal.permissions),
        "jti": str(ids.new()),
        "iat": int(issued.timestamp()),
        "nbf": int(issued.timestamp()),
        "exp": int(expires.timestamp()),
        **_present("tenant", principal.tenant_id),
        **_present("sid", principal.session_id),
        **_present("unit", principal.unit_id),
    }
    header = {"kid": key.kid, "typ": TYPE}
    return AccessToken(jwt.encode(claims, key.private_key, ALGORITHM, header), expires)


def _present(claim: str, value: UUID | None) -> dict[str, Any]:
    return {} if value is None else {claim: str(value)}


class ProcessTokens:
    """The tokens that this process shows to its peers; each serves until a minute before its end.

    Calling it gives the bearer for a silo: ``Callable[[str], str]``.
    """

    def __init__(self, key: SigningKey, clock: Clock = utc_now) -> None:
        self._key = key
        self._clock = clock
        self._tokens: dict[str, AccessToken] = {}

    def __call__(self, audience: str) -> str:
        now = self._clock()
        token = self._tokens.get(audience)
        if token is None or token.expires_at - now < timedelta(minutes=1):
            token = mint(self._key, process(self._key.silo), audience, now)
            self._tokens[audience] = token
        return token.bearer
