"""Where the calls of a silo go: to its own processes, or to copies of its database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chassis import consistency
from chassis.interceptors.consistency import may_be_copied
from router.backends import Backend
from router.metadata import Metadata
from router.routes import Route


@dataclass(frozen=True, slots=True)
class Places:
    """One silo's: ``home`` answers everything."""

    home: Backend
    read_replicas: Backend | None = None

    @property
    def backends(self) -> Iterable[Backend]:
        return [each for each in (self.home, self.read_replicas) if each is not None]

    def copies(self, route: Route, metadata: Metadata) -> Backend | None:
        """Return who may answer instead: for a caller who says how far a copy must have come."""
        if self.read_replicas is None or not may_be_copied(route.method):
            return None
        named = consistency.asked(route.silo, metadata)
        return None if named is None else self.read_replicas
