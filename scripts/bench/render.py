#!/usr/bin/env python3
"""Shows results that run.py has written.

    render.py FILE…              as tables in the terminal
    render.py --markdown FILE…   as the page docs/benchmarks.md

Several files count as one benchmark. A ratio is a tool's time divided by that of pg_migrate-dump in the same round, and the median
of the rounds: what else the machine did meanwhile weighs less than in a ratio of medians.
"""

import json
import os
import statistics
import sys

REFERENCE = "pg_migrate-dump"
COLUMNS = ["tool", "seconds", "min–max", "× pg_migrate", "CPU tool", "CPU source", "CPU target", "memory MB", "CPU others", "result"]


class Results:
    def __init__(self, files):
        self.tools, self.runs, self.about = {}, [], {}
        for path in files:
            with open(path) as file:
                for line in map(json.loads, file):
                    if "machine" in line:
                        self.about = line
                    elif "set" in line:
                        self.runs.append({**line, "round": (path, line["round"])})
                    else:
                        self.tools[line["tool"]] = line

    def sets(self):
        return sorted({run["set"] for run in self.runs})

    def rows(self, set_):
        """A row of the table for each tool, the fastest first, failed ones last."""
        runs = [run for run in self.runs if run["set"] == set_]
        reference = {run["round"]: run["seconds"] for run in runs if run["tool"] == REFERENCE and not run["failure"]}
        rows = []
        for tool in {run["tool"] for run in runs}:
            mine = [run for run in runs if run["tool"] == tool]
            good = [run for run in mine if not run["failure"]]
            failures = [run["failure"] for run in mine if run["failure"]]
            result = f"{len(good)} of {len(mine)} complete" if failures else f"complete, {len(mine)} of {len(mine)}"
            if failures:
                result += f"; {failures[-1]}"
            rows.append((median(good, "seconds"), self.row(tool, good, reference, result)))
        return [row for _, row in sorted(rows, key=lambda row: (row[0] is None, row[0]))]

    def row(self, tool, good, reference, result):
        if not good:
            return [tool, *["–"] * (len(COLUMNS) - 2), result]
        seconds = [run["seconds"] for run in good]
        ratios = [run["seconds"] / reference[run["round"]] for run in good if run["round"] in reference]
        return [
            tool,
            f"{statistics.median(seconds):.1f}",
            f"{min(seconds):.1f}–{max(seconds):.1f}",
            f"{statistics.median(ratios):.2f}" if ratios else "–",
            *(f"{median(good, key):.1f}" for key in ("cpu", "source_cpu", "target_cpu")),
            f"{median(good, 'memory') / 1e6:.0f}",
            f"{median(good, 'other_cpu'):.1f}",
            result,
        ]


def median(runs, key):
    return statistics.median(run[key] for run in runs) if runs else None


def text(results):
    """Tables for a terminal."""
    out = []
    for set_ in results.sets():
        rows = [COLUMNS, *results.rows(set_)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
        out.append(f"\nset {set_}")
        for row in rows:
            first, *middle, last = zip(row, widths)
            out.append("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in middle), last[0]]))
    return "\n".join(out)


def table(rows):
    head, *body = rows
    return "\n".join(["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [head, ["---"] * len(head), *body]])


def markdown(results):
    """The page."""
    about = results.about
    machine = about["machine"]
    source, target = (", ".join(f"`{name} = {value}`" for name, value in about[side].items()) for side in ("source", "target"))
    scale = "" if about["scale"] == 1 else f" All sizes are multiplied by {about['scale']:g}: **a smoke test, not a measurement.**"
    rounds = max(sum(run["tool"] == tool and run["set"] == set_ for run in results.runs) for set_ in results.sets() for tool in results.tools)
    parts = [
        "# Benchmarks",
        "`make bench` wrote this page: the same data, migrated by every tool that it found, in turn. Run it where you are: numbers from"
        " other people's machines are worth little.",
        f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 2**30:.0f} GiB; {machine['disk']};"
        f" {machine['kernel']}. {about['server']} on both sides, tools and servers on the same machine, over Unix sockets. Up to"
        f" {rounds} rounds.{scale}",
        f"Every run begins with a new server as target, after checkpoints on both, the source's files in the page cache. Settings are"
        f" initdb's (`fsync` on, `shared_buffers` 128 MB) but for {source} on the source and {target} on the target.",
        "*Seconds* are medians of the runs that were complete. *× pg_migrate* is the time divided by that of `pg_migrate-dump` in the"
        " same round, the median of them: above 1 means slower. *CPU* is in seconds: of the tool with all its processes, of the source's server,"
        " of the target's; *others* is what the rest of the machine used meanwhile: where it is large, seconds say little."
        " *Memory* is the largest sum over the tool's processes.",
        "Complete means that all rows of all tables have been counted on the target, and all indexes and constraints are there. For"
        " pg_migrate it means as well that `pg_migrate verify` found every value of every row and every definition equal.",
    ]  # fmt: skip
    for set_ in results.sets():
        with open(f"{os.path.dirname(os.path.abspath(__file__))}/sets/{set_}.sql") as file:
            description = []
            for line in file:
                if not line.startswith("-- "):
                    break
                description.append(line.removeprefix("-- ").strip())
        parts.append(f"## {set_}: {' '.join(description)}")
        parts.append(table([COLUMNS, *results.rows(set_)]))
    parts.append("## Tools")
    used = {run["tool"] for run in results.runs}
    tools = [[f"`{name}`", line["what"], line["version"]] for name, line in sorted(results.tools.items()) if name in used]
    parts.append(table([["name", "what runs", "version"], *tools]))
    return "\n\n".join(parts)


def main():
    arguments = sys.argv[1:]
    as_page = arguments[:1] == ["--markdown"]
    files = arguments[1:] if as_page else arguments
    if not files:
        raise SystemExit(__doc__)
    print((markdown if as_page else text)(Results(files)))


if __name__ == "__main__":
    main()
