//! Verification of everything but rows: each kind of difference is seen, and nothing is seen where there is none.

mod cases;

use std::collections::BTreeSet;

use pg_migrate::conninfo::{ConnInfo, Environment};
use pg_migrate::facts::Side;
use pg_migrate::pg::{Client, Server};
use pg_migrate::verify::schema::{Scope, compare_databases, compare_servers};
use tokio::runtime::{Builder, Runtime};

use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

const EVERY_CLASS: [(u32, &str); 3] = [
    (12, include_str!("fixtures/every_class.sql")),
    (14, include_str!("fixtures/every_class_14.sql")),
    (15, include_str!("fixtures/every_class_15.sql")),
];

/// Creates `database` with one object of every class that `cluster` knows.
fn create_every_class(cluster: &Cluster, database: &str) {
    cluster.create_database(database);
    let session = cluster.session(database);
    for (_, sql) in EVERY_CLASS.iter().filter(|(major, _)| cluster.installation.major >= *major) {
        session.sql(sql);
    }
    session.sql(&format!(
        "ALTER DATABASE {database} OWNER TO bob; GRANT CREATE ON DATABASE {database} TO alice;
         ALTER DATABASE {database} SET work_mem = '5MB'; ALTER ROLE alice IN DATABASE {database} SET jit = on;
         ALTER DATABASE {database} CONNECTION LIMIT 50; COMMENT ON DATABASE {database} IS 'all of it'"
    ));
}

/// Sessions of the library in one database of both servers.
struct Comparison {
    runtime: Runtime,
    source: Client,
    target: Client,
    scope: Scope,
}

impl Comparison {
    fn of(pair: &Pair, database: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connect = |side, cluster: &Cluster| {
            let conninfo =
                ConnInfo::parse(&cluster.uri(database), &Environment::default()).expect("a URI of the harness");
            runtime.block_on(Server::new(side, conninfo, "test").connect(database)).expect("a session")
        };
        let (source, target) = (connect(Side::Source, &pair.source), connect(Side::Target, &pair.target));
        let scope = Scope {
            databases: vec![database.to_owned()],
            roles: ["alice", "bob", "Carol C"].map(str::to_owned).to_vec(),
            ..Scope::default()
        };
        Self { runtime, source, target, scope }
    }

    fn database(&self) -> BTreeSet<String> {
        let compared = compare_databases(&self.source, &self.target, &self.scope);
        let differences = self.runtime.block_on(compared).expect("a comparison of catalogs");
        differences.iter().map(ToString::to_string).collect()
    }

    fn server(&self) -> BTreeSet<String> {
        let compared = compare_servers(&self.source, &self.target, &self.scope);
        let differences = self.runtime.block_on(compared).expect("a comparison of roles and databases");
        differences.iter().map(ToString::to_string).collect()
    }
}

fn nothing() -> BTreeSet<String> {
    BTreeSet::new()
}

#[test]
fn equal_databases_have_no_differences_and_each_change_of_one_is_seen() {
    let Some(pair) = Pair::start() else { return };
    create_every_class(&pair.source, "zoo");
    create_every_class(&pair.target, "zoo");
    let comparison = Comparison::of(&pair, "zoo");
    assert_eq!(comparison.database(), nothing());
    let changer = pair.target.session("zoo");
    let mut known = nothing();
    for case in cases::OF_DATABASE {
        if pair.target.installation.major < case.since {
            continue;
        }
        changer.sql(case.change);
        let all = comparison.database();
        let new: Vec<&str> = all.difference(&known).map(String::as_str).collect();
        let mut expected = case.seen.to_vec();
        expected.sort_unstable();
        assert_eq!(new, expected, "after {}", case.change);
        known = all;
    }
}

#[test]
fn equal_servers_have_no_differences_and_each_change_of_one_is_seen() {
    let Some(pair) = Pair::start() else { return };
    create_every_class(&pair.source, "zoo");
    create_every_class(&pair.target, "zoo");
    let passwords = "SELECT string_agg(format('ALTER ROLE %I PASSWORD %L', rolname, rolpassword), ';') FROM pg_authid
                     WHERE rolpassword <> '' AND rolname <> 'postgres'";
    pair.target.sql("postgres", &pair.source.value("postgres", passwords));
    let comparison = Comparison::of(&pair, "zoo");
    assert_eq!(comparison.server(), nothing());
    let changer = pair.target.session("postgres");
    let mut known = nothing();
    for case in cases::OF_SERVER {
        if pair.target.installation.major < case.since {
            continue;
        }
        changer.sql(case.change);
        let all = comparison.server();
        let new: Vec<&str> = all.difference(&known).map(String::as_str).collect();
        let mut expected = case.seen.to_vec();
        expected.sort_unstable();
        assert_eq!(new, expected, "after {}", case.change);
        known = all;
    }
}
