"""What the three silos really follow, as their composition roots say it."""

from __future__ import annotations

import center_svc.server
import ems_svc.server
import hospital_svc.server
from center_svc.timers.sla_timers import SlaSweep
from chassis.clock import utc_now
from chassis.projection import Following
from hospital_svc.timers.awards import AwardTimeouts


def everything() -> dict[str, list[Following]]:
    """Return every following of each silo."""
    return {
        "hospital": hospital_svc.server.followings(AwardTimeouts()),
        "ems": ems_svc.server.followings(utc_now),
        "center": center_svc.server.followings(SlaSweep()),
    }


def following(consumer: str, source: str) -> Following:
    """Return the one following of ``source`` whose consumer this is."""
    silo = consumer.partition(".")[0]
    (found,) = (
        each for each in everything()[silo] if (each.consumer, each.source) == (consumer, source)
    )
    return found
