"""What several commands of ``medport`` take: spelled once, so that it means the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mesh.state import DataDirectory


class SiloName(StrEnum):
    """The silos, as the terminal spells them."""

    HOSPITAL = "hospital"
    EMS = "ems"
    CENTER = "center"


Data = Annotated[Path, typer.Option("--data", help="Directory of everything this mesh keeps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per answer.")]
Silo = Annotated[SiloName, typer.Option(help="The silo that follows.")]
Consumer = Annotated[str, typer.Option(help="Its consumer, as `medport consumers` names it.")]
Source = Annotated[str, typer.Option(help="The silo whose events it follows.")]
Reason = Annotated[
    str, typer.Option(help="Why, for the audit log: 3 to 200 characters. Name no patient.")
]

HERE = Path(".medport")


def directory(data: Path) -> DataDirectory:
    return DataDirectory(data.resolve())
