"""The EMS silo's commands: ``python -m ems_svc serve | migrate | new-epoch``."""

from __future__ import annotations

import sys

import chassis.quick_start  # noqa: F401 - first: it is about the imports
from chassis.processes import main
from ems_svc.server import BUILD

if __name__ == "__main__":
    sys.exit(main(BUILD, "ems_svc"))
