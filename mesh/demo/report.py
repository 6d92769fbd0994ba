"""Shows how the day went: a table for people, one JSON object for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from mesh.census import Following
from mesh.demo.tally import Tally

_OUTCOMES = ("requested", "awarded", "completed", "cancelled", "expired")


@dataclass(frozen=True)
class Report:
    """What was seen, what the databases say, and whether they agree."""

    tally: Tally
    seconds: float
    following: list[Following]
    checks: dict[str, bool]
    absent: set[str]  # silos whose database does not answer, and whose books were not looked at

    @property
    def good(self) -> bool:
        return all(self.checks.values())

    def as_json(self) -> str:
        """Return one line with everything in it."""
        return json.dumps(self._facts())

    def _facts(self) -> dict[str, Any]:
        seen = self.tally.seen
        return {
            **{outcome: seen[outcome] for outcome in _OUTCOMES},
            "seconds": round(self.seconds, 1),
            "request_to_award_seconds": {
                "p50": self.tally.percentile(0.5),
                "p95": self.tally.percentile(0.95),
            },
            "event_lag": {f"{f.source}->{f.consumer}": f.lag for f in self.following},
            "also_seen": {name: seen[name] for name in sorted(seen) if name not in _OUTCOMES},
            "explained_refusals": dict(sorted(self.tally.explained.items())),
            "unexplained_failures": sum(self.tally.unexplained.values()),
            "unexplained": dict(sorted(self.tally.unexplained.items())),
            "checks": self.checks,
            "unchecked": sorted(self.absent),
        }

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(self._day())
        console.print(self._lags())
        console.print(self._checks())
        for silo in sorted(self.absent):
            console.print(f"{silo} does not answer: its books were not checked", style="yellow")

    def _day(self) -> Table:
        table = Table("what", "how many", title=f"The day, in {self.seconds:.0f} s")
        for outcome in _OUTCOMES:
            table.add_row(outcome, str(self.tally.seen[outcome]))
        for name in sorted(set(self.tally.seen) - set(_OUTCOMES)):
            table.add_row(name, str(self.tally.seen[name]))
        for share in (0.5, 0.95):
            value = self.tally.percentile(share)
            shown = "-" if value is None else f"{value:.2f} s"
            table.add_row(f"request to award, p{share * 100:.0f}", shown)
        for name, count in sorted(self.tally.explained.items()):
            table.add_row(f"refused, as it must be: {name}", str(count))
        for name, count in sorted(self.tally.unexplained.items()):
            table.add_row(f"[red]not explained: {name}[/red]", str(count))
        return table

    def _lags(self) -> Table:
        table = Table("events of", "followed by", "lag", title="Event lag")
        for following in self.following:
            table.add_row(following.source, following.consumer, str(following.lag))
        return table

    def _checks(self) -> Table:
        table = Table("check", "holds", title="The books")
        for name, holds in self.checks.items():
            table.add_row(
                name.replace("_", " "), "[green]yes[/green]" if holds else "[red]NO[/red]"
            )
        return table
