# What the tools' scripts share; run.py says in the environment where everything is:
#
#   SOURCE_HOST, TARGET_HOST         directories of the two servers' sockets
#   SOURCE_ADDRESS, TARGET_ADDRESS   where they listen on PGPORT
#   DATABASES                        names of the source's databases, separated by spaces
#   JOBS                             as many tables at a time as pg_migrate takes unless told otherwise
#   SCRATCH                          an empty directory for this run
#   PG_MIGRATE                       the program
#
# PATH begins with PostgreSQL's programs, and PGUSER is set. Each script answers `version`, failing if its tool is not here, and
# `run`, which migrates everything. Its second line is what the report says about it; "# sets:" limits it to some data sets.
set -euo pipefail

source_of() { echo "host=$SOURCE_HOST user=$PGUSER dbname=$1"; }
target_of() { echo "host=$TARGET_HOST user=$PGUSER dbname=$1"; }

# For what cannot use sockets.
source_by_tcp() { echo "host=$SOURCE_ADDRESS port=$PGPORT user=$PGUSER dbname=$1"; }
target_by_tcp() { echo "host=$TARGET_ADDRESS port=$PGPORT user=$PGUSER dbname=$1"; }

# Its command has the same name as ours: peers.sh gives it another. The package has no --version.
aiven_db_migrate() {
    if [ "$1" = --version ]; then
        local program
        program=$(readlink -f "$(type -P aiven-pg_migrate)")
        "$(dirname "$program")/pip" list | grep '^aiven-db-migrate '
    else
        aiven-pg_migrate "$@"
    fi
}

create_database() { createdb --host="$TARGET_HOST" --template=template0 "$1"; }

# What pg_migrate and pgcopydb do at their end, and pg_restore does not.
analyze_all() { vacuumdb --host="$TARGET_HOST" --all --analyze-only --jobs="$JOBS" --quiet; }

# each COMMAND…: once for each database, its name as the last argument.
each() {
    local database
    for database in $DATABASES; do "$@" "$database"; done
}
