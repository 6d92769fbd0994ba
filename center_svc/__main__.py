"""The center's commands: ``python -m center_svc serve | migrate | new-epoch | bootstrap``."""

from __future__ import annotations

import sys

from center_svc.bootstrap import bootstrap
from center_svc.server import BUILD
from chassis.processes import main

if __name__ == "__main__":
    sys.exit(main(BUILD, "center_svc", {"bootstrap": bootstrap}))
