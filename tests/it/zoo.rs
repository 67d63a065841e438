//! The zoo: a file of awkward SQL for each class of object and each trap, in `tests/zoo`, through both methods.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::cluster::{Cluster, Options};
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

/// The database that most animals share, each in a schema of its own.
const DATABASE: &str = "zoo";

/// The whole zoo is more than one test usually moves.
const LIMIT: Duration = Duration::from_secs(180);

/// Thirteen databases at once, each with a subscription.
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

fn populate(pair: &Pair) {
    let source = &pair.source;
    source.create_database(DATABASE);
    for file in animals() {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a plain file name");
        let of_server = name.starts_with("00-") || name >= "40-";
        load(pair, source, if of_server { "postgres" } else { DATABASE }, &file);
    }
}

/// Runs a file with psql, which has variables `v13` and so on that say whether the server is of that major or newer.
fn load(pair: &Pair, cluster: &Cluster, database: &str, file: &Path) {
    let mut psql = pair.psql(cluster, database);
    for major in 13..=18 {
        psql = psql.arg("-v").arg(format!("v{major}={}", cluster.installation.major >= major));
    }
    psql.arg("-f").arg(file.to_str().expect("a plain path")).run().expect_code(0);
}

/// Everything moves by `method`, and is there.
fn moves(pair: &Pair, arguments: &[&str]) {
    populate(pair);
    pair.migrate().args(arguments).limit(LIMIT).run().expect_code(0);
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
    verified.run().expect_code(0);
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
    moves(&pair, DUMP);
}

#[test]
fn every_animal_moves_by_replication() {
    let Some(pair) = start() else { return };
    moves(&pair, REPLICATION);
}
