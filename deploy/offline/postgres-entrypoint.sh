#!/bin/sh
# What the official image's entrypoint does with the variables that docker-compose.yml sets:
# initdb once, run the SQL of /docker-entrypoint-initdb.d, then serve; never as root.
set -eu
data=/var/lib/postgresql/18
as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups --"
password=${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:?no password}")}

if [ ! -d "$data" ]; then
  chown postgres /var/lib/postgresql
  secret=$(mktemp) && printf '%s' "$password" >"$secret" && chown postgres "$secret"
  # shellcheck disable=SC2086 # the arguments of initdb are words
  $as_postgres initdb -D "$data.partial" -U "${POSTGRES_USER:-postgres}" --auth=scram-sha-256 \
    --pwfile="$secret" ${POSTGRES_INITDB_ARGS:-}
  rm -f "$secret"
  echo "host all all all scram-sha-256" >>"$data.partial/pg_hba.conf"
  $as_postgres pg_ctl -D "$data.partial" -w -o "-c listen_addresses=127.0.0.1 -c unix_socket_directories=" start
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ -e "$file" ] || continue
    PGPASSWORD=$password psql -h 127.0.0.1 -U "${POSTGRES_USER:-postgres}" -d "${POSTGRES_DB:-postgres}" \
      -v ON_ERROR_STOP=1 -Xq -f "$file"
  done
  $as_postgres pg_ctl -D "$data.partial" -w -m fast stop
  mv "$data.partial" "$data"
fi
[ "${1:-}" != postgres ] || shift
exec $as_postgres postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories= "$@"
