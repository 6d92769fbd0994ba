"""A noun keeps its file name at every hop, and the three silos look alike.

Proves: silos have the same modules; every servicer has a proto, a repository and an integration
test; every projector carries a noun that another silo announces. No I/O but listing files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.contract import GEN, SILOS

ROOT = Path(__file__).resolve().parents[2]
ROLES = {
    "__init__",
    "__main__",
    "server",
    "servicers",
    "projectors",
    "snapshots",
    "timers",
    "messages",
    "repositories",
    "tables",
    "domain",
    "migrations",
}
# What one silo has besides, each argued for in the layers of pyproject.toml.
OWN = {
    "hospital": {
        "audit",
        "decisions",
        "notices",
        "trip_plans",
        "trip_reading",
        "trip_tables",
        "trip_watching",
    },
    "ems": {"live_watching", "notices", "unit_views", "unit_watching"},
    "center": {"bootstrap", "recount", "toggle_watching"},
}
# Half of what the hospital says of its trips: too much for one file.
PARTS = {"awards"}
silos = pytest.mark.parametrize("silo", SILOS)


def names(folder: Path) -> set[str]:
    """Return a package's modules and packages."""
    found = {path.stem for path in folder.glob("*.py")}
    return found | {path.parent.name for path in folder.glob("*/__init__.py")}


def nouns(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


@silos
def test_silos_have_the_same_modules(silo: str) -> None:
    assert names(ROOT / f"{silo}_svc") - OWN[silo] == ROLES


@silos
def test_every_servicer_has_a_proto_a_repository_and_a_test(silo: str) -> None:
    served = nouns(ROOT / f"{silo}_svc" / "servicers")
    for folder, file in {
        ROOT / "protos" / "medport" / silo / "v1": "{}.proto",
        ROOT / f"{silo}_svc" / "repositories": "{}.py",
        ROOT / "tests" / "integration" / silo: "test_{}.py",
    }.items():
        missing = {noun for noun in served if not (folder / file.format(noun)).exists()}
        assert missing == set(), folder.relative_to(ROOT)


@silos
def test_every_service_is_served(silo: str) -> None:
    served = nouns(ROOT / f"{silo}_svc" / "servicers")
    folder = ROOT / "protos" / "medport" / silo / "v1"
    promised = {path.stem for path in folder.glob("*.proto") if "\nservice " in path.read_text()}
    assert served == promised


@silos
def test_a_projector_carries_the_noun_that_it_follows(silo: str) -> None:
    others = [other for other in SILOS if other != silo]
    announced = {
        path.stem
        for other in others
        for path in (ROOT / "protos" / "medport" / other / "events" / "v1").glob("*.proto")
    }
    assert nouns(ROOT / f"{silo}_svc" / "projectors") <= announced | PARTS


def test_generated_code_stands_where_its_proto_does() -> None:
    protos = {
        path.relative_to(ROOT / "protos").with_suffix("")
        for path in (ROOT / "protos" / "medport").rglob("*.proto")
    }
    made = {
        path.relative_to(GEN).with_name(path.name.removesuffix("_pb2.py"))
        for path in (GEN / "medport").rglob("*_pb2.py")
    }
    assert made == protos
