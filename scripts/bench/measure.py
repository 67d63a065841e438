"""Runs one command and says what it and all its descendants took.

    measure.py TIMEOUT LOG COMMAND…

prints one JSON object: seconds, CPU seconds, peak memory in bytes and the exit code, null after TIMEOUT seconds. It is a process
of its own because it becomes the parent of whatever the command leaves behind, so that nobody's time is lost: CPU seconds are the
kernel's sum over all children that have ended. Memory is sampled: the sum of what each process has for itself and its share of
what several have (PSS), because some tools fork without end and share nearly everything. Interrupted, it ends the command.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

# At ten a second, looking took a twentieth of the machine.
SAMPLE_SECONDS = 0.5
PR_SET_CHILD_SUBREAPER = 36


def descendants(root):
    """Process IDs below root, without it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended
            children.setdefault(parent, []).append(int(entry))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def memory(pids):
    """Bytes that these processes have in memory together."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except OSError:
            continue
    return total


class Peak(threading.Thread):
    """The largest sum seen so far, sampled until `done` is set."""

    def __init__(self):
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.bytes = 0

    def run(self):
        while not self.done.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, memory(descendants(os.getpid())))


def end_leftovers():
    """Waits for what the command left behind: for five seconds, then it is killed."""
    deadline = time.monotonic() + 5
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > deadline:
                for left in descendants(os.getpid()):
                    os.kill(left, signal.SIGKILL)
            time.sleep(0.02)


def main():
    timeout, log, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.default_int_handler)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak = Peak()
    peak.start()
    with open(log, "wb") as output:
        begun = time.monotonic()
        tool = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = tool.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
            os.killpg(tool.pid, signal.SIGTERM)
        except KeyboardInterrupt:
            os.killpg(tool.pid, signal.SIGTERM)
            end_leftovers()
            sys.exit(130)
        seconds = time.monotonic() - begun
    peak.done.set()
    peak.join()
    end_leftovers()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "memory": peak.bytes, "code": code}))


if __name__ == "__main__":
    main()
