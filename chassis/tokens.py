"""Access tokens: who a caller is, signed by its silo, for one silo, for five minutes.

JSON Web Tokens as of RFC 9068 (``typ: at+jwt``), Ed25519 only. Users' tokens are signed with
their silo's signing keys, processes' with the identity key that their peers are configured with.
``chassis.minting`` makes them; here they are verified.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options
from medport.common.v1.access_pb2 import Role

from chassis.auth import Principal
from chassis.clock import Clock, utc_now
from chassis.errors import Unauthenticated

LIFE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=30)  # between two processes' clocks
IDENTITY = "identity"  # the name of a process's own key
ALGORITHM = "EdDSA"
TYPE = "at+jwt"

SILOS = ("hospital", "ems", "center")
_EVERYWHERE = frozenset(SILOS)

# In which silos the contract lets a role call anything: a token is made for no other silo. Every
# role may follow every silo's event log, which delivers to each what is addressed to it.
# ``tests/architecture`` compares with the access options.
AUDIENCES: Mapping[str, frozenset[str]] = {
    "HOSPITAL_STAFF": _EVERYWHERE,
    "HOSPITAL_CASE_MANAGER": _EVERYWHERE,
    "HOSPITAL_ADMIN": _EVERYWHERE,
    "EMS_DISPATCHER": _EVERYWHERE,
    "EMS_CREW": _EVERYWHERE,
    "EMS_BILLING": _EVERYWHERE,
    "EMS_ADMIN": _EVERYWHERE,
    "CENTER_COORDINATOR": _EVERYWHERE,
    "CENTER_ADMIN": _EVERYWHERE,
    "SERVICE": _EVERYWHERE,
}

_NAMES = [name.removeprefix("ROLE_") for name in Role.DESCRIPTOR.values_by_name]
_ROLES = {
    silo: frozenset(name for name in _NAMES if name.startswith(f"{silo.upper()}_"))
    for silo in SILOS
}

MOST_CHARACTERS = 4096  # ours have about 600; longer ones are not worth a hash
MOST_REMEMBERED = 10_000
REMEMBERED = timedelta(seconds=30)
REMEMBERED_AT_HOME = timedelta(seconds=5)  # how long a session's end may go unnoticed here
KEPT = timedelta(seconds=30)  # how long a key's revocation may go unnoticed

_OPTIONS: Options = {
    "require": ["iss", "aud", "sub", "roles", "perms", "jti", "iat", "nbf", "exp"],
    "strict_aud": True,
    "verify_exp": False,  # our own clock checks the three times
    "verify_nbf": False,
    "verify_iat": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """The public half of a key, and what it may vouch for: one silo's users, or one process."""

    silo: str
    name: str
    public_key: Ed25519PublicKey
    not_before: datetime
    not_after: datetime

    @property
    def kid(self) -> str:
        """What tokens call the key. The silo's name keeps one silo from passing off as another."""
        return f"{self.silo}:{self.name}"

    @property
    def roles(self) -> frozenset[str]:
        """The roles that a token under this key may claim."""
        return frozenset({"SERVICE"}) if self.name == IDENTITY else _ROLES[self.silo]


def peer_key(silo: str, raw: bytes) -> VerificationKey:
    """Take a process's public key from configuration: it holds for as long as it stands there."""
    return VerificationKey(
        silo=silo,
        name=IDENTITY,
        public_key=Ed25519PublicKey.from_public_bytes(raw),
        not_before=datetime(2000, 1, 1, tzinfo=UTC),
        not_after=datetime(2200, 1, 1, tzinfo=UTC),
    )


class Keys(Protocol):
    """Where a verifier finds keys: a silo has one ring of them, a router one per silo."""

    async def find(self, kid: str) -> VerificationKey | None: ...


PublishedKeys = Callable[[], Awaitable[Iterable[VerificationKey]]]
IsOver = Callable[[Principal], Awaitable[bool]]


async def _never(_: Principal) -> bool:
    return False


class Keyring:
    """Finds a key by the name a token gives it, which is never more than a dictionary's key.

    ``configured`` keys are the mesh's processes'; ``published`` loads the users' signing keys
    anew when they are older than 30 s, or when a name is unknown, but then at most once per
    ``refetch``, so that a flood of invented names costs nothing.
    """

    def __init__(
        self,
        configured: Iterable[VerificationKey],
        published: PublishedKeys,
        *,
        refetch: timedelta = timedelta(seconds=1),
        clock: Clock = utc_now,
    ) -> None:
        self._configured = {key.kid: key for key in configured}
        self._load = published
        self._refetch = refetch
        self._clock = clock
        self._published: dict[str, VerificationKey] = {}
        self._loaded_at = datetime.min.replace(tzinfo=UTC)
        self._loading = asyncio.Lock()

    async def find(self, kid: str) -> VerificationKey | None:
        if key := self._configured.get(kid):
            return key
        if self._clock() - self._loaded_at < KEPT and (key := self._published.get(kid)):
            return key
        async with self._loading:
            age = self._clock() - self._loaded_at  # anew: another call may have loaded meanwhile
            if age >= KEPT or (kid not in self._published and age >= self._refetch):
                keys = await self._load()
                # A published key must not take the name of a process's: it would be believed.
                self._published = {key.kid: key for key in keys if key.name != IDENTITY}
                self._loaded_at = self._clock()
        return self._published.get(kid)


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    until: datetime


class Verifier:
    """Turns a bearer token for the silo ``audience`` into the principal it proves.

    Verification costs 330 µs and, for this silo's own users, a look at their session; a token
    verified before costs a hash: by its SHA-256 it is remembered for 30 s, 5 s at home.
    ``is_over`` says whether a session of this silo has ended; a router leaves it out.
    """

    def __init__(
        self, audience: str, keys: Keys, *, is_over: IsOver = _never, clock: Clock = utc_now
    ) -> None:
        self._audience = audience
        self._keys = keys
        self._is_over = is_over
        self._clock = clock
        self._remembered: dict[bytes, _Verified] = {}

    async def verify(self, bearer: str) -> Principal:
        """Return the caller; raises Unauthenticated, with one text for whatever is wrong."""
        if len(bearer) > MOST_CHARACTERS:
            raise _refused()
        digest = hashlib.sha256(bearer.encode()).digest()
        now = self._clock()
        known = self._remembered.get(digest)
        if known is None or known.until <= now:
            self._remembered.pop(digest, None)
            known = await self._verified(bearer, now)
            self._remember(digest, known)
        return known.principal

    async def _verified(self, bearer: str, now: datetime) -> _Verified:
        key = await self._keys.find(_kid(bearer))
        if key is None or not key.not_before - LEEWAY <= now <= key.not_after:
            raise _refused()
        claims = _claims(bearer, key, self._audience)
        principal = _principal(claims, key)
        expires = _expiry(claims, now)
        at_home = key.silo == self._audience and principal.session_id is not None
        if at_home and await self._is_over(principal):
            raise _refused()
        return _Verified(
            principal, min(expires, now + (REMEMBERED_AT_HOME if at_home else REMEMBERED))
        )

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        if len(self._remembered) >= MOST_REMEMBERED:  # forget the one remembered first
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[digest] = verified


def _refused() -> Unauthenticated:
    return Unauthenticated("the access token is not valid here")


def _kid(bearer: str) -> str:
    """Return the key's name of a header that says nothing but what our headers say.

    ``jku``, ``x5u``, ``jwk`` would bring a key of the caller's choice, ``crit`` rules of its own.
    """
    try:
        header = jwt.get_unverified_header(bearer)
    except (jwt.InvalidTokenError, UnicodeError) as error:
        raise _refused() from error
    kid = header.pop("kid", None)
    if header != {"alg": ALGORITHM, "typ": TYPE} or not isinstance(kid, str):
        raise _refused()
    return kid


def _claims(bearer: str, key: VerificationKey, audience: str) -> dict[str, Any]:
    try:
        return jwt.decode(
            bearer,
            key.public_key,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=key.silo,
            options=_OPTIONS,
        )
    except (jwt.InvalidTokenError, UnicodeError) as error:
        raise _refused() from error


def _expiry(claims: dict[str, Any], now: datetime) -> datetime:
    """Return when the token lapses, clocks' difference included; refuses it outside its life."""
    times = [claims[name] for name in ("iat", "nbf", "exp")]
    if not all(type(each) is int for each in times):
        raise _refused()
    try:
        issued, begins, ends = (datetime.fromtimestamp(each, UTC) for each in times)
    except (OverflowError, OSError, ValueError) as error:
        raise _refused() from error
    if not max(issued, begins) - LEEWAY <= now < ends + LEEWAY or ends - issued > LIFE:
        raise _refused()
    return ends + LEEWAY


def _principal(claims: dict[str, Any], key: VerificationKey) -> Principal:
    """Read the claims, of which a key can vouch only for those of its own silo's users."""
    try:
        principal = Principal(
            user_id=UUID(claims["sub"]),
            silo=key.silo,
            roles=frozenset(claims["roles"]),
            tenant_id=_optional(claims, "tenant"),
            permissions=frozenset(claims["perms"]),
            session_id=_optional(claims, "sid"),
            unit_id=_optional(claims, "unit"),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise _refused() from error
    is_process = key.name == IDENTITY
    has_tenant = not is_process and key.silo != "center"
    if (
        not principal.roles
        or not principal.roles <= key.roles
        or has_tenant is (principal.tenant_id is None)
        or is_process is not (principal.session_id is None)
        or (principal.permissions and key.silo != "center")
        or (principal.unit_id is not None and key.silo != "ems")
    ):
        raise _refused()
    return principal


def _optional(claims: dict[str, Any], name: str) -> UUID | None:
    return UUID(claims[name]) if name in claims else None
