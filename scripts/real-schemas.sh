#!/usr/bin/env bash
# Fetches the schemas of real applications, with the rows that they ship, and migrates each by both methods:
#
#   scripts/real-schemas.sh           all that can be had here
#   scripts/real-schemas.sh --fetch   only fetches
#
# They come from Debian's and PyPI's packages and land in .schemas/<name>/, one file of SQL after another; the test `real`
# takes whatever is there. None of them is part of this repository. What cannot be fetched is left out, with a line that says so.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD/.schemas

# debian NAME PACKAGE FILE…: the files of a package, in this order; what is compressed is unpacked.
debian() {
    local name=$1 package=$2
    shift 2
    [ ! -d "$root/$name" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || missing "$name" "this is no Debian" || return 0
    (cd "$scratch" && apt-get download "$package" >log 2>&1) || missing "$name" "$(tail -n 1 "$scratch/log")" || return 0
    mkdir "$scratch/$name.package"
    dpkg-deb --extract "$scratch/$package"_*.deb "$scratch/$name.package"
    collect "$name" "$@"
}

# wheel NAME REQUIREMENT FILE…: the files of a Python package.
wheel() {
    local name=$1 requirement=$2
    shift 2
    [ ! -d "$root/$name" ] || return 0
    command -v python3 >/dev/null || missing "$name" "there is no python3" || return 0
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$scratch/$name.wheels" \
        --only-binary=:all: "$requirement" >"$scratch/log" 2>&1 ||
        missing "$name" "$(tail -n 1 "$scratch/log")" || return 0
    python3 -m zipfile -e "$scratch/$name.wheels"/*.whl "$scratch/$name.package"
    collect "$name" "$@"
}

# missing NAME WHY: says it, and fails, so that the caller goes on without.
missing() {
    echo "real-schemas: without $1: $2" >&2
    return 1
}

# collect NAME PATTERN…: moves the files into place, numbered in their order; $prologue is a first one, and $before is where
# a file is cut off that has too much.
collect() {
    local name=$1 number=0 pattern file into
    shift
    mkdir -p "$scratch/$name"
    if [ -n "${prologue-}" ]; then echo "$prologue;" >"$scratch/$name/00.sql"; fi
    for pattern in "$@"; do
        # shellcheck disable=SC2086 # It is a pattern.
        for file in "$scratch/$name.package"/$pattern; do
            number=$((number + 1))
            into=$scratch/$name/$(printf '%02d' "$number").sql
            case $file in
            *.gz) gzip -dc "$file" >"$into" ;;
            *) cp "$file" "$into" ;;
            esac
            if [ -n "${before-}" ] && grep -q "^$before" "$into"; then
                sed -i "/^$before/,\$d" "$into"
                echo 'COMMIT;' >>"$into"
            fi
        done
    done
    mv "$scratch/$name" "$root/$name"
    echo "real-schemas: $name, $number files"
}

mkdir -p "$root"
# Beside its aim, so that finished directories move into place in one step.
scratch=$(mktemp -d "$root/.fetching.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# apt downloads as a user of its own.
chmod 777 "$scratch"

debian bacula bacula-director-pgsql 'usr/share/dbconfig-common/data/bacula-director-pgsql/install/pgsql'
debian icinga2 icinga2-ido-pgsql 'usr/share/dbconfig-common/data/icinga2-ido-pgsql/install/pgsql'
debian icingadb icingadb 'usr/share/icingadb/schema/pgsql/schema.sql'
debian kamailio kamailio-postgres-modules 'usr/share/kamailio/postgres/standard-create.sql' \
    'usr/share/kamailio/postgres/[!s]*-create.sql' 'usr/share/kamailio/postgres/s[!t]*-create.sql'
debian kea kea-admin 'usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql'
debian roundcube roundcube-core 'usr/share/dbconfig-common/data/roundcube/install/pgsql'
debian tt-rss tt-rss 'usr/share/dbconfig-common/data/tt-rss/install/pgsql'
# Its rows are many, and the first tables have enough of them.
before='INSERT INTO items ' \
    debian zabbix zabbix-server-pgsql 'usr/share/zabbix-server-pgsql/schema.sql.gz' \
        'usr/share/zabbix-server-pgsql/images.sql.gz' 'usr/share/zabbix-server-pgsql/data.sql.gz'
wheel synapse matrix-synapse==1.163.2 'synapse/storage/schema/*/full_schemas/72/full.sql.postgres'
# Theirs is created by a program.
prologue='CREATE SCHEMA musicbrainz; ALTER DATABASE :"DBNAME" SET search_path = musicbrainz, public' \
    wheel musicbrainz mbdata==31.0.1 mbdata/sql/{Extensions,CreateCollations,CreateSearchConfiguration,CreateTypes}.sql \
    mbdata/sql/{CreateTables,CreateFunctions,CreatePrimaryKeys,InsertDefaultRows,CreateFKConstraints}.sql \
    mbdata/sql/{CreateIndexes,CreateConstraints,SetSequences,CreateViews,CreateTriggers,CreateSearchIndexes}.sql

[ "${1-}" = --fetch ] || cargo test --locked --test it -- real::
