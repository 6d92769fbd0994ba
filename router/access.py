"""Who may call what: the token is verified and its roles are held against the contract.

The silo checks again, and decides about rows: nothing here makes a header an identity.
"""

from __future__ import annotations

from collections.abc import Iterable

from chassis.auth import Principal
from chassis.errors import PermissionDenied, Refusal, Unauthenticated
from chassis.interceptors.access import bearer, granted
from chassis.interceptors.errors import request_id
from chassis.interceptors.guards import Context
from chassis.tokens import Keys, Verifier
from router import answers
from router.routes import Route


class RoleDenied(PermissionDenied):
    """A known caller's role does not allow the method."""

    def __init__(self, principal: Principal, refusal: PermissionDenied) -> None:
        super().__init__(refusal.text, **refusal.facts)
        self.principal = principal


class Gate:
    """Verifies tokens, each for the one silo it was made for."""

    def __init__(self, silos: Iterable[str], keys: Keys) -> None:
        self._verifiers = {silo: Verifier(silo, keys) for silo in silos}

    async def admit(self, route: Route, context: Context) -> Principal | None:
        """Let a call pass, and return whose it is; raises Unauthenticated or PermissionDenied."""
        if route.method.anonymous:
            return None
        principal = await self._verifiers[route.silo].verify(bearer(context))
        try:
            granted(route.method, principal)
        except PermissionDenied as refusal:
            raise RoleDenied(principal, refusal) from None
        return principal

    async def known(self, token: str) -> Principal:
        """Return whose token it is, whichever silo it was made for."""
        for verifier in self._verifiers.values():
            try:
                return await verifier.verify(token)
            except Unauthenticated as refusal:
                last = refusal
        raise last

    async def token_for(self, route: Route, context: Context, caller: Principal) -> str:
        """Return ``caller``'s token for the route's silo, if it may call the method there.

        It stands in ``authorization-<silo>``, or is the one that let the caller in. Raises
        Unauthenticated where there is none, or it is somebody else's; PermissionDenied.
        """
        header = f"authorization-{route.silo}"
        named = any(name == header for name, _ in context.invocation_metadata() or ())
        token = bearer(context, header if named else "authorization")
        principal = await self._verifiers[route.silo].verify(token)
        if (principal.silo, principal.user_id) != (caller.silo, caller.user_id):
            raise Unauthenticated(f"the {header} header holds somebody else's token", header=header)
        granted(route.method, principal)
        return token

    async def admit_known(self, context: Context) -> None:
        """End the call unless it carries a token that any silo would take."""
        try:
            await self.known(bearer(context))
        except Refusal as refusal:
            await answers.refuse(context, refusal, request_id(context))
