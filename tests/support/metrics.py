"""The figures of a process: as documented, as registered by the code, as a page tells them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from prometheus_client import REGISTRY

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
_TYPE = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Metric:
    name: str
    type: str
    labels: frozenset[str] = frozenset()


def listed(*sections: str) -> set[Metric]:
    """Return what the document lists under these headings; under all of them for none."""
    parts = re.split(r"^## (.*)$", DOCUMENT.read_text(), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {
        Metric(name, type_, frozenset(re.findall(r"`(\w+)`", labels)))
        for section in sections or found
        for name, type_, labels in _ROW.findall(found[section])
    }


def registered() -> set[Metric]:
    """Return what the modules imported so far would expose."""
    found = set()
    for collector in tuple(REGISTRY._collector_to_names):
        for family in collector.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = getattr(collector, "_labelnames", getattr(family, "_labelnames", ()))
            if not labels and family.type != "histogram" and family.samples:
                labels = set(family.samples[0].labels)  # of the library's own
            found.add(Metric(name, family.type, frozenset(labels)))
    return found


def page(port: int) -> str:
    """Return what a process of this machine tells Prometheus."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as read:
        text: str = read.read().decode()
    return text


def exposed(text: str) -> set[tuple[str, str]]:
    """Return names and types."""
    return set(_TYPE.findall(text))


def ended(service: str, method: str, code: str) -> float:
    """Return how many unary calls of a method ended so that this process answered."""
    labels = {"grpc_service": service, "grpc_method": method, "grpc_code": code}
    labels["grpc_type"] = "unary"
    return REGISTRY.get_sample_value("grpc_server_handled_total", labels) or 0
