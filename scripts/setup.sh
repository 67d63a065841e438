#!/usr/bin/env bash
# Brings the system up to what building and testing need, and says nothing when all of it is there already.
#
# On Debian and Ubuntu missing packages are installed, as root or through a sudo that asks no password; anywhere else the
# script says what is missing. It starts no server, and changes no configuration of a PostgreSQL that is installed already.
set -euo pipefail

missing() {
    command -v cargo >/dev/null || echo rust
    command -v cc >/dev/null || echo gcc
    command -v make >/dev/null || echo make
    command -v pkg-config >/dev/null || echo pkg-config
    pkg-config --exists openssl 2>/dev/null || echo libssl-dev
    have initdb || echo postgresql
    have pg_dump || echo postgresql-client
}

# have PROGRAM: in PATH, or where distributions put PostgreSQL.
have() {
    command -v "$1" >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null ||
        compgen -G "/usr/pgsql-*/bin/$1" >/dev/null
}

mapfile -t packages < <(missing)
[ ${#packages[@]} -gt 0 ] || exit 0

if [[ " ${packages[*]} " == *" rust "* ]]; then
    echo "setup: cargo is not in PATH; install Rust 1.88 or newer: https://rustup.rs" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo env)
fi
if [ -z "${as_root:-}" ] || ! command -v apt-get >/dev/null; then
    echo "setup: please install (named as on Debian): ${packages[*]}" >&2
    exit 1
fi

echo "setup: installing ${packages[*]}" >&2
install() {
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends --quiet=2 "$@" >/dev/null
}
"${as_root[@]}" apt-get update --quiet=2
# The package would create and start a server of its own, which nobody here needs.
createcluster=/etc/postgresql-common/createcluster.conf
if [[ " ${packages[*]} " == *" postgresql "* ]] && [ ! -e $createcluster ]; then
    install postgresql-common
    "${as_root[@]}" cp -p $createcluster $createcluster.before-setup
    trap '"${as_root[@]}" mv $createcluster.before-setup $createcluster' EXIT
    echo 'create_main_cluster = false' | "${as_root[@]}" tee -a $createcluster >/dev/null
fi
install ca-certificates "${packages[@]}"
