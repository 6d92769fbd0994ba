"""Who takes part in the demonstration: ids and e-mail addresses, kept for the next day."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from mesh.state import DataDirectory


@dataclass
class HospitalPart:
    """A hospital's users and facilities."""

    name: str
    id: str
    admin: str
    managers: list[str]
    facilities: dict[str, str] = field(default_factory=dict)

    @property
    def manager(self) -> str:
        return self.managers[0]


@dataclass
class AgencyPart:
    """An agency's users; ``crew`` staffs ``crew_unit``."""

    key: str
    id: str
    service_id: str
    admin: str
    dispatcher: str
    crew: str
    crew_unit: str


@dataclass
class Cast:
    """Everybody."""

    hospitals: list[HospitalPart]
    agencies: list[AgencyPart]

    def save(self, data: DataDirectory) -> None:
        """Keep it; written last, so that a file means a complete cast."""
        data.demonstration.write_text(json.dumps(asdict(self), indent=2))


def load(data: DataDirectory) -> Cast | None:
    """Return the cast of an earlier day, if there was one."""
    if not data.demonstration.exists():
        return None
    kept = json.loads(data.demonstration.read_text())
    return Cast(
        [HospitalPart(**part) for part in kept["hospitals"]],
        [AgencyPart(**part) for part in kept["agencies"]],
    )
