"""The router's proof that it is the router, which lets a silo believe what it says of a client."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.errors import Unauthenticated
from chassis.tokens import Keyring, VerificationKey, Verifier, peer_key

ROUTER = "router"


async def _none() -> list[VerificationKey]:
    return []


class RouterProof:
    """Verifies the router's tokens, for the silo ``audience``.

    ``key`` is the router's raw public key; without one nobody is the router. The token is no
    credential: no keyring that authenticates callers holds this key.
    """

    def __init__(self, audience: str, key: bytes | None, clock: Clock) -> None:
        known = [] if key is None else [peer_key(ROUTER, key)]
        self._verifier = Verifier(audience, Keyring(known, _none, clock=clock), clock=clock)

    async def is_router(self, token: str) -> bool:
        try:
            proven = await self._verifier.verify(token)
        except Unauthenticated:
            return False
        return proven.silo == ROUTER
