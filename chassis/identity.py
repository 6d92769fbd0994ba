"""Who is calling, for one silo: its logins, its keys and its verifier, wired together once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from chassis.audit_entries import Keep
from chassis.clock import Clock, utc_now
from chassis.denials import SECONDS as DENIALS_SECONDS
from chassis.denials import Denials
from chassis.identity_rows import IdentityRows
from chassis.interceptors import addresses, denials
from chassis.logins import Logins
from chassis.minting import ProcessTokens, identity_key
from chassis.notification_rows import NotificationRows
from chassis.password_resets import SECONDS as RESETS_SECONDS
from chassis.password_resets import PasswordResets
from chassis.refresh_tokens import RefreshTokens
from chassis.router_proof import ROUTER, RouterProof
from chassis.sessions import ABSOLUTE, Sessions
from chassis.signing_keys import Published, SigningKeys
from chassis.timers import Timer, every
from chassis.tokens import Keyring, Verifier, peer_key
from chassis.unit_of_work import Database

SWEEP_SECONDS = 60.0
TIDY_SECONDS = 3600.0
SHOWN_FOR = timedelta(days=90)


class Identity:
    """A silo's part in saying who is who.

    ``verifier.verify`` authenticates; ``timers``, ``guards`` and ``parts`` belong into the
    process; ``bearer(silo)`` is what this process shows to a peer.
    """

    def __init__(
        self,
        silo: str,
        rows: IdentityRows,
        database: Database,
        *,
        secret: bytes,
        identity: bytes,
        peers: Mapping[str, bytes],
        published: Published,
        revoked: Published,
        keep: Keep,
        notifications: NotificationRows,
        clock: Clock = utc_now,
    ) -> None:
        """Wire them.

        ``secret`` is the key-encryption key, ``identity`` the process's own key (PEM), ``peers``
        the other processes' raw public keys; ``published`` and ``revoked`` make a
        SigningKeyPublished and a SigningKeyRevoked, ``keep`` puts an entry into the silo's audit
        trail, ``notifications`` tells users.
        """
        self.rows = rows
        self.keys = SigningKeys(
            silo,
            rows.keys,
            database,
            secret=secret,
            published=published,
            revoked=revoked,
            keep=keep,
            clock=clock,
        )
        tokens = RefreshTokens(secret, has_tenants=rows.tenant is not None)
        self.sessions = Sessions(
            silo, rows, database, clock, keys=self.keys, tokens=tokens, keep=keep
        )
        self.logins = Logins(
            silo, rows, database, clock, keys=self.keys, sessions=self.sessions, keep=keep
        )
        self.denials = Denials(keep, database, clock)
        self.resets = PasswordResets(silo, rows, notifications, database, clock, keep=keep)
        self.parts: list[Denials | PasswordResets] = [self.denials, self.resets]
        self._router = RouterProof(silo, peers.get(ROUTER), clock)
        self.guards = [addresses.guard(self._router.is_router), denials.guard(self.denials)]
        self.verifier = self._verifier(silo, peers, clock)
        self.bearer = ProcessTokens(identity_key(silo, identity), clock)
        self.timers = self._timers()

    async def forget_guesses(self, database: Database, clock: Clock) -> int:
        """Forget guesses of long ago: anybody can make rows for addresses that do not exist."""
        async with database.begin(None) as uow:
            return await self.rows.throttle.sweep(uow, clock())

    async def forget_sessions(self, database: Database, clock: Clock) -> int:
        """Delete tokens that prove nothing any more, and sessions of a quarter ago."""
        now, forgotten = clock(), 0
        for tenant in await self.rows.tenants(database.read(None)):
            async with database.begin(tenant) as uow:
                # Behind its session's longest life a token proves nothing, not even reuse.
                forgotten += await self.rows.refresh_tokens.forget(uow, tenant, now - ABSOLUTE)
                forgotten += await self.rows.one_time.forget(uow, tenant, now - ABSOLUTE)
                forgotten += await self.rows.sessions.forget(uow, tenant, now - SHOWN_FOR)
        return forgotten

    def _verifier(self, silo: str, peers: Mapping[str, bytes], clock: Clock) -> Verifier:
        # The router is nobody's peer: it proves itself beside a caller's token, never as one.
        configured = [peer_key(name, raw) for name, raw in peers.items() if name != ROUTER]
        keyring = Keyring(configured, self.keys.verification_keys, clock=clock)
        return Verifier(silo, keyring, is_over=self.sessions.is_over, clock=clock)

    def _timers(self) -> list[Timer]:
        return [
            every(SWEEP_SECONDS, self.keys.rotate),
            every(SWEEP_SECONDS, self.forget_guesses),
            every(TIDY_SECONDS, self.forget_sessions),
            every(DENIALS_SECONDS, self.denials.write),
            every(RESETS_SECONDS, self.resets.send),
        ]
