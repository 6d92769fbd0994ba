"""What is measured: a module per case, each of which adds its round's figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figures
from bench.processes import Mesh


@dataclass(frozen=True)
class Stage:
    """What a case works with; ``brief`` makes it small, to see that it works at all."""

    mesh: Mesh
    folder: Path
    figures: Figures
    turn: int = 0
    brief: bool = False

    def count(self, usual: int, brief: int) -> int:
        return brief if self.brief else usual


Case = Callable[[Stage], Awaitable[None]]
