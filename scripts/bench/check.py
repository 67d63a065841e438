"""Does the target have what the source has? The same for every tool, and `pg_migrate verify` for pg_migrate's runs."""

import os
import subprocess

COUNTS = """
SELECT format('%I.%I %s rows', n.nspname, c.relname,
              (xpath('/row/n/text()',
                     query_to_xml(format('SELECT count(*) AS n FROM %I.%I', n.nspname, c.relname), false, true, '')))[1])
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT format('%s valid index %s', i.indrelid::regclass, i.indexrelid::regclass)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE i.indisvalid AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
UNION ALL
SELECT format('%s constraint %s %s', conrelid::regclass, conname, convalidated) FROM pg_constraint WHERE conrelid <> 0
ORDER BY 1"""


def counts(cluster):
    """What is counted, by database: rows of each table, valid indexes, constraints."""
    return {database: cluster.ask(database, COUNTS) for database in cluster.databases()}


def difference(expected, target):
    """The first difference between what is expected and what the target has; None when there is none."""
    found = counts(target)
    for database, lines in expected.items():
        if database not in found:
            return f"database {database} is missing"
        missing = set(lines) - set(found[database])
        if missing:
            return f"{database}: {len(missing)} of {len(lines)} facts differ, first: {min(missing)}"
    return None


def verify(program, source, target, log):
    """What `pg_migrate verify` over all columns of all rows says is wrong; None when it is content."""
    where = ["--source", source.conninfo("postgres"), "--target", target.conninfo("postgres")]
    with open(log, "wb") as output:
        done = subprocess.run(
            [program, "verify", *where, "--no-progress"], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    return None if done.returncode == 0 else f"pg_migrate verify ended with exit code {done.returncode}: {last_line(log)}"


def last_line(log):
    """The last line of a log that has something, without tabs; for a reason in one line."""
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - 4000))
        lines = [line.strip() for line in file.read().decode(errors="replace").split("\n") if line.strip()]
    return " ".join(lines[-1].split())[:300] if lines else "it said nothing"
