#!/usr/bin/env bash
# Watches a hospital's trips for some seconds: what is live, `snapshotEnd`, then every change.
#
#   MEDPORT_PASSWORD=... examples/grpcurl/watch_transport_requests.sh case.manager.1@upmc.example 3
set -euo pipefail
router=${MEDPORT_ROUTER:-localhost:50050}
value() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }

session=$("$(dirname "$0")/login.sh" hospital "$1")
# The deadline ends it with DEADLINE_EXCEEDED: grpcurl leaves with 64 and the code's number, 4.
grpcurl -plaintext -max-time "${2:-30}" \
  -H "authorization: Bearer $(value '["accessToken"]' <<<"$session")" \
  -d "{\"hospital_id\": \"$(value '["session"]["hospitalId"]' <<<"$session")\"}" "$router" \
  medport.hospital.v1.TransportRequestService/WatchTransportRequests || test $? = 68
