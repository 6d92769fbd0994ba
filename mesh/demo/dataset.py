"""Reads the demonstration's facilities, agencies and trips: package data, no person in it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

LEVELS = ("OTHER", "BLS", "ALS", "CCT")
_ALS = ("OXYGEN", "ISOLATION", "CARDIAC_MONITOR", "INFUSION_PUMP")
_EQUIPMENT = {
    "OTHER": ("WHEELCHAIR_LIFT",),
    "BLS": ("OXYGEN", "ISOLATION"),
    "ALS": _ALS,
    "CCT": (*_ALS, "VENTILATOR", "NEONATAL_ISOLETTE"),
}


@dataclass(frozen=True)
class Facility:
    """A facility, and the hospital organisation that runs it."""

    key: str
    hospital: str
    name: str
    city: str
    state: str
    zip_code: str
    latitude: float
    longitude: float
    type: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class Unit:
    """A vehicle and what it carries; the first of each level also takes heavy patients."""

    number: str
    level: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class Agency:
    """A fictional EMS agency, its base, its circle and its units."""

    key: str
    name: str
    city: str
    state: str
    latitude: float
    longitude: float
    radius_miles: float
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Trip:
    """A transfer that a hospital asks for at a minute of the day."""

    key: str
    minute: int
    origin: str
    destination: str
    level: str
    priority: str
    age_band: str
    weight_band: str
    capabilities: tuple[str, ...]


def facilities() -> list[Facility]:
    return [
        Facility(
            key=row["facility_key"],
            hospital=row["hospital"],
            name=row["name"],
            city=row["city"],
            state=row["state"],
            zip_code=row["zip_code"],
            latitude=float(row["latitude"]),
            longitude=float(row["longitude"]),
            type=row["facility_type"],
            capabilities=_list(row["capabilities"]),
        )
        for row in _rows("facilities.csv")
    ]


def agencies() -> list[Agency]:
    return [
        Agency(
            key=row["agency_key"],
            name=row["name"],
            city=row["base_city"],
            state=row["state"],
            latitude=float(row["latitude"]),
            longitude=float(row["longitude"]),
            radius_miles=float(row["service_radius_miles"]),
            units=tuple(_units(row["units_by_level"])),
        )
        for row in _rows("agencies.csv")
    ]


def trips(count: int) -> list[Trip]:
    """Return ``count`` trips of the day, evenly thinned out, or repeated when there are too few."""
    rows = list(_rows("trips.csv"))
    chosen = [rows[number * len(rows) // count] for number in range(count)]
    return [
        Trip(
            key=f"{row['trip_key']}-{number}",
            minute=int(row["minute_of_day"]),
            origin=row["origin_facility_key"],
            destination=row["destination_facility_key"],
            level=row["transport_level"],
            priority=row["priority"],
            age_band=row["age_band"],
            weight_band=row["weight_band"],
            capabilities=_list(row["required_equipment"]),
        )
        for number, row in enumerate(chosen)
    ]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (files(__package__) / "data" / name).open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _list(cell: str) -> tuple[str, ...]:
    return tuple(cell.split(";")) if cell else ()


def _units(cell: str) -> Iterator[Unit]:
    for entry in _list(cell):
        level, _, count = entry.partition("=")
        for number in range(1, int(count) + 1):
            extra = ("BARIATRIC_STRETCHER",) if number == 1 else ()
            yield Unit(f"{level}-{number}", level, (*_EQUIPMENT[level], *extra))
