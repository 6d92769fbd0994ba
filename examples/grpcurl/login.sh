#!/usr/bin/env bash
# Logs a user in and prints the session as JSON: accessToken, and whose session it is.
#
#   MEDPORT_PASSWORD=... examples/grpcurl/login.sh hospital case.manager.1@upmc.example
set -euo pipefail
router=${MEDPORT_ROUTER:-localhost:50050} silo=$1 email=$2

# The password comes through standard input: arguments are everybody's to read.
python3 -c 'import json, os, sys
print(json.dumps({"email": sys.argv[1], "password": os.environ["MEDPORT_PASSWORD"]}))' "$email" |
  grpcurl -plaintext -d @ "$router" "medport.$silo.v1.SessionService/CreateSession"
