//! The zoo: a file of awkward SQL for each class of object and each trap, in `tests/zoo`, through both methods.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pg_migrate::tools::{Section, Toc};

use crate::harness::cli::{FINISH, Run};
use crate::harness::cluster::Options;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

/// The database that most animals share, each in a schema of its own.
const DATABASE: &str = "zoo";

/// The whole zoo is more than one test usually moves.
const LIMIT: Duration = Duration::from_secs(180);

/// A dozen databases at once, each with a subscription.
fn options(major: u32) -> Options {
    let options = Options::default()
        .setting("max_connections", "120")
        .setting("max_replication_slots", "30")
        .setting("max_wal_senders", "30")
        .setting("max_logical_replication_workers", "30")
        .setting("max_worker_processes", "50");
    if major >= 18 { options.setting("max_active_replication_origins", "30") } else { options }
}

/// Two servers of the versions that this run tests, with room for the zoo.
fn start() -> Option<Pair> {
    let versions = Versions::chosen()?;
    let (source, target) = (options(versions.source.major), options(versions.target.major));
    Some(Pair::of(versions, &source, &target))
}

/// Files of the zoo in their order. Those below 01 and from 40 on are about the server, the others about one database.
fn animals() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo");
    let entries = fs::read_dir(directory).expect("tests/zoo").map(|entry| entry.expect("an entry of tests/zoo").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "sql")).collect();
    files.sort();
    files
}

/// All animals, as superuser.
fn populate(pair: &Pair) {
    pair.source.create_database(DATABASE);
    for file in animals() {
        load(pair, "postgres", &file, "-v ON_ERROR_STOP=1");
    }
}

/// Runs a file with psql as `role`, where it belongs. psql has variables `v13` and so on that say whether the server is of
/// that major or newer.
fn load(pair: &Pair, role: &str, file: &Path, options: &str) {
    let name = file.file_name().and_then(|name| name.to_str()).expect("a plain file name");
    let database = if name.starts_with("00-") || name >= "40-" { "postgres" } else { DATABASE };
    let mut psql = pair.psql(&pair.source.uri_as(role, database)).args(options.split_whitespace());
    for major in 13..=18 {
        psql = psql.arg("-v").arg(format!("v{major}={}", pair.source.installation.major >= major));
    }
    psql.arg("-f").arg(file.to_str().expect("a plain path")).run().expect_code(0);
}

/// Nothing is missing, and nothing is left behind.
fn assert_moved(pair: &Pair) {
    let mut differences = Vec::new();
    for database in pair.source.databases() {
        // Majors word the same things in too many ways for a comparison of texts.
        let same_major = pair.source.installation.major == pair.target.installation.major;
        if same_major && database != "template1" && database != "zoo_template" {
            let unexpected = |difference: &String| !EXPECTED.iter().any(|(thing, _)| difference.starts_with(thing));
            differences.extend(pair.differences(&database).into_iter().filter(unexpected));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let verified =
        pair.program().args(["verify", "-s", &pair.source.uri("postgres"), "-t", &pair.target.uri("postgres")]);
    verified.limit(LIMIT).run().expect_code(0);
    // A subscription of the source's own has an origin there.
    pair.source.sql(DATABASE, "DROP SUBSCRIPTION zoo_subscription");
    pair.assert_nothing_left();
}

/// What comes out differently on the target although nothing is lost: how a difference begins, and why it is none.
const EXPECTED: &[(&str, &str)] = &[
    ("only in the source: index indexes.duplicates_not_valid", "no dump carries an index whose building has failed"),
    ("adopted; Type: TABLE; Schema: inheritance", "pg_dump writes inherited columns in the order of the parent"),
    ("rows of inheritance.adopted", "so the text of its rows is another"),
    ("enabled see it; Type: POLICY", "roles of a policy are in the order of their OIDs"),
    ("rows of partitions.by_enum_hash_", "the hash of an enum is made of OIDs: rows are in other partitions"),
    (
        "words; Type: TABLE; Schema: constraints",
        "the server writes an IN over varchar in another way once it has read it",
    ),
    ("settings of every role in this database\n", "a source closed to writers is no reason to close the target"),
];

const DUMP: &[&str] = &["--force-method", "dump"];
const REPLICATION: &[&str] = &["--force-method", "replication", "--max-replication-lag", "0", "--stop-replication"];

#[test]
fn every_animal_moves_by_dump() {
    let Some(pair) = start() else { return };
    populate(&pair);
    pair.migrate().args(DUMP).limit(LIMIT).run().expect_code(0);
    assert_moved(&pair);
}

#[test]
fn every_animal_moves_by_replication() {
    let Some(pair) = start() else { return };
    populate(&pair);
    pair.migrate().args(REPLICATION).limit(LIMIT).run().expect_code(0);
    assert_moved(&pair);
}

#[test]
fn every_row_of_every_animal_is_followed_by_replication() {
    let Some(pair) = start() else { return };
    populate(&pair);
    pair.migrate().args(["--force-method", "replication"]).limit(LIMIT).run().expect_code(0);
    pair.source.sql(DATABASE, include_str!("fixtures/touch.sql"));
    pair.migrate().args(FINISH).limit(LIMIT).run().expect_code(0);
    assert_moved(&pair);
}

/// Of the whole zoo it is known, without pg_restore being asked section by section, what comes before the rows.
#[test]
fn an_archive_is_divided_where_pg_restore_divides_it() {
    let Some(pair) = start() else { return };
    populate(&pair);
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (number, clients) in pair.clients().iter().enumerate() {
        let archive = directory.path().join(number.to_string());
        let archive = archive.to_str().expect("a plain path");
        let dump = Run::program(clients.join("pg_dump")).args(["--schema-only", "--format=custom", "--file", archive]);
        dump.arg(pair.source.uri(DATABASE)).limit(LIMIT).run().expect_code(0);
        let list = |options: &[&str]| {
            let listing = Run::program(clients.join("pg_restore")).arg("--list").args(options).arg(archive).run();
            Toc::parse(&listing.expect_code(0).stdout).expect("a listing").entries
        };
        let before: Vec<_> = list(&["--section=pre-data"]).iter().map(|entry| entry.dump_id).collect();
        let all = list(&[]);
        let (first, rest): (Vec<_>, Vec<_>) = all.iter().partition(|entry| entry.section == Section::PreData);
        assert_eq!(first.iter().map(|entry| entry.dump_id).collect::<Vec<_>>(), before);
        assert!(rest.len() > 50, "{rest:?}");
    }
}

const PASSWORD: &str = "of admin";

/// What somebody who is no superuser can have made: of every file what that role may do, the rest is refused.
fn populate_as_admin(pair: &Pair) {
    let sql = |sql: &str| pair.source.sql("postgres", sql);
    sql(&format!("CREATE ROLE admin LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD '{PASSWORD}'"));
    sql(&format!("CREATE DATABASE {DATABASE} OWNER admin"));
    if pair.source.installation.major >= 15 {
        pair.source.sql(DATABASE, "ALTER SCHEMA public OWNER TO admin");
    }
    for file in animals() {
        load(pair, "admin", &file, "");
        if file.ends_with("00-roles.sql") {
            // From 16 on whoever creates a role has ADMIN on it, and no more.
            let options = if pair.source.installation.major >= 16 { " WITH INHERIT TRUE, SET TRUE" } else { "" };
            sql(&format!(r#"GRANT zoo_owner, zoo_reader, "zoo-with-dash", "Zoo ""Keeper""" TO admin{options}"#));
        }
    }
    pair.source.sql(DATABASE, "GRANT SELECT ON privileges.owner_revoked TO admin");
}

/// Both sides over TCP with a password: the target goes that way too.
fn by_admin(pair: &Pair) -> Run {
    let source = pair.source.tcp_uri("admin", PASSWORD, "postgres");
    pair.program().limit(LIMIT).args(["-s", &source, "-t", &pair.target.uri_as("admin", "postgres")])
}

/// Moves without superuser on either side. Whatever verification then finds, the run has said.
fn moves_with_announcements(versions: Versions, arguments: &[&str]) {
    let (source, target) = (options(versions.source.major).tcp(), options(versions.target.major));
    let pair = Pair::of(versions, &source, &target);
    populate_as_admin(&pair);
    pair.target.sql("postgres", "CREATE ROLE admin LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS");
    if pair.target.installation.major >= 16 {
        pair.target.sql("postgres", "GRANT pg_create_subscription TO admin");
    }
    let moved = by_admin(&pair).args(arguments).run().expect_code(0);
    let source = pair.source.tcp_uri("admin", PASSWORD, "postgres");
    let target = pair.target.uri_as("admin", "postgres");
    let verified = pair.program().args(["verify", "-s", &source, "-t", &target]).limit(LIMIT).run();
    let announced = |difference: &&str| {
        ANNOUNCED.iter().any(|(found, said)| difference.contains(found) && moved.stderr.contains(said))
    };
    let differences = verified.stderr.lines().filter(|line| line.contains("\tERROR\t"));
    let silent: Vec<_> = differences.filter(|difference| !announced(difference)).collect();
    assert!(silent.is_empty(), "not announced:\n{}\n{moved}", silent.join("\n"));
    pair.source.sql(DATABASE, "DROP SUBSCRIPTION IF EXISTS zoo_subscription");
    pair.assert_nothing_left();
}

/// A difference, and what the run said of it.
const ANNOUNCED: &[(&str, &str)] = &[
    ("membership of zoo_reader in pg_", "may not grant these memberships: \"zoo_reader\" in \"pg_monitor\""),
    ("membership of \"Zoo \"\"Keeper\"\"\" in pg_signal_backend", "\"Zoo \"\"Keeper\"\"\" in \"pg_signal_backend\""),
    (
        "table privileges.t: privileges of \"Zoo \"\"Keeper\"\"\"",
        "privileges are left to an administrator of the target: 1 statement",
    ),
];

#[test]
fn without_superuser_rights_a_dump_lacks_only_what_was_announced() {
    let Some(versions) = Versions::chosen() else { return };
    moves_with_announcements(versions, DUMP);
}

#[test]
fn without_superuser_rights_replication_lacks_only_what_was_announced() {
    let Some(versions) = Versions::with_target_since(16) else { return };
    moves_with_announcements(versions, REPLICATION);
}
