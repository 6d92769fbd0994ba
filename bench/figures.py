"""What was measured: figures by round, what was promised of them, and the table they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that was promised: at most, or at least, ``bound``."""

    case: str
    figure: str
    bound: float
    at_least: bool = False

    def verdict(self, value: float) -> str:
        """Say whether it was reached, and if not by how much."""
        if value >= self.bound if self.at_least else value <= self.bound:
            return "reached"
        missed = self.bound / value if self.at_least else value / self.bound
        return f"missed by {missed:.2f}x"

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {number(self.bound)}"


@dataclass(slots=True)
class Figures:
    """The rounds' values by case, who was measured, and figure; ``absent`` are missing peers."""

    rounds: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    absent: set[tuple[str, str]] = field(default_factory=set)

    def add(self, case: str, who: str, values: Mapping[str, float] | None) -> None:
        """Note one round's values; None says that the peer is not installed."""
        if values is None:
            self.absent.add((case, who))
            return
        for figure, value in values.items():
            self.rounds.setdefault((case, who, figure), []).append(value)

    def median(self, case: str, who: str, figure: str) -> float | None:
        found = self.rounds.get((case, who, figure))
        return median(found) if found else None

    def json(self) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = [
            {"case": case, "who": who, "figure": figure, "median": median(values), "rounds": values}
            for (case, who, figure), values in self.rounds.items()
        ]
        return kept + [{"case": case, "who": who, MISSING: True} for case, who in self.absent]


def table(figures: Figures, goals: Sequence[Goal], ours: str) -> list[str]:
    """Give a line per figure of ours, its goal's verdict and, below it, the peers' figures."""
    promised = {(goal.case, goal.figure): goal for goal in goals}
    lines: list[str] = []
    for (case, who, figure), values in figures.rounds.items():
        if who != ours:
            continue
        goal = promised.get((case, figure))
        value = median(values)
        said = f"{goal}  {goal.verdict(value)}" if goal else ""
        lines.append(_line(f"{case}: {figure}", who, values, said))
        lines += _peers(figures, case, figure, value, ours)
    return lines


def _peers(figures: Figures, case: str, figure: str, value: float, ours: str) -> Iterable[str]:
    for (other, who, named), values in figures.rounds.items():
        if (other, named) == (case, figure) and who != ours:
            yield _line("", who, values, f"{ours} has {ratio(value, median(values))} of it")
    for other, who in sorted(figures.absent):
        if other == case:
            yield f"{'':52}{who:28}{MISSING:>10}"


def _line(what: str, who: str, values: Sequence[float], said: str) -> str:
    spread = f"({number(min(values))} - {number(max(values))})"
    return f"{what:52}{who:28}{number(median(values)):>10} {spread:22}{said}"


def ratio(value: float, other: float) -> str:
    return f"{value / other:.2f}x" if other else "-"


def number(value: float) -> str:
    """Write three digits that matter, and thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def share(values: Iterable[float], percent: int) -> float:
    """Return the value below which ``percent`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]
