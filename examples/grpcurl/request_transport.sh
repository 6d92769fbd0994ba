#!/usr/bin/env bash
# Asks for a transport twice with one request id, which makes one; then cancels it, first with an etag
# that is wrong. `-max-time` is the deadline, which the silo gets, too.
#
#   MEDPORT_PASSWORD=... examples/grpcurl/request_transport.sh case.manager.1@upmc.example
set -euo pipefail
router=${MEDPORT_ROUTER:-localhost:50050}
trips=medport.hospital.v1.TransportRequestService
value() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
id() { python3 -c 'import uuid; print(uuid.uuid4())'; }

session=$("$(dirname "$0")/login.sh" hospital "$1")
hospital=$(value '["session"]["hospitalId"]' <<<"$session")
ask() { # ask METHOD REQUEST
  grpcurl -plaintext -max-time 5 -H "authorization: Bearer $(value '["accessToken"]' <<<"$session")" \
    -H "x-request-id: example-$$" -d "$2" "$router" "$1"
}

facilities=$(ask medport.hospital.v1.FacilityService/ListFacilities \
  "{\"hospital_id\": \"$hospital\", \"page_size\": 2}")
request='{"hospital_id": "'$hospital'", "request_id": "'$(id)'", "transport_request": {
  "patient_id": "MRN-EXAMPLE",
  "origin_facility_id": "'$(value '["facilities"][0]["id"]' <<<"$facilities")'",
  "destination_facility_id": "'$(value '["facilities"][1]["id"]' <<<"$facilities")'",
  "transport_level": "TRANSPORT_LEVEL_BLS", "priority": "PRIORITY_HIGH",
  "age_band": "AGE_BAND_ADULT", "weight_band": "WEIGHT_BAND_UNDER_300_LB",
  "ready_time": "'$(date -u +%FT%TZ)'", "latest_pickup_time": "'$(date -u -d '+2 hours' +%FT%TZ)'"}}'
first=$(ask $trips/CreateTransportRequest "$request")
again=$(ask $trips/CreateTransportRequest "$request")
trip=$(value '["transportRequest"]["id"]' <<<"$first")
test "$trip" = "$(value '["transportRequest"]["id"]' <<<"$again")"
echo "made once: $(value '["transportRequest"]["tripNumber"]' <<<"$first")"

cancel() { # cancel ETAG
  ask $trips/CancelTransportRequest '{"hospital_id": "'"$hospital"'", "transport_request_id": "'"$trip"'",
    "reason": "CANCELLATION_REASON_NO_LONGER_NEEDED", "etag": "'"$1"'", "request_id": "'"$(id)"'"}'
}
if cancel an-older-one 2>&1; then exit 1; fi # it prints code, text and details: ETAG_MISMATCH
cancel "$(value '["transportRequest"]["etag"]' <<<"$first")"
