"""Missed service levels, in words for users."""

from __future__ import annotations

from medport.center.events.v1.sla_timers_pb2 import SlaBreached, SlaKind

from chassis.clock import instant


def missed(event: SlaBreached) -> dict[str, str]:
    """Give what is said of it, by variable."""
    kind = SlaKind.Name(event.kind).removeprefix("SLA_KIND_")
    return {
        "sla_kind": kind.replace("_", " ").lower(),
        "due_time": f"{instant(event.due_time):%Y-%m-%d %H:%M} UTC",
    }
