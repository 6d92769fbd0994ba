"""What the processes of a mesh are told, on one machine and composed. No I/O but reading files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis import mail_settings
from chassis.environment import LOOPBACK
from mesh import environments
from mesh.ports import SILOS, WANTED
from mesh.state import DataDirectory

ROOT = Path(__file__).resolve().parents[3]
MAIL = set(re.findall(r"MEDPORT_SMTP_\w+\b", Path(mail_settings.__file__).read_text()))


def told(tmp_path: Path) -> dict[str, dict[str, str]]:
    """Return the variables of each process of a mesh on the usual ports."""
    data = DataDirectory(tmp_path)
    silos = {silo: environments.service(silo, WANTED, data) for silo in SILOS}
    return {**silos, "router": environments.router(WANTED, data)}


def composed() -> dict[str, dict[str, str]]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name: services[name]["environment"] for name in (*SILOS, "router")}


def test_each_process_listens_on_ports_of_its_own(tmp_path: Path) -> None:
    listened = [
        address
        for variables in told(tmp_path).values()
        for name, address in variables.items()
        if name.endswith("_LISTEN")
    ]
    assert {each.rpartition(":")[0] for each in listened} <= set(LOOPBACK)
    assert len(set(listened)) == len(listened) == 12
    assert told(tmp_path)["router"]["MEDPORT_ADMIN_LISTEN"] == "127.0.0.1:50072"


@pytest.mark.parametrize("process", [*SILOS, "router"])
def test_a_composed_process_has_the_admin_port_that_one_asks_for(process: str) -> None:
    assert composed()[process]["MEDPORT_ADMIN_LISTEN"] == "${MEDPORT_ADMIN_LISTEN:-off}"


def test_silos_are_told_how_e_mail_leaves_and_the_router_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MAIL:
        monkeypatch.setenv(name, f"as {name} says")
    variables = told(tmp_path)
    for silo in SILOS:
        assert {name: variables[silo][name] for name in MAIL} == {
            name: f"as {name} says" for name in MAIL
        }
    assert not MAIL & variables["router"].keys()


def test_who_looks_for_e_mail_finds_every_variable() -> None:
    """In the README, and where a composed silo is told: files are where it sees them."""
    readme, variables = (ROOT / "README.md").read_text(), composed()
    assert len(MAIL) == 6
    assert [name for name in MAIL if f"`{name}`" not in readme] == []
    for silo in SILOS:
        for name in MAIL:
            asks = "+/run/secrets/" if name.endswith("_FILE") else "-"
            assert variables[silo][name].startswith(f"${{{name}:{asks}")
    assert not MAIL & variables["router"].keys()
