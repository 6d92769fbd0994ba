#!/usr/bin/env bash
# Reads a hospital's trips, two to a page, and is refused a page token that somebody invented.
#
#   MEDPORT_PASSWORD=... examples/buf_curl/list_transport_requests.sh case.manager.1@upmc.example
set -euo pipefail
router=http://${MEDPORT_ROUTER:-localhost:50050}/medport.hospital.v1
value() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
ask() { buf curl --protocol grpc --http2-prior-knowledge "$@"; }

# The password comes through standard input: arguments are everybody's to read.
session=$(python3 -c 'import json, os, sys
print(json.dumps({"email": sys.argv[1], "password": os.environ["MEDPORT_PASSWORD"]}))' "$1" |
  ask -d @- "$router.SessionService/CreateSession")
bearer="authorization: Bearer $(value '["accessToken"]' <<<"$session")"
hospital=$(value '["session"]["hospitalId"]' <<<"$session")

page() { # page TOKEN
  ask -H "$bearer" -d "{\"hospital_id\": \"$hospital\", \"page_size\": 2, \"page_token\": \"$1\"}" \
    "$router.TransportRequestService/ListTransportRequests"
}
first=$(page "")
echo "$first"
page "$(value '["nextPageToken"]' <<<"$first")"
if page "an invented one" 2>&1; then exit 1; fi # it prints code and message as JSON
