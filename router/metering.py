"""Counts calls by whoever makes them: a principal, or the address of one who needs no token."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import grpc

from chassis.auth import Principal
from chassis.errors import RateLimited
from chassis.open_streams import OpenStreams
from chassis.rates import Rates
from router.observing import Observation
from router.policies import ALLOWANCES, Allowances


class Meter:
    """Refuses whoever calls too often; each principal, and each address, has its own allowance."""

    def __init__(self, allowances: Allowances = ALLOWANCES) -> None:
        self._principals = Rates(allowances.principal)
        self._addresses = Rates(allowances.address)
        self._wrong_logins = Rates(allowances.wrong_login)
        self._streams = OpenStreams()

    def count(self, caller: Principal) -> None:
        """Count a call that the router makes for ``caller``; raises RateLimited."""
        _take(self._principals, caller.user_id, f"users/{caller.user_id}")

    def count_address(self, address: str) -> None:
        """Count a call from ``address`` that needs no token; raises RateLimited."""
        _take(self._addresses, address, f"addresses/{address}")

    @contextmanager
    def metered(self, seen: Observation, address: str) -> Iterator[None]:
        """Count a call that begins now; raises RateLimited.

        An attempt to log in counts as a wrong one until it has proved right, so that of any number
        of guesses at the same moment no more are passed on than an address has left.
        """
        if seen.principal is not None:
            self.count(seen.principal)
            yield
            return
        self.count_address(address)
        if seen.route.side_effect_free:
            yield
            return
        _take(self._wrong_logins, address, f"addresses/{address}/wrong-logins")
        try:
            yield
        finally:
            if seen.code is not grpc.StatusCode.UNAUTHENTICATED:
                self._wrong_logins.give_back(address)

    @contextmanager
    def held(self, seen: Observation) -> Iterator[None]:
        """Count a principal's stream while it is open; raises StreamLimit.

        Silos count each kind by itself: three users with all they may have of each would leave
        nobody else a stream at the router.
        """
        if seen.principal is None or seen.route.unary:
            yield
            return
        self._streams.enter(seen.principal.user_id)
        try:
            yield
        finally:
            self._streams.leave(seen.principal.user_id)


def _take(rates: Rates, who: Hashable, subject: str) -> None:
    if wait := rates.take(who):
        raise RateLimited(
            "too many calls: wait", retry_after_seconds=f"{wait:.3f}", subject=subject
        )
