//! A source and a target, and what must be true of them after a migration.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use pg_migrate::sql::names::{JOURNAL_SCHEMA, PREFIX};

use super::cli::Run;
use super::cluster::{Cluster, Options};
use super::compare;
use super::versions::Versions;

/// Two running servers.
pub(crate) struct Pair {
    /// Where databases come from.
    pub(crate) source: Cluster,
    /// Where they go.
    pub(crate) target: Cluster,
    versions: Versions,
}

impl Pair {
    /// Two servers of the versions that this run tests. `None`, after saying so, when one is not installed:
    /// `let Some(pair) = Pair::start() else { return };`
    pub(crate) fn start() -> Option<Self> {
        Self::with(&Options::default(), &Options::default())
    }

    /// The same, with options for each side.
    pub(crate) fn with(source: &Options, target: &Options) -> Option<Self> {
        Some(Self::of(Versions::chosen()?, source, target))
    }

    /// Two servers of other versions than this run tests, for what only some versions do. `None`, after saying so, when one
    /// is not installed.
    pub(crate) fn of_majors(source: u32, target: u32) -> Option<Self> {
        Some(Self::of(Versions::of_majors(source, target)?, &Options::default(), &Options::default()))
    }

    /// Runs a script of `sh`, in which `$1` and `$2` are `database` of the source and of the target.
    pub(crate) fn shell(&self, script: &str, database: &str) {
        Run::program("/bin/sh")
            .args(["-euc", script, "sh", &self.source.uri(database), &self.target.uri(database)])
            .env("PATH", self.path())
            .run()
            .expect_code(0);
    }

    /// psql, connected to `uri`, which shows errors and rows and nothing else.
    pub(crate) fn psql(&self, uri: &str) -> Run {
        Run::program("psql")
            .env("PATH", self.path())
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGOPTIONS", "-c client_min_messages=error")
            .args(["-qXAt", "-d", uri])
    }

    /// Creates the source's roles on the target with PostgreSQL's own tools.
    pub(crate) fn copy_roles(&self) {
        const ROLES: &str = r#"pg_dumpall --roles-only -d "$1" | grep -v '"\?postgres"\?;\|ROLE postgres' | psql -qX -v ON_ERROR_STOP=1 "$2""#;
        self.shell(ROLES, "postgres");
    }

    /// Servers of these versions.
    pub(crate) fn of(versions: Versions, source: &Options, target: &Options) -> Self {
        let (source, target) = std::thread::scope(|scope| {
            let source = scope.spawn(|| Cluster::start(&versions.source, source));
            let target = Cluster::start(&versions.target, target);
            (source.join().expect("the source starts"), target)
        });
        Self { source, target, versions }
    }

    /// `pg_migrate -s … -t …` as superuser through the sockets.
    pub(crate) fn migrate(&self) -> Run {
        self.migrate_from(&self.source)
    }

    /// The same from another server, such as a standby of the source.
    pub(crate) fn migrate_from(&self, source: &Cluster) -> Run {
        self.program().args(["-s", &source.uri("postgres"), "-t", &self.target.uri("postgres")])
    }

    /// `pg_migrate` without arguments.
    pub(crate) fn program(&self) -> Run {
        Run::pg_migrate().env("PATH", self.path())
    }

    /// Directories of the pg_dump and pg_restore that the program finds first, and of the newest that are installed.
    pub(crate) fn clients(&self) -> [&Path; 2] {
        let newest = &self.versions.newest_pg_dump;
        [&self.versions.clients, newest.parent().unwrap_or(newest)]
    }

    /// A `PATH` that begins with pg_dump and pg_restore that fit both servers.
    pub(crate) fn path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let directories = std::iter::once(self.versions.clients.clone()).chain(env::split_paths(&inherited));
        env::join_paths(directories).expect("directories from PATH fit into PATH")
    }

    /// How `database` differs between the two: schema, rows, sequences, large objects, state of indexes, constraints and
    /// triggers. Replication that still runs does not count as a difference; a materialized view that the source has not refreshed
    /// since its tables changed does, because a migration fills the target's anew.
    pub(crate) fn differences(&self, database: &str) -> Vec<String> {
        compare::differences(&self.source, &self.target, database, &self.versions.newest_pg_dump)
    }

    /// Fails the test unless `database` is the same on both.
    pub(crate) fn assert_equal(&self, database: &str) {
        let differences = self.differences(database);
        assert!(differences.is_empty(), "{database} differs:\n{}", differences.join("\n"));
    }

    /// What a migration has left on the two servers: slots, publications, subscriptions, the journal.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let in_database = format!(
            "SELECT 'publication ' || pubname FROM pg_publication WHERE starts_with(pubname, '{PREFIX}')
             UNION ALL SELECT 'subscription ' || subname FROM pg_subscription
              WHERE starts_with(subname, '{PREFIX}')
                AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
             UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname = '{JOURNAL_SCHEMA}'"
        );
        // Subscriptions make slots and origins of their own while they copy tables.
        let in_cluster = format!(
            "SELECT 'slot ' || slot_name FROM pg_replication_slots
              WHERE starts_with(slot_name, '{PREFIX}') OR slot_name ~ '^pg_[0-9]+_sync_[0-9]+'
             UNION ALL SELECT 'replication origin ' || roname FROM pg_replication_origin WHERE roname ~ '^pg_[0-9]+'"
        );
        let mut found = Vec::new();
        for (side, cluster) in [("source", &self.source), ("target", &self.target)] {
            let slots = cluster.sql("postgres", &in_cluster).into_iter().flatten().flatten();
            found.extend(slots.map(|thing| format!("{side}: {thing}")));
            for database in cluster.databases() {
                let things = cluster.sql(&database, &in_database).into_iter().flatten().flatten();
                found.extend(things.map(|thing| format!("{side}: {thing} in {database}")));
            }
        }
        found
    }

    /// Fails the test if a migration has left anything on the two servers.
    pub(crate) fn assert_nothing_left(&self) {
        let leftovers = self.leftovers();
        assert!(leftovers.is_empty(), "left behind:\n{}", leftovers.join("\n"));
    }
}
