//! Verification of everything but rows: each kind of difference is seen, and nothing is seen where there is none.

use std::collections::BTreeSet;

use pg_migrate::conninfo::{ConnInfo, Environment};
use pg_migrate::facts::Side;
use pg_migrate::pg::{Client, Server};
use pg_migrate::verify::schema::{Scope, compare_databases, compare_servers};
use tokio::runtime::{Builder, Runtime};

use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

const EVERY_CLASS: [(u32, &str); 4] = [
    (12, include_str!("fixtures/every_class.sql")),
    (14, include_str!("fixtures/every_class_14.sql")),
    (15, include_str!("fixtures/every_class_15.sql")),
    (18, include_str!("fixtures/every_class_18.sql")),
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
            roles: ["alice", "bob", "Carol C", "dora"].map(str::to_owned).to_vec(),
            ..Scope::default()
        };
        Self { runtime, source, target, scope }
    }

    fn database(&self) -> BTreeSet<String> {
        let compared = compare_databases(&self.source, &self.target, &self.scope);
        let compared = self.runtime.block_on(compared).expect("a comparison of catalogs");
        compared.differences.iter().map(ToString::to_string).collect()
    }

    fn server(&self) -> BTreeSet<String> {
        let compared = compare_servers(&self.source, &self.target, &self.scope);
        let compared = self.runtime.block_on(compared).expect("a comparison of roles and databases");
        compared.differences.iter().map(ToString::to_string).collect()
    }
}

fn nothing() -> BTreeSet<String> {
    BTreeSet::new()
}

/// Changes of the target, each with all that is seen then and was not seen before. A line that begins with two spaces is such
/// a difference; other lines are statements.
const CHANGES_OF_A_DATABASE: &str = include_str!("fixtures/changes_of_a_database.txt");
const CHANGES_OF_A_DATABASE_18: &str = include_str!("fixtures/changes_of_a_database_18.txt");
const CHANGES_OF_CATALOGS: &str = include_str!("fixtures/changes_of_catalogs.txt");
const CHANGES_OF_A_SERVER: &str = include_str!("fixtures/changes_of_a_server.txt");
const CHANGES_OF_A_SERVER_18: &str = include_str!("fixtures/changes_of_a_server_18.txt");

/// Makes each of `changes`, and has `compare` see it.
fn see_each_change(target: &Cluster, database: &str, changes: &str, compare: impl Fn() -> BTreeSet<String>) {
    assert_eq!(compare(), nothing());
    let session = target.session(database);
    let mut known = nothing();
    let mut lines = changes.lines().filter(|line| !line.starts_with('#')).peekable();
    while let Some(change) = lines.next() {
        let mut expected = BTreeSet::new();
        while let Some(difference) = lines.peek().and_then(|line| line.strip_prefix("  ")) {
            expected.insert(difference.to_owned());
            lines.next();
        }
        session.sql(change);
        let all = compare();
        let new: BTreeSet<String> = all.difference(&known).cloned().collect();
        assert_eq!(new, expected, "after {change}");
        known = all;
    }
}

/// Two servers with the same database, and roles with the same passwords. Texts are those of one major.
fn twins(major: u32) -> Option<Pair> {
    let pair = Pair::of_majors(major, major)?;
    create_every_class(&pair.source, "zoo");
    create_every_class(&pair.target, "zoo");
    let passwords = "SELECT string_agg(format('ALTER ROLE %I PASSWORD %L', rolname, rolpassword), ';') FROM pg_authid
                     WHERE rolpassword <> '' AND rolname <> 'postgres'";
    pair.target.sql("postgres", &pair.source.value("postgres", passwords));
    Some(pair)
}

fn see_each_change_of_a_database(major: u32, changes: &str) {
    let Some(pair) = twins(major) else { return };
    let comparison = Comparison::of(&pair, "zoo");
    see_each_change(&pair.target, "zoo", changes, || comparison.database());
}

fn see_each_change_of_a_server(major: u32, changes: &str) {
    let Some(pair) = twins(major) else { return };
    let comparison = Comparison::of(&pair, "zoo");
    see_each_change(&pair.target, "postgres", changes, || comparison.server());
}

#[test]
fn equal_databases_have_no_differences_and_each_change_of_one_is_seen() {
    see_each_change_of_a_database(15, CHANGES_OF_A_DATABASE);
}

#[test]
fn each_change_of_a_column_of_the_catalogs_is_seen() {
    see_each_change_of_a_database(15, CHANGES_OF_CATALOGS);
}

#[test]
fn each_change_of_what_newer_majors_have_is_seen() {
    see_each_change_of_a_database(18, CHANGES_OF_A_DATABASE_18);
}

#[test]
fn equal_servers_have_no_differences_and_each_change_of_one_is_seen() {
    see_each_change_of_a_server(15, CHANGES_OF_A_SERVER);
}

#[test]
fn each_change_of_what_newer_servers_have_is_seen() {
    see_each_change_of_a_server(18, CHANGES_OF_A_SERVER_18);
}

#[test]
fn what_the_target_alone_sets_for_every_role_or_has_in_an_extension_is_its_own_affair() {
    let Some(pair) = twins(15) else { return };
    let comparison = Comparison::of(&pair, "zoo");
    let add = "CREATE FUNCTION app.joined() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION hstore ADD FUNCTION app.joined()";
    let set = "ALTER ROLE ALL SET work_mem = '3MB'; ALTER ROLE ALL SET app.token = 'one'";
    pair.target.sql("zoo", add);
    pair.target.sql("zoo", set);
    assert_eq!((comparison.database(), comparison.server()), (nothing(), nothing()));
    pair.target.sql("zoo", "ALTER EXTENSION hstore DROP FUNCTION app.joined(); DROP FUNCTION app.joined()");
    pair.target.sql("zoo", "ALTER ROLE ALL RESET work_mem; ALTER ROLE ALL SET app.token = 'two'");
    pair.source.sql("zoo", add);
    pair.source.sql("zoo", set);
    let lost = "extension hstore: member function app.joined() is yes on the source and no on the target";
    assert_eq!(comparison.database(), BTreeSet::from([lost.to_owned()]));
    let everywhere = [
        "settings of every role in every database: setting app.token is <hidden> on the source and <hidden> on the target",
        "settings of every role in every database: setting work_mem is 3MB on the source and none on the target",
    ];
    assert_eq!(comparison.server(), everywhere.map(str::to_owned).into());
}

/// All of it arrives, whatever the majors word differently: the comparison is as good as its silence.
fn arrives_whole(source: u32, target: u32) {
    let Some(pair) = Pair::of_majors(source, target) else { return };
    create_every_class(&pair.source, "zoo");
    // Of the target's languages it is one that has no package.
    pair.source.sql("zoo", "DROP LANGUAGE plother");
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    let comparison = Comparison::of(&pair, "zoo");
    assert_eq!(comparison.server(), nothing());
    assert_eq!(comparison.database(), nothing());
    pair.target
        .sql("zoo", "ALTER TABLE app.customers DROP CONSTRAINT kinds, ADD CONSTRAINT kinds CHECK (kind IN ('a', 'b'))");
    let seen: Vec<String> = comparison.database().into_iter().filter(|it| it.contains("expression is")).collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[test]
fn nothing_is_seen_after_a_migration_from_13_to_15() {
    arrives_whole(13, 15);
}

#[test]
fn nothing_is_seen_after_a_migration_from_15_to_17() {
    arrives_whole(15, 17);
}

#[test]
fn nothing_is_seen_after_a_migration_from_15_to_18() {
    arrives_whole(15, 18);
}

#[test]
fn nothing_is_seen_after_a_migration_from_18_to_18() {
    arrives_whole(18, 18);
}
