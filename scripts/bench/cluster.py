"""Throwaway PostgreSQL servers on Unix sockets: made, started, stopped, asked, and their CPU time read."""

import glob
import os
import shutil
import subprocess
import zlib

# What differs from what initdb leaves; the report lists it. A migration of twenty databases by replication needs that many slots
# and workers.
SOURCE_SETTINGS = {
    "listen_addresses": "'127.0.0.2'",
    "wal_level": "logical",
    "max_replication_slots": "40",
    "max_wal_senders": "40",
}
TARGET_SETTINGS = {
    "listen_addresses": "'127.0.0.3'",
    "max_replication_slots": "40",
    "max_logical_replication_workers": "40",
    "max_worker_processes": "48",
}
USER = "postgres"
# All that is kept between runs.
DIRECTORY = os.environ.get("BENCH_DIR", "/var/tmp/pg_migrate-bench")
# Both servers have this one, on addresses of their own; benchmarks in two directories do not meet.
PORT = str(20000 + zlib.crc32(DIRECTORY.encode()) % 10000)


def address(settings):
    return settings["listen_addresses"].strip("'")


def programs():
    """The directory of the newest PostgreSQL's programs."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        raise SystemExit("bench: no PostgreSQL server found; scripts/setup.sh installs one")
    return os.path.dirname(initdb)


BIN = programs()


def unprivileged(*command):
    """The command as a user that the server is willing to run as."""
    if os.getuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]


def call(*command, stdin=subprocess.DEVNULL):
    """Runs a program of PostgreSQL's, or another, quietly; what it says is the error."""
    done = subprocess.run(unprivileged(*command), stdin=stdin, capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def version():
    return call(f"{BIN}/postgres", "--version").strip()


class Cluster:
    """A data directory, and the server on it if one runs."""

    def __init__(self, directory):
        self.directory = directory
        self.data = f"{directory}/data"

    def create(self, settings):
        """A new, empty cluster that has nothing but these settings."""
        self.remove()
        call("mkdir", "-p", self.directory)
        call(f"{BIN}/initdb", "--pgdata", self.data, "--username", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        conf = "".join(f"{name} = {value}\n" for name, value in settings.items())
        call("sh", "-c", f"printf %s \"$1\" >> '{self.data}/postgresql.conf'", "sh", conf)

    def copy_of(self, other):
        """A byte for byte copy of a cluster that is stopped."""
        self.remove()
        call("cp", "-a", other.directory, self.directory)

    def remove(self):
        self.stop("immediate")
        call("rm", "-rf", self.directory)

    def start(self):
        options = f"-c unix_socket_directories='{self.directory}' -c port={PORT}"
        call(f"{BIN}/pg_ctl", "start", "--silent", "--wait", "-D", self.data, "-l", f"{self.directory}/log", "-o", options)

    def stop(self, mode="fast"):
        # A server that was killed with the machine leaves its pid behind.
        if os.path.exists(f"{self.data}/postmaster.pid") and self.runs():
            call(f"{BIN}/pg_ctl", "stop", "--silent", "--wait", f"--mode={mode}", "-D", self.data)

    def runs(self):
        status = unprivileged(f"{BIN}/pg_ctl", "status", "-D", self.data)
        return subprocess.run(status, stdout=subprocess.DEVNULL, cwd="/").returncode == 0

    def reach(self):
        """Options of PostgreSQL's programs."""
        return [f"--host={self.directory}", f"--port={PORT}", f"--username={USER}"]

    def conninfo(self, database):
        return f"host={self.directory} port={PORT} user={USER} dbname={database}"

    def psql(self, database, *arguments, stdin=subprocess.DEVNULL):
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        return call(f"{BIN}/psql", *options, *self.reach(), f"--dbname={database}", *arguments, stdin=stdin)

    def ask(self, database, query):
        """The rows of a query's single column."""
        return self.psql(database, "--command", query).split("\n")[:-1]

    def databases(self):
        """All but the templates and "postgres", in the order in which they were created."""
        query = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY oid"
        return self.ask("postgres", query)

    def cpu(self):
        """CPU seconds of the server since it started: of its first process, its children alive, and those that have ended."""
        with open(f"{self.data}/postmaster.pid") as file:
            postmaster = int(file.readline())
        ticks = sum(times(postmaster))
        for entry in os.listdir("/proc"):
            if entry.isdigit() and parent(int(entry)) == postmaster:
                ticks += sum(times(int(entry)))
        return ticks / os.sysconf("SC_CLK_TCK")


def stat(pid):
    """Fields of /proc/PID/stat from the third on; none if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def parent(pid):
    fields = stat(pid)
    return int(fields[1]) if fields else None


def times(pid):
    """Ticks in user and kernel mode, its own and its ended children's."""
    return [int(field) for field in stat(pid)[11:15]]
