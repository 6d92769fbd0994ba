"""The center's commands: ``python -m center_svc serve | migrate | bootstrap`` and the rare ones."""

from __future__ import annotations

import sys

import chassis.quick_start  # noqa: F401 - first: it is about the imports
from center_svc.bootstrap import bootstrap
from center_svc.recount import rebuild_analytics
from center_svc.server import BUILD
from chassis.processes import main

if __name__ == "__main__":
    more = {"bootstrap": bootstrap, "rebuild-analytics": rebuild_analytics}
    sys.exit(main(BUILD, "center_svc", more))
