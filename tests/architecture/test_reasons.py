"""Every reason that the code gives is in the contract."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from medport.center.v1 import errors_pb2 as center
from medport.common.v1 import errors_pb2 as common
from medport.ems.v1 import errors_pb2 as ems
from medport.hospital.v1 import errors_pb2 as hospital

from chassis.errors import Refusal

_PROGRAMS = ("__main__", "quick_start")
ENUMS = {"hospital": hospital, "ems": ems, "center": center}


def _reasons(names: list[str]) -> set[str]:
    return {name.removeprefix("ERROR_REASON_") for name in names} - {"UNSPECIFIED"}


SHARED = _reasons(common.ErrorReason.keys())


def _import_all(package: str) -> None:
    """Import all but programs, and what changes the process that imports it."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        if (
            not module.name.endswith(("__main__", "quick_start"))
            and ".migrations" not in module.name
        ):
            importlib.import_module(module.name)


def _refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from _refusals(each)


@pytest.mark.parametrize("silo", ENUMS)
def test_a_silos_reasons_are_in_its_contract(silo: str) -> None:
    _import_all(f"{silo}_svc")
    known = SHARED | _reasons(ENUMS[silo].ErrorReason.keys())
    given = {each.reason for each in _refusals() if each.__module__.split(".")[0] == f"{silo}_svc"}
    assert given - known == set()


def test_the_chassis_gives_shared_reasons() -> None:
    _import_all("chassis")
    given = {each.reason for each in _refusals() if each.__module__.startswith("chassis.")}
    assert given - SHARED == set()


@pytest.mark.parametrize("silo", ENUMS)
def test_a_silo_does_not_spell_a_shared_reason_again(silo: str) -> None:
    assert not SHARED & _reasons(ENUMS[silo].ErrorReason.keys())
