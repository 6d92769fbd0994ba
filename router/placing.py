"""Where the calls of a silo go: to its processes, to a canary, or to copies of its database."""

from __future__ import annotations

from dataclasses import dataclass

from chassis import consistency
from chassis.auth import Principal
from router.backends import Backend
from router.canaries import Canary
from router.metadata import Metadata
from router.routes import Route


@dataclass(frozen=True, slots=True)
class Places:
    """One silo's: ``home`` answers everything."""

    home: Backend
    read_replicas: Backend | None = None
    canary: Canary | None = None

    def of(self, principal: Principal | None) -> Backend:
        """Return who serves a caller: always the same set, while its share stays as it is."""
        if self.canary is not None and self.canary.takes(principal):
            return self.canary.backend
        return self.home

    def copies(self, route: Route, metadata: Metadata) -> Backend | None:
        """Return who may answer instead: for a caller who says how far a copy must have come."""
        if self.read_replicas is None or not consistency.may_be_copied(route.method):
            return None
        named = consistency.asked(route.silo, metadata)
        return None if named is None else self.read_replicas
