#!/usr/bin/env python3
"""Migrates the same data with every tool found here, in turn, and writes down what each took.

    BENCH_SETS="A B"     data sets, named like the files in sets/; default: all
    BENCH_TOOLS="…"      tools, named like the files in tools/; default: all that are found
    BENCH_ROUNDS=3       each round runs every tool once on every set
    BENCH_SCALE=1        0.02 is a smoke test
    BENCH_DIR=…          where data is kept between runs; default: /var/tmp/pg_migrate-bench
    BENCH_RESULTS=…      go on with this file of results instead of beginning a new one
    BENCH_TIMEOUT=3600   seconds after which a tool has failed
    PG_MIGRATE=…         the program; default: target/release/pg_migrate

Results are lines of JSON, one for each run, written at once: an interrupted benchmark can be rendered (render.py), and be
continued. Every run begins with a new, empty target server, both servers' checkpoints done, and the source's files in memory.

Targets of earlier runs stay until the end, their files emptied: ext4 does not use an inode again before a minute has passed since
its file was removed, and searches long for others; of a run that creates thousands of files that was up to a third of the time.
"""

import datetime
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time

import check
import cluster
import render
from cluster import Cluster

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
JOBS = "4"
# RECENTCY_MIN in fs/ext4/ialloc.c is 60.
REUSED_AFTER_SECONDS = 65


def names(directory, suffix=""):
    """Names of the files there, without the suffix; what is not to be run has another."""
    found = sorted(os.listdir(f"{HERE}/{directory}"))
    return [name.removesuffix(suffix) for name in found if (name.endswith(suffix) if suffix else "." not in name)]


def chosen(variable, all_of_them):
    wanted = os.environ.get(variable, "").split() or all_of_them
    for name in wanted:
        if name not in all_of_them:
            raise SystemExit(f"bench: {variable}: there is no {name}; there are: {' '.join(all_of_them)}")
    return wanted


class Tool:
    """A script in tools/."""

    def __init__(self, name):
        self.name = name
        self.script = f"{HERE}/tools/{name}"
        with open(self.script) as file:
            lines = file.read().split("\n")
        self.what = lines[1].removeprefix("# ")
        limits = [line.removeprefix("# sets:").split() for line in lines if line.startswith("# sets:")]
        self.sets = limits[0] if limits else None

    def version(self, environment):
        """What it calls itself; None when it is not installed."""
        done = subprocess.run([self.script, "version"], env=environment, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None


class Bench:
    def __init__(self):
        self.scale = float(os.environ.get("BENCH_SCALE", "1"))
        self.directory = cluster.DIRECTORY
        self.program = os.environ.get("PG_MIGRATE", f"{ROOT}/target/release/pg_migrate")
        cluster.call("mkdir", "-p", self.directory)
        if len(f"{self.directory}/sources/A-0.025/.s.PGSQL.{cluster.PORT}") > 100:
            raise SystemExit(f"bench: BENCH_DIR={self.directory} is too long for the name of a socket")
        os.makedirs(f"{self.directory}/results", exist_ok=True)
        self.lock = open(f"{self.directory}/lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"bench: another benchmark runs in {self.directory}; wait, or set BENCH_DIR") from None
        started = datetime.datetime.now().strftime("%Y-%m-%dT%H%M%S")
        self.results = os.environ.get("BENCH_RESULTS", f"{self.directory}/results/{started}.jsonl")
        self.empty = Cluster(f"{self.directory}/empty")
        self.target = Cluster(f"{self.directory}/target")
        self.spent = f"{self.directory}/spent"
        self.removed = f"{self.directory}/removed"

    def source(self, name):
        """The cluster with this data set, running; built if it has not been, or not from what the file says now."""
        file = f"{HERE}/sets/{name}.sql"
        with open(file) as sql:
            parts = [sql.read(), cluster.SOURCE_SETTINGS, cluster.version()]
        is_made_of = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        source = Cluster(f"{self.directory}/sources/{name}-{self.scale:g}")
        mark = f"{source.directory}/made-of"
        if not os.path.exists(mark) or open(mark).read() != is_made_of:
            say(f"building data set {name} at scale {self.scale:g}")
            source.create(cluster.SOURCE_SETTINGS)
            source.start()
            with open(file) as sql:
                source.psql("postgres", f"--set=scale={self.scale:g}", stdin=sql)
            # With visibility and statistics settled, reading writes nothing.
            cluster.call(f"{cluster.BIN}/vacuumdb", "--all", "--freeze", "--analyze", "--quiet", *source.reach())
            source.stop()
            cluster.call("sh", "-c", f"printf %s {is_made_of} > '{mark}'")
        source.stop()
        source.start()
        return source

    def new_target(self, source):
        """An empty target server, and a source as quiet as at first."""
        self.spend_target()
        drop_leftovers(source)
        self.target.copy_of(self.empty)
        self.target.start()
        os.sync()
        for side in (source, self.target):
            side.psql("postgres", "--command", "CHECKPOINT")
        # Into the page cache; a file that the server replaces meanwhile does not matter.
        cluster.call("sh", "-c", f"cat '{source.data}'/base/*/* >/dev/null 2>&1 || true")

    def spend_target(self):
        """Takes the last run's target out of the way."""
        self.target.stop("immediate")
        if os.path.exists(self.target.directory):
            cluster.call("mkdir", "-p", self.spent)
            kept = f"{self.spent}/{len(os.listdir(self.spent))}"
            cluster.call("mv", self.target.directory, kept)
            cluster.call("find", kept, "-type", "f", "-size", "+0", "-exec", "truncate", "--size=0", "{}", "+")

    def remove_spent(self):
        """Removes all targets. The next benchmark waits until that is over for ext4, too."""
        self.spend_target()
        if os.path.exists(self.spent):
            cluster.call("rm", "-rf", self.spent)
            cluster.call("touch", self.removed)

    def wait_for_inodes(self):
        """Waits until those of the files that the last benchmark removed are used again."""
        if os.path.exists(self.removed):
            seconds = os.path.getmtime(self.removed) + REUSED_AFTER_SECONDS - time.time()
            time.sleep(min(max(seconds, 0), REUSED_AFTER_SECONDS))

    def environment(self, source=None, scratch=None):
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "PATH": f"{cluster.BIN}:{self.directory}/peers/bin:{os.environ['PATH']}",
            "PGUSER": cluster.USER,
            "PGPORT": cluster.PORT,
            "PG_MIGRATE": self.program,
            "JOBS": JOBS,
            "TARGET_HOST": self.target.directory,
            "SOURCE_HOST": source.directory if source else "",
            "SOURCE_ADDRESS": cluster.address(cluster.SOURCE_SETTINGS),
            "TARGET_ADDRESS": cluster.address(cluster.TARGET_SETTINGS),
            "DATABASES": " ".join(source.databases()) if source else "",
            "SCRATCH": scratch or "",
        }

    def run(self, tool, name, source, expected):
        """One migration: what it took, and whether everything arrived."""
        self.new_target(source)
        scratch, log = f"{self.directory}/scratch", f"{self.directory}/{tool.name}-{name}.log"
        shutil.rmtree(scratch, ignore_errors=True)
        os.makedirs(scratch)
        timeout = os.environ.get("BENCH_TIMEOUT", "3600")
        environment = self.environment(source, scratch)
        before = [source.cpu(), self.target.cpu()]
        busy = cpu_of_machine()
        command = [sys.executable, f"{HERE}/measure.py", timeout, log, tool.script, "run"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as measuring:
            try:
                measured = measuring.communicate()[0]
            except BaseException:
                measuring.terminate()
                measuring.wait()
                raise
        if measuring.returncode == 130:
            raise KeyboardInterrupt(f"while measuring {tool.name}")
        if measuring.returncode != 0:
            raise SystemExit(f"bench: measuring {tool.name} ended with {measuring.returncode}")
        took = json.loads(measured)
        after = [source.cpu(), self.target.cpu()]
        busy = cpu_of_machine() - busy
        shutil.rmtree(scratch)
        took["source_cpu"], took["target_cpu"] = (late - early for late, early in zip(after, before))
        took["other_cpu"] = max(0, busy - took["cpu"] - took["source_cpu"] - took["target_cpu"])
        took["failure"] = self.failure(tool, took["code"], source, expected, log)
        return took

    def failure(self, tool, code, source, expected, log):
        if code is None:
            return "it did not end in time"
        if code != 0:
            return f"exit code {code}: {check.last_line(log)}"
        wrong = check.difference(expected, self.target)
        if wrong is None and tool.name.startswith("pg_migrate"):
            wrong = check.verify(self.program, source, self.target, f"{log}.verify")
        return wrong

    def write(self, line):
        with open(self.results, "a") as file:
            file.write(json.dumps(line) + "\n")

    def main(self):
        tools = {}
        for tool in map(Tool, chosen("BENCH_TOOLS", names("tools"))):
            version = tool.version(self.environment())
            if version:
                tools[tool.name] = {"version": version, "what": tool.what}
                self.write({"tool": tool.name, "version": version, "what": tool.what})
            else:
                say(f"{tool.name} is not here and left out")
        self.write({"machine": machine(), "server": cluster.version(),
                    "source": cluster.SOURCE_SETTINGS, "target": cluster.TARGET_SETTINGS, "scale": self.scale})  # fmt: skip
        self.empty.create(cluster.TARGET_SETTINGS)
        try:
            self.remove_spent()
            self.wait_for_inodes()
            self.rounds(tools)
        finally:
            self.remove_spent()
        say(f"results: {self.results}")
        print(render.text(render.Results([self.results])))

    def rounds(self, tools):
        for round_ in range(int(os.environ.get("BENCH_ROUNDS", "3"))):
            for name in chosen("BENCH_SETS", names("sets", ".sql")):
                source = self.source(name)
                try:
                    expected = check.counts(source)
                    for tool in map(Tool, rotated(tools, round_)):
                        if tool.sets and name not in tool.sets:
                            continue
                        took = self.run(tool, name, source, expected)
                        self.write({"set": name, "round": round_, "tool": tool.name, "scale": self.scale, **took})
                        end = f", FAILED: {took['failure']}" if took["failure"] else ""
                        say(f"set {name} round {round_ + 1} {tool.name}: {took['seconds']:.1f} s{end}")
                finally:
                    self.spend_target()
                    source.stop()


def rotated(tools, round_):
    """Another tool goes first in each round, so that none is always the one after the machine has rested."""
    order = list(tools)
    first = round_ % len(order) if order else 0
    return order[first:] + order[:first]


def drop_leftovers(source):
    """What a tool that failed has left on the source."""
    source.psql("postgres", "--command", """
        SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active;
        SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active""")  # fmt: skip
    for database in source.databases():
        for publication in source.ask(database, "SELECT quote_ident(pubname) FROM pg_publication"):
            source.psql(database, "--command", f"DROP PUBLICATION {publication}")


def cpu_of_machine():
    """CPU seconds that all processes together have had, and that the host has taken away."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _wait, irq, soft, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def machine():
    """What a reader has to know about where this ran."""
    def first(path, key):
        with open(path) as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "?")

    return {
        "cpu": first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": int(first("/proc/meminfo", "MemTotal").split()[0]) * 1024,
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": disk(),
        "date": datetime.date.today().isoformat(),
    }


def disk():
    """Device and file system below the benchmark's directory."""
    done = subprocess.run(["df", "--output=source,fstype", cluster.DIRECTORY], capture_output=True, text=True)
    device, kind = done.stdout.split("\n")[1].split()
    try:
        with open(f"/sys/class/block/{os.path.basename(device)}/queue/rotational") as file:
            spins = {"0": "not rotating", "1": "said to rotate"}[file.read().strip()]
    except OSError:
        spins = "of unknown kind"
    return f"{os.path.basename(device)}, {spins}, {kind}"


def say(what):
    print(f"bench: {what}", file=sys.stderr, flush=True)


def interrupted(signal_, _frame):
    raise KeyboardInterrupt(f"by {signal.Signals(signal_).name}")


if __name__ == "__main__":
    # SIGINT as well: it is ignored in what a shell runs in the background.
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, interrupted)
    try:
        Bench().main()
    except KeyboardInterrupt as reason:
        sys.exit(f"bench: interrupted {reason}; render.py shows what there is")
