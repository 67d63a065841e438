#!/usr/bin/env bash
# Runs tests for every pair of installed majors, from each to itself and to every newer one:
#
#   scripts/matrix.sh                        a shop and the zoo by both methods: half a minute a pair
#   scripts/matrix.sh ''                     all tests: minutes a pair
#   PAIRS='13:16 15:18' scripts/matrix.sh    these pairs only
#
# scripts/fetch-servers.sh fetches majors that the system does not have.
set -euo pipefail

cd "$(dirname "$0")/.."
tests=(versions::a_shop zoo::)
if [ $# -gt 0 ]; then tests=("$@"); fi
logs=target/matrix

# Majors that have a server, oldest first.
majors() {
    local bin
    for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin .servers/*/bin; do
        if [ -x "$bin/initdb" ]; then
            "$bin/postgres" --version | sed -E 's/.*\(PostgreSQL\) ([0-9]+).*/\1/'
        fi
    done | sort -nu
}

pairs() {
    local source target
    for source in $(majors); do
        for target in $(majors); do
            if [ "$source" -le "$target" ]; then echo "$source:$target"; fi
        done
    done
}

cargo test --locked --test it --no-run
mkdir -p "$logs"
failed=()
for pair in ${PAIRS-$(pairs)}; do
    log=$logs/${pair/:/-}.log
    printf '%s -> %s: ' "${pair%:*}" "${pair#*:}"
    if PG_MIGRATE_REQUIRE=1 PG_SOURCE_VERSION=${pair%:*} PG_TARGET_VERSION=${pair#*:} \
        cargo test --locked --test it -- "${tests[@]}" >"$log" 2>&1; then
        sed -n 's/^test result: ok. \([0-9]* passed\).*finished in \(.*\)/\1 in \2/p' "$log"
    else
        echo "FAILED, see $log"
        failed+=("$pair")
    fi
done
if [ "${#failed[@]}" -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
