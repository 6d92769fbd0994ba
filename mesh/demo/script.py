"""Decides how each trip goes: the same trip of the same day always goes the same way."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field

from medport.common.v1 import vocabulary_pb2 as words

_CANCEL_AT = (
    words.TRIP_STATUS_PENDING,
    words.TRIP_STATUS_ACCEPTED,
    words.TRIP_STATUS_EN_ROUTE,
    words.TRIP_STATUS_AT_PICKUP,
)


class Scene(enum.Enum):
    """What is special about a trip."""

    PLAIN = "plain"
    CANCELLED = "called off"
    TWO_AWARD = "awarded by two at once"
    WITHDRAWN = "a bid is taken back"
    DROPPED = "given back by the agency"
    UNWANTED = "nobody bids"


# In a hundred trips; what is left over is plain.
_SHARES = {Scene.CANCELLED: 8, Scene.TWO_AWARD: 6, Scene.WITHDRAWN: 6, Scene.DROPPED: 4}


@dataclass
class Script:
    """The scenes of one day. ``patience``: seconds a case manager waits for a second bid."""

    unwanted: frozenset[str]
    patience: float = 1.5
    _scenes: dict[str, Scene] = field(default_factory=dict)
    _dropped: set[str] = field(default_factory=set)

    def scene(self, key: str) -> Scene:
        """Return the scene of a trip of the data set."""
        if key in self.unwanted:
            return Scene.UNWANTED
        drawn = _dice(key).random() * 100
        for scene, share in _SHARES.items():
            drawn -= share
            if drawn < 0:
                return scene
        return Scene.PLAIN

    def cast(self, id: str, scene: Scene) -> None:
        """Give a trip that now exists its scene."""
        self._scenes[id] = scene

    def of(self, id: str) -> Scene:
        """Return the scene of an existing trip; one of another day is nobody's business."""
        return self._scenes.get(id, Scene.UNWANTED)

    def cancelled_at(self, id: str) -> words.TripStatus.ValueType | None:
        """Return the status from which on the hospital calls the trip off."""
        return _dice(id).choice(_CANCEL_AT) if self.of(id) is Scene.CANCELLED else None

    def drops(self, id: str) -> bool:
        """Tell, once per trip, that its agency gives it back."""
        if self.of(id) is not Scene.DROPPED or id in self._dropped:
            return False
        self._dropped.add(id)
        return True


def _dice(key: str) -> random.Random:
    return random.Random(key)  # noqa: S311 - a script, not a secret
