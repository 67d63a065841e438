#!/usr/bin/env bash
# Migrates a shop from one throwaway server to another while customers keep ordering, and proves that nothing was lost.
#
# Takes about a minute. Everything lives in one temporary directory, which is gone at the end.
#   ORDERS=1000000 scripts/demo.sh      a larger shop (default 200000)
#   PG_MIGRATE=/path scripts/demo.sh    another pg_migrate than the one built here
set -euo pipefail
cd "$(dirname "$0")/.."
orders=${ORDERS:-200000}

say() { printf '\n\033[1m▸ %s\033[0m\n' "$*"; }
note() { printf '  %s\n' "$*"; }
die() {
    printf '\ndemo: %s\n' "$*" >&2
    exit 1
}

# --- servers -----------------------------------------------------------------------------------------------------------

server_programs() {
    local newest
    newest=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) || newest=$(command -v initdb) ||
        die "no PostgreSQL server found; scripts/setup.sh installs one"
    dirname "$newest"
}

# Servers refuse to run as root.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

start_server() { # NAME
    unprivileged mkdir "$work/$1"
    unprivileged "$bin/initdb" --pgdata="$work/$1/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C \
        --no-sync >/dev/null
    unprivileged tee -a "$work/$1/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$work/$1'
wal_level = logical
fsync = off
max_wal_size = 2GB
CONF
    unprivileged "$bin/pg_ctl" start --silent --wait --pgdata="$work/$1/data" --log="$work/$1/log"
}

clean_up() {
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    for name in source target; do
        [ ! -e "$work/$name/data/postmaster.pid" ] ||
            unprivileged "$bin/pg_ctl" stop --silent --mode=immediate --pgdata="$work/$name/data" || true
    done
    rm -rf "$work"
}

uri() { echo "postgresql://postgres@/$2?host=$work/$1"; } # SERVER DATABASE

# SERVER DATABASE [psql's options]
sql() { "$bin/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$(uri "$1" "$2")" "${@:3}"; }

# --- what happens in the shop ------------------------------------------------------------------------------------------

cat_writer() {
    cat <<'SQL'
\set customer random(1, 100)
\set product random(1, 200)
\set old random(1, 100000)
BEGIN;
INSERT INTO shop.orders (customer_id, placed_at, note) VALUES (:customer, now(), 'placed during the move')
    RETURNING id \gset
INSERT INTO shop.order_items VALUES (:id, 1, 'sku-' || :product, 1, 9.99), (:id, 2, 'sku-1', 2, 0.5);
UPDATE shop.customers SET tags = tags || hstore('orders', :id::text) WHERE id = :customer;
DELETE FROM shop.orders WHERE id = :old;
COMMIT;
SQL
}

# Every table with its rows and a checksum that does not depend on their order; every sequence with its position.
inventory() { # SERVER DATABASE
    sql "$1" "$2" --tuples-only --no-align --field-separator='  ' <<'SQL'
SET search_path = '';
SET timezone = 'UTC';
SELECT CASE WHEN relkind = 'S'
    THEN format('SELECT %L, last_value, is_called FROM %s', c.oid::regclass, c.oid::regclass)
    ELSE format('SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY %s t',
                c.oid::regclass, c.oid::regclass)
    END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE (relkind = 'S' OR relkind IN ('r', 'm') AND relispopulated)
  AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY relkind = 'S', c.oid::regclass::text COLLATE "C" \gexec
SQL
}

# --- the story ---------------------------------------------------------------------------------------------------------

if [ -z "${PG_MIGRATE:-}" ]; then
    say "Building pg_migrate"
    cargo build --locked --quiet
    PG_MIGRATE=${CARGO_TARGET_DIR:-target}/debug/pg_migrate
fi
bin=$(server_programs)
# Not $TMPDIR: the path of a socket may have 107 bytes only.
work=$(mktemp -d /tmp/pg_migrate-demo.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT TERM
[ "$(id -u)" != 0 ] || chown postgres "$work"
chmod 755 "$work"
began=$SECONDS

say "Starting two servers ($("$bin/postgres" --version))"
start_server source
start_server target
note "source: $(uri source postgres)"
note "target: $(uri target postgres)"

say "Loading two shops into the source: $orders and 2000 orders, with all that a real schema has"
for shop in "shop $orders" "outlet 2000"; do
    read -r database count <<<"$shop"
    sql source postgres --command="CREATE DATABASE $database"
    PGOPTIONS="-c shop.orders=$count" sql source "$database" --single-transaction --file=tests/it/fixtures/shop.sql \
        >/dev/null
done
note "$(sql source shop --tuples-only --no-align --command="SELECT pg_size_pretty(sum(pg_database_size(oid))) FROM pg_database") on the source"

say "Customers order all the time, as they do: about 100 transactions each second"
cat_writer >"$work/writer.sql"
"$bin/pgbench" --no-vacuum --file="$work/writer.sql" --client=2 --rate=100 --time=600 --max-tries=10 \
    "$(uri source shop)" >"$work/writer.log" 2>&1 &
writer=$!

command=("$PG_MIGRATE" -s "$(uri source postgres)" -t "$(uri target postgres)")
say "First run: copy everything, leave replication running"
note "\$ pg_migrate -s … -t …"
"${command[@]}" || die "pg_migrate failed with exit code $?"
kill -0 "$writer" 2>/dev/null || die "the customers went away: $(tail -n 3 "$work/writer.log")"
during=$(sql source shop --tuples-only --no-align \
    --command="SELECT count(*) FROM shop.orders WHERE note = 'placed during the move'")
note "the shop was open all the time; $during orders came in so far"

say "The shop closes for a moment: writers stop"
kill "$writer" && wait "$writer" 2>/dev/null || true
closed=$SECONDS
# A migrated materialized view holds what its query gives on the target; the source's own may be older than its tables.
for view in y_revenue a_best_month; do sql source shop --command="REFRESH MATERIALIZED VIEW shop.$view"; done
note "and its materialized views get their nightly refresh"

say "Second run: catch up to the last byte, bring sequences along, end replication"
note "\$ pg_migrate -s … -t … --max-replication-lag 0 --stop-replication"
"${command[@]}" --max-replication-lag 0 --stop-replication || die "pg_migrate failed with exit code $?"
note "the shop was closed for $((SECONDS - closed)) s"

say "Are both servers equal? Rows and checksum of every table, position of every sequence:"
for database in shop outlet; do
    for server in source target; do inventory "$server" "$database" >"$work/$database.$server"; done
    diff "$work/$database.source" "$work/$database.target" >"$work/difference" ||
        die "$database differs:"$'\n'"$(cat "$work/difference")"
done
awk -F '  ' '{ printf "  %-32s %9s  %s\n", $1, $2, $3 }' "$work/shop.target"
note "shop and outlet: $(cat "$work"/*.target | wc -l) tables and sequences, all equal"
left=$(sql source postgres --tuples-only --no-align --command='SELECT count(*) FROM pg_replication_slots')
[ "$left" = 0 ] || die "$left replication slots are left on the source"
note "nothing is left behind on the source"

say "Done in $((SECONDS - began)) s; removing the two servers"
