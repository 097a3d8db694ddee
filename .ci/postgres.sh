#!/bin/sh
# A private PostgreSQL for the tests: `URL=$(.ci/postgres.sh start)`, and `.ci/postgres.sh stop` when finished.
# In between `crash`, `resume` and `restart` do to it what may happen to any database.
# Loopback only, nobody else's data, everything in one mktemp folder that `stop` removes.
set -eu

port=${POSTGRES_PORT:-54329}
state=${TMPDIR:-/tmp}/wati-bff-postgres.$port

as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    # No environment of ours: the server has no business with it.
    setpriv --reuid=postgres --regid=postgres --init-groups --reset-env "$@"
  else
    "$@"
  fi
}

binaries() {
  for candidate in /usr/lib/postgresql/*/bin; do
    if [ -x "$candidate/postgres" ] && [ -x "$candidate/initdb" ]; then found=$candidate; fi
  done
  [ -n "${found:-}" ]
}

stop() {
  [ -f "$state" ] || return 0
  folder=$(cat "$state")
  binaries && as_postgres "$found/pg_ctl" -D "$folder/data" -m immediate -w stop >&2 || true
  rm -rf "$folder" "$state"
}

start() {
  stop
  if ! binaries; then
    apt-get update -qq >&2
    # The package would start a cluster of its own; it is not asked to.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o Dpkg::Options::=--force-confold postgresql >&2
    binaries
  fi
  folder=$(mktemp -d "${TMPDIR:-/tmp}/wati-bff-postgres.XXXXXX")
  if [ "$(id -u)" = 0 ]; then chown postgres: "$folder"; fi
  echo "$folder" >"$state"
  # Nothing is kept from fsync: what is tested is what a durable server does.
  as_postgres "$found/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >&2
  resume
  echo "postgres://postgres@127.0.0.1:$port/postgres"
}

# Without a word to anybody, as by a power cut.
crash() {
  binaries
  as_postgres "$found/pg_ctl" -D "$(cat "$state")/data" -m immediate -w stop >&2
}

resume() {
  binaries
  folder=$(cat "$state")
  as_postgres "$found/pg_ctl" -D "$folder/data" -l "$folder/log" -w \
    -o "-p $port -k $folder -c listen_addresses=127.0.0.1" start >&2
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  crash) crash ;;
  resume) resume ;;
  restart)
    crash
    resume
    ;;
  *)
    echo "usage: $0 start|stop|crash|resume|restart" >&2
    exit 2
    ;;
esac
