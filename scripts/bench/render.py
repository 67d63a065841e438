#!/usr/bin/env python3
"""Shows results that run.py has written.

    render.py FILE…              as tables in the terminal
    render.py --markdown FILE…   as the page docs/benchmarks.md

Several files count as one benchmark. A ratio in a data set's table is formed within a round, and is the median of the rounds: what
else the machine did meanwhile weighs less there than in a ratio of medians, which the first table has. The page ends with notes.md.
"""

import json
import os
import statistics
import sys

REFERENCE = "pg_migrate-dump"
OURS = [REFERENCE, "pg_migrate-replication"]
# No tool, but what one could hope for.
FLOOR = "by-hand"
HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ["tool", "seconds", "min–max", "× time", "× CPU"]
COLUMNS += ["CPU tool", "CPU source", "CPU target", "CPU others", "memory MB", "result"]


class Results:
    """The lines of some files, sorted by what they tell."""

    def __init__(self, files):
        self.tools, self.runs, self.about = {}, [], {}
        begun = 0  # a file that was gone on with has several benchmarks, each with a first round
        for path in files:
            with open(path) as file:
                for line in map(json.loads, file):
                    if "machine" in line:
                        self.about = line
                        begun += 1
                    elif "set" in line:
                        self.runs.append({**line, "round": (begun, line["round"])})
                    else:
                        self.tools[line["tool"]] = line

    def sets(self):
        return sorted({run["set"] for run in self.runs})

    def rounds(self):
        """The largest number of runs that a tool has had on a data set."""
        keys = [(run["set"], run["tool"]) for run in self.runs]
        return max(map(keys.count, keys))

    def others(self):
        """The share of the machine's CPU time that went to something else while tools ran."""
        there_was = sum(run["seconds"] for run in self.runs) * self.about["machine"]["cores"]
        return sum(run["other_cpu"] for run in self.runs) / there_was

    def medians(self, set_):
        """Seconds and CPU seconds of each tool that has been complete, the fastest first."""
        good = [run for run in self.runs if run["set"] == set_ and not run["failure"]]
        tools = {run["tool"] for run in good}
        medians = {
            tool: tuple(statistics.median(of(run) for run in good if run["tool"] == tool) for of in (seconds, cpu))
            for tool in tools
        }
        return dict(sorted(medians.items(), key=lambda entry: entry[1]))

    def brief(self):
        """A row for each data set: our two methods against the fastest of the others."""
        rows = []
        for set_ in self.sets():
            medians = self.medians(set_)
            other = next((tool for tool in medians if tool not in [*OURS, FLOOR]), None)
            if other:
                rows.append([set_, other, f"{medians[other][0]:.1f}", *(share(medians, ours, other) for ours in OURS)])
        return rows

    def rows(self, set_):
        """A row of the table for each tool, the fastest first, what has never been complete last."""
        runs = [run for run in self.runs if run["set"] == set_]
        reference = {run["round"]: run for run in runs if run["tool"] == REFERENCE and not run["failure"]}
        rows = []
        for tool in sorted({run["tool"] for run in runs}):
            mine = [run for run in runs if run["tool"] == tool]
            rows.append(row(tool, mine, reference))
        return [cells for _, cells in sorted(rows, key=lambda entry: (entry[0] is None, entry[0]))]


def row(tool, runs, reference):
    """The median of seconds, None without a complete run, and the cells."""
    good = [run for run in runs if not run["failure"]]
    failures = [run["failure"] for run in runs if run["failure"]]
    result = "; ".join([f"{len(good)} of {len(runs)} complete", *failures[-1:]])
    if not good:
        return None, [tool, *["–"] * (len(COLUMNS) - 2), result]

    def middle(value):
        return statistics.median(map(value, good))

    def ratio(value):
        paired = [value(run) / value(reference[run["round"]]) for run in good if run["round"] in reference]
        return f"{statistics.median(paired):.2f}" if paired else "–"

    times = [seconds(run) for run in good]
    return statistics.median(times), [
        tool,
        f"{statistics.median(times):.1f}",
        f"{min(times):.1f}–{max(times):.1f}",
        ratio(seconds),
        ratio(cpu),
        *(f"{middle(lambda run, key=key: run[key]):.1f}" for key in ("cpu", "source_cpu", "target_cpu", "other_cpu")),
        f"{middle(lambda run: run['memory']) / 1e6:.0f}",
        result,
    ]


def share(medians, tool, of):
    """Seconds of a tool, and what part they and its CPU seconds are of another's."""
    if tool not in medians:
        return "–"
    time, work = (mine / theirs for mine, theirs in zip(medians[tool], medians[of]))
    return f"{medians[tool][0]:.1f} (time × {time:.2f}, CPU × {work:.2f})"


def seconds(run):
    return run["seconds"]


def cpu(run):
    """CPU seconds of the tool and both servers."""
    return run["cpu"] + run["source_cpu"] + run["target_cpu"]


def text(results):
    """Tables for a terminal."""
    out = []
    for set_ in results.sets():
        rows = [COLUMNS, *results.rows(set_)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        out.append(f"\nset {set_}")
        for name, *numbers, result in rows:
            cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:])]
            out.append("  ".join([name.ljust(widths[0]), *cells, result]))
    return "\n".join(out)


def table(rows):
    """A table in Markdown, the first row its head."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def described(set_):
    """What the file of a data set says about it in its first paragraph."""
    with open(f"{HERE}/sets/{set_}.sql") as file:
        paragraph, _, _ = file.read().partition("\n--\n")
    return paragraph.replace("-- ", "").replace("\n", " ")


def settings(of):
    return ", ".join(f"`{name} = {value}`" for name, value in of.items())


def where(results):
    """The paragraph about machine, servers and load."""
    about, machine = results.about, results.about["machine"]
    said = (
        f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 2**30:.0f} GiB; {machine['disk']};"
        f" {machine['kernel']}. {about['server']} on both sides, tools and servers on the same machine."
        f" Rounds: {results.rounds()}."
    )
    if about["scale"] != 1:
        said += f" All sizes are multiplied by {about['scale']:g}: **a smoke test, not a measurement.**"
    if results.others() > 0.1:
        said += (
            f" **The machine was not ours alone:** {results.others():.0%} of its CPU time went to something else while tools ran."
            " Seconds and their ratios are rough then; CPU seconds hardly suffer."
        )
    return said


def markdown(results):
    """The page."""
    parts = [
        "# Benchmarks",
        "`make bench` migrates the same data with every tool that it finds, in turn, and `scripts/bench/render.py` wrote this page."
        " Run it where you are: other people's machines say little about yours.",
        where(results),
        table([["data set", "fastest other tool", "its seconds", *(f"`{name}`" for name in OURS)], *results.brief()]),
        "Every run begins with a new server as target, after a checkpoint on both sides, with the source's files in the page cache."
        f" Settings are initdb's (so `fsync` is on) but for {settings(results.about['source'])} on the source, and"
        f" {settings(results.about['target'])} on the target.",
        f"*Seconds* are medians of the complete runs. *× time* and *× CPU* compare with `{REFERENCE}` in the same round, above 1 means"
        " more than it took: *CPU* is in seconds, of the tool with all its processes, of the source's server and of the target's,"
        " the ratio is that of their sum; *others* is what the rest of the machine used meanwhile. *Memory* is the largest sum over"
        " the tool's processes, each with its share of what they have in common.",
        "A run is complete when all rows of all tables are on the target, by number, and all valid indexes and constraints. After"
        " pg_migrate's `pg_migrate verify` must find every value of every row, and every definition, equal as well.",
    ]
    for set_ in results.sets():
        parts += [f"## Data set {set_}", described(set_), table([COLUMNS, *results.rows(set_)])]
    used = {run["tool"] for run in results.runs}
    tools = [[f"`{name}`", line["what"], line["version"]] for name, line in sorted(results.tools.items()) if name in used]
    parts += ["## Tools", table([["name", "what runs", "version"], *tools])]
    with open(f"{HERE}/notes.md") as notes:
        parts.append(notes.read().rstrip())
    return "\n\n".join(parts)


def main():
    as_page = sys.argv[1:2] == ["--markdown"]
    files = sys.argv[2 if as_page else 1 :]
    if not files:
        raise SystemExit(__doc__)
    results = Results(files)
    if not results.runs:
        raise SystemExit("render: there is no result yet")
    print(markdown(results) if as_page else text(results))


if __name__ == "__main__":
    main()
