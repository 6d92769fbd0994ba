"""What this machine is, and how fast it is just now: no figure means anything without it."""

from __future__ import annotations

import os
import platform
import subprocess
import sysconfig
import time
from pathlib import Path
from statistics import median

from bench.figures import Figures
from bench.processes import ROOT

_SPINS = 2_000_000
_SYNCS = 50
CASE = "control"


def limits(folder: Path) -> dict[str, str]:
    """Return what bounds the figures, by name."""
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = "optimised" if "--enable-optimizations" in flags else "not optimised"
    return {
        "commit": _commit(),
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "load before": " ".join(f"{each:.2f}" for each in os.getloadavg()),
        "python": f"{platform.python_version()}, {optimised}",
        "write and sync of 8 kB": f"{_sync_milliseconds(folder):.2f} ms",
        "load generators": "on the same cores",
        "transport": "plaintext",
    }


def lines(found: dict[str, str]) -> list[str]:
    return [f"{name:24}{value}" for name, value in found.items()]


def control(figures: Figures) -> None:
    """Note what one fixed loop takes: rounds that differ here differ everywhere."""
    began = time.perf_counter()
    for _ in range(_SPINS):
        pass
    spun = (time.perf_counter() - began) * 1000
    figures.add(CASE, "MedPort", {"spin loop ms": spun, "load": os.getloadavg()[0]})


def _sync_milliseconds(folder: Path) -> float:
    took = []
    with (folder / "sync").open("wb") as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return median(took)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except FileNotFoundError:
        return platform.processor()
    named = (line for line in text.splitlines() if line.startswith("model name"))
    return next(named, "").partition(":")[2].strip() or platform.machine()


def _commit() -> str:
    asked = ("git", "describe", "--always", "--dirty")
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
