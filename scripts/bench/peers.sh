#!/usr/bin/env bash
# Fetches other tools to measure against into BENCH_DIR/peers, where run.py looks for them; installs nothing on the system.
#
#   scripts/bench/peers.sh [pgcopydb] [aiven-db-migrate]
#
# What is in PATH already is left as it is. What cannot be fetched is left out, with a line that says so.
set -euo pipefail
peers=${BENCH_DIR:-/var/tmp/pg_migrate-bench}/peers
mkdir -p "$peers/bin"

missing() { echo "peers: no $1: $2" >&2; }
have() { PATH=$peers/bin:$PATH type -P "$1" >/dev/null; }

# Debian's newest package, whatever release this is: with its own libraries, below its own loader.
fetch_pgcopydb() {
    local root=$peers/pgcopydb keys files libraries apt
    have pgcopydb && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { missing pgcopydb "this is no Debian" && return; }
    mkdir -p "$root"/{lists/partial,cache/archives/partial,files}
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$keys] http://deb.debian.org/debian sid main" >"$root/sources.list"
    : >"$root/status"
    apt=(-o "Dir::Etc::SourceList=$root/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$root/lists"
        -o "Dir::State::Status=$root/status" -o "Dir::Cache=$root/cache" -o APT::Sandbox::User= -o Acquire::Languages=none)
    apt-get "${apt[@]}" --quiet=2 update >"$root/log" 2>&1 || { missing pgcopydb "$(tail -n 1 "$root/log")" && return; }
    libraries=$(apt-cache "${apt[@]}" depends --important pgcopydb | sed -n 's/^ *Depends: \(lib.*\)/\1/p')
    # shellcheck disable=SC2086 # names of packages
    (cd "$root/cache/archives" && apt-get "${apt[@]}" download pgcopydb &&
        apt-get "${apt[@]}" --yes --no-install-recommends --download-only install $libraries) >"$root/log" 2>&1 ||
        { missing pgcopydb "$(tail -n 1 "$root/log")" && return; }
    find "$root/cache/archives" -name '*.deb' -exec dpkg-deb --extract {} "$root/files" \;
    rm -r "$root"/{lists,cache}
    files=$root/files/usr
    cat >"$peers/bin/pgcopydb" <<WRAPPER
#!/bin/sh
exec $files/lib64/ld-linux-x86-64.so.2 --library-path $files/lib/x86_64-linux-gnu $files/bin/pgcopydb "\$@"
WRAPPER
    chmod +x "$peers/bin/pgcopydb"
}

# Its command is called pg_migrate as well: here it has another name.
fetch_aiven-db-migrate() {
    local venv=$peers/aiven-db-migrate log=$peers/log from
    have aiven-pg_migrate && return
    python3 -m venv "$venv"
    for from in aiven-db-migrate git+https://github.com/aiven/aiven-db-migrate; do
        if "$venv/bin/pip" install --quiet "$from" psycopg2-binary >"$log" 2>&1; then
            ln -s "$venv/bin/pg_migrate" "$peers/bin/aiven-pg_migrate"
            return
        fi
    done
    missing aiven-db-migrate "$(grep --ignore-case error "$log" | tail -n 1)"
    rm -r "$venv"
}

[ $# -gt 0 ] || set -- pgcopydb aiven-db-migrate
for peer in "$@"; do "fetch_$peer"; done
