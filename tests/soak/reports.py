"""What a soak has done so far, in a file: one that was interrupted goes on from there."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.support.silo_processes import ROOT


class AnotherSoak(RuntimeError):
    """The file is the report of a soak that was asked for something else."""


@dataclass(frozen=True)
class Wish:
    """What one soak, over all of its sittings, was asked for."""

    events: int
    disconnects: int
    seed: int


@dataclass
class Report:
    """The parts that are done, by name; written anew after each of them."""

    file: Path
    wish: Wish
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, found: dict[str, Any]) -> None:
        self.parts[name] = {"commit": _commit(), **found}
        whole = {**asdict(self.wish), "totals": self.totals(), "parts": self.parts}
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(whole, indent=1))
        partial.rename(self.file)  # at once: a machine that stops now leaves the older one

    def violations(self) -> list[str]:
        return [
            f"{name}: {each}" for name, part in self.parts.items() for each in part["violations"]
        ]

    def totals(self) -> dict[str, Any]:
        """Add up what the chunks counted."""
        faults, ends, worst = Counter[str](), Counter[str](), dict[str, float]()
        for part in self._chunks():
            faults.update(part["faults"])
            ends.update(part["stream_ends"])
            for fault, seconds in part["recovery_seconds"].items():
                worst[fault] = max(seconds, worst.get(fault, 0.0))
        return {
            "events": sum(part["events"] for part in self._chunks()),
            "disconnects": sum(faults.values()),
            "streams_broken": sum(part["streams_broken"] for part in self._chunks()),
            "faults": dict(faults),
            "stream_ends": dict(ends),
            "recovery_seconds": worst,
            "seconds": round(sum(part["seconds"] for part in self.parts.values()), 1),
            "violations": len(self.violations()),
        }

    def _chunks(self) -> Iterator[dict[str, Any]]:
        return (part for part in self.parts.values() if "faults" in part)


def opened(file: Path, events: int, disconnects: int, seed: int) -> Report:
    """Read what an earlier sitting has left, or begin; raises AnotherSoak."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        return Report(file, Wish(events, disconnects, seed))
    kept = json.loads(file.read_text())
    wish = Wish(kept["events"], kept["disconnects"], kept["seed"])
    if (wish.events, wish.disconnects) != (events, disconnects):
        raise AnotherSoak(
            f"{file} is of {wish.events} events past {wish.disconnects} disconnects:"
            " ask for the same to go on, or remove it"
        )
    return Report(file, wish, kept["parts"])


def _commit() -> str:
    asked = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"],  # noqa: S607 - whichever there is
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()
