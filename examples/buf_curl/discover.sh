#!/usr/bin/env bash
# Shows what there is, by reflection and by descriptor set, and how the mesh is doing.
set -euo pipefail
router=http://${MEDPORT_ROUTER:-localhost:50050}
ask() { buf curl --protocol grpc --http2-prior-knowledge "$@"; }
status=$router/medport.router.v1.GatewayService/GetMeshStatus

ask --list-methods "$router"
ask -d '{}' "$status"
# Where reflection is shut, the descriptor set says the same: `make setup` builds it.
ask -d '{}' --schema "${MEDPORT_DESCRIPTORS:-build/medport.binpb}" "$status"
