#!/usr/bin/env bash
# Reports a unit's positions on one stream: one JSON message after the other on standard input.
#
#   MEDPORT_PASSWORD=... examples/grpcurl/report_location.sh crew@blueheron.example UNIT_ID
set -euo pipefail
router=${MEDPORT_ROUTER:-localhost:50050}
value() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }

session=$("$(dirname "$0")/login.sh" ems "$1")
unit='"agency_id": "'$(value '["session"]["agencyId"]' <<<"$session")'", "unit_id": "'$2'"'
for latitude in 40.4406 40.4410 40.4414; do
  echo "{$unit, \"location\": {\"latitude\": $latitude, \"longitude\": -79.9959},
    \"fix_time\": \"$(date -u +%FT%T.%NZ)\"}"
done | grpcurl -plaintext -H "authorization: Bearer $(value '["accessToken"]' <<<"$session")" \
  -d @ "$router" medport.ems.v1.UnitService/ReportLocation
