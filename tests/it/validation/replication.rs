//! Replication: what keeps a database from it, and what it does not carry.

use super::{cures, expect_lines, messages};
use crate::harness::catalogs::catalogs;
use crate::harness::cluster::{Cluster, Options};
use crate::harness::pair::Pair;

fn create_orders(cluster: &Cluster) {
    cluster.create_database("shop");
    cluster.sql("shop", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 10)");
}

/// The log's line about an obstacle that makes `databases` fall back to dump.
fn fallback(subject: &str, reason: &str, databases: &str) -> String {
    format!("{subject}: {reason}; copied once instead of replicated (method dump): {databases}")
}

#[test]
fn a_source_without_logical_wal_is_dumped_with_a_warning_unless_replication_is_forced() {
    let Some(pair) = Pair::with(&Options::default().setting("wal_level", "replica"), &Options::default()) else {
        return;
    };
    create_orders(&pair.source);
    let before = catalogs(&pair);
    let reason = "wal_level is replica, and logical replication needs logical";
    let refusal = format!(r#"Replication is not possible for "shop": source: {reason}"#);
    let outcome = pair.migrate().args(["--force-method", "replication", "-f", "postgres"]).run().expect_code(3);
    let outcome = outcome.expect_last_line(&format!("PGMigrateValidationFailedError: {refusal}"));
    assert!(cures(&outcome, "wal-level")[0].starts_with("source: ALTER SYSTEM SET wal_level = logical"), "{outcome}");
    assert!(catalogs(&pair) == before, "{outcome}");

    let outcome = pair.migrate().args(["-f", "postgres"]).run().expect_code(0);
    assert_eq!(messages(&outcome, "WARNING"), [fallback("source", reason, r#""shop""#)], "{outcome}");
    let report = "  dbaname: 'shop', method: 'dump', status: 'done', message: 'created and migrated database'";
    expect_lines(&outcome, "INFO", &[report]);
    pair.assert_equal("shop");
    pair.assert_nothing_left();
}

#[test]
fn with_too_few_slots_the_largest_databases_are_replicated() {
    let Some(pair) = Pair::with(&Options::default().setting("max_replication_slots", "1"), &Options::default()) else {
        return;
    };
    create_orders(&pair.source);
    pair.source.sql("shop", "CREATE TABLE ballast AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    let outcome = pair.migrate().args(["--max-replication-lag", "0", "--stop-replication"]).run().expect_code(0);
    let reason = "max_replication_slots is 1, too little to replicate all databases at once";
    expect_lines(&outcome, "WARNING", &[&fallback("source", reason, r#""postgres""#)]);
    let [cure] = cures(&outcome, "replication-slots")[..] else { panic!("{outcome}") };
    assert!(cure.starts_with("source: ALTER SYSTEM SET max_replication_slots = 2, "), "{outcome}");
    assert!(outcome.stderr.contains("dbaname: 'shop', method: 'replication', status: 'done'"), "{outcome}");
    assert!(outcome.stderr.contains("dbaname: 'postgres', method: 'dump', status: 'done'"), "{outcome}");
    pair.assert_nothing_left();
}

#[test]
fn senders_slots_and_workers_that_are_missing_are_named_with_the_number_that_is_enough() {
    let source = Options::default().setting("max_wal_senders", "0").setting("max_replication_slots", "0");
    let target = Options::default()
        .setting("max_logical_replication_workers", "0")
        .setting("max_worker_processes", "1")
        .setting("max_replication_slots", "0");
    let Some(pair) = Pair::with(&source, &target) else { return };
    let outcome = pair.migrate().arg("--validate").run().expect_code(0);
    let lacking = [
        ("source", "max_replication_slots", 0),
        ("source", "max_wal_senders", 0),
        ("target", "max_logical_replication_workers", 0),
        ("target", "max_worker_processes", 1),
        ("target", if pair.target.installation.major < 18 { "max_replication_slots" } else { "none" }, 0),
    ];
    let expected: Vec<_> = lacking
        .iter()
        .filter(|(_, setting, _)| *setting != "none")
        .map(|(side, setting, value)| {
            let reason = format!("{setting} is {value}, too little to replicate all databases at once");
            fallback(side, &reason, r#""postgres""#)
        })
        .collect();
    assert_eq!(messages(&outcome, "WARNING"), expected, "{outcome}");
    assert!(cures(&outcome, "worker-processes")[0].starts_with("target: ALTER SYSTEM SET max_worker_processes = 2, "));
}

#[test]
fn transactions_that_a_slot_would_wait_for_are_named_with_what_ends_them() {
    let source = Options::default().setting("max_prepared_transactions", "2");
    let Some(pair) = Pair::with(&source, &Options::default()) else { return };
    create_orders(&pair.source);
    let open = pair.source.session("shop");
    open.sql("BEGIN; INSERT INTO orders VALUES (11)");
    let pid = open.sql("SELECT pg_backend_pid()")[0][0].clone().unwrap();
    let validate = |more: &[&str]| pair.migrate().args(["--validate", "-f", "postgres"]).args(more).run();
    let outcome = validate(&[]).expect_code(0);
    let who = format!("pid {pid} (postgres@shop, idle in transaction)");
    let waits = format!("source: a replication slot has to wait until {who} ends its transaction");
    expect_lines(&outcome, "WARNING", &[&waits]);
    assert_eq!(cures(&outcome, "open-transaction"), [format!("source: SELECT pg_terminate_backend({pid})")]);

    open.sql("PREPARE TRANSACTION 'two''phase'");
    let outcome = validate(&[]).expect_code(0);
    let [warning] = &messages(&outcome, "WARNING")[..] else { panic!("{outcome}") };
    let wait =
        "source: creating a replication slot would wait for prepared transaction 'two''phase' in database shop, ";
    assert!(warning.starts_with(wait) && warning.contains("(method dump)"), "{outcome}");
    let [cure] = cures(&outcome, "slot-blocked")[..] else { panic!("{outcome}") };
    assert_eq!(cure, "source: COMMIT PREPARED 'two''phase' or ROLLBACK PREPARED 'two''phase'");
    validate(&["--force-method", "replication"]).expect_code(3);
    pair.source.sql("shop", "ROLLBACK PREPARED 'two''phase'");
    let outcome = validate(&["--force-method", "replication"]).expect_code(0);
    assert!(messages(&outcome, "WARNING").is_empty(), "{outcome}");
}

#[test]
fn rights_and_connections_that_replication_needs_are_named_with_what_gives_them() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE ROLE app LOGIN");
    pair.target.sql("postgres", "CREATE ROLE app LOGIN CREATEDB CREATEROLE; GRANT CREATE ON DATABASE postgres TO app");
    create_orders(&pair.source);
    pair.source.sql("shop", "ALTER DATABASE shop OWNER TO app; ALTER TABLE orders OWNER TO app");
    let (source, target) = (pair.source.uri("postgres"), pair.target.uri("postgres"));
    let (weak_source, weak_target) = (pair.source.uri_as("app", "shop"), pair.target.uri_as("app", "postgres"));
    let validate = |source: &str, target: &str, more: &[&str]| {
        let outcome =
            pair.program().args(["-s", source, "-t", target, "--validate", "-f", "postgres"]).args(more).run();
        outcome.expect_code(0)
    };
    let warned = |outcome: &crate::harness::cli::Outcome, start: &str, words: &str| {
        let warnings = messages(outcome, "WARNING");
        let found = warnings.iter().any(|line| line.starts_with(start) && line.contains(words));
        assert!(found && outcome.stderr.contains(r#"(method dump): "shop""#), "{start:?} {words:?}: {outcome}");
    };

    let outcome = validate(&weak_source, &target, &[]);
    warned(&outcome, "source: it refuses a replication connection: ", "42501");
    assert_eq!(messages(&outcome, "WARNING").len(), 1, "the target is refused for the same reason: {outcome}");
    assert!(cures(&outcome, "replication-connection")[0].starts_with(r#"source: ALTER ROLE "app" REPLICATION"#));

    let outcome = validate(&source, &weak_target, &[]);
    warned(&outcome, r#"target: user "app" may not create a subscription: "#, "42501");

    let outcome = validate(&source, &target, &["--source-for-target", "host=127.0.0.1 port=9 user=postgres"]);
    warned(&outcome, "target: it cannot connect to the source: ", "127.0.0.1");
    assert!(cures(&outcome, "target-reaches-source")[0].contains("--source-for-target"), "{outcome}");
    let password = "host=127.0.0.1 port=9 user=postgres password=hunter2";
    validate(&source, &target, &["--source-for-target", password, "--debug"]).expect_silence_about("hunter2");

    pair.source.sql("postgres", "ALTER ROLE app REPLICATION");
    let outcome = validate(&weak_source, &target, &[]);
    assert!(messages(&outcome, "WARNING").is_empty(), "{outcome}");
}

#[test]
fn what_replication_does_not_carry_is_said_before() {
    let Some(pair) = Pair::start() else { return };
    create_orders(&pair.source);
    pair.source.sql(
        "shop",
        "CREATE TABLE visits (at timestamptz);
         CREATE TABLE tags (name text NOT NULL UNIQUE);
         CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
         SELECT lo_create(0); SELECT lo_create(0);
         CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER always AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION audit();
         ALTER TABLE orders ENABLE ALWAYS TRIGGER always;
         CREATE PUBLICATION cdc FOR TABLE orders",
    );
    let outcome = pair.migrate().args(["--validate", "-f", "postgres"]).run().expect_code(0);
    let no_identity = "it has no replica identity, and is not published, because that would make every UPDATE and DELETE \
                       on the source fail; it is copied with the snapshot, and once more as a whole at the finish";
    expect_lines(
        &outcome,
        "WARNING",
        &[
            &format!(r#"table "shop" public.visits: {no_identity}"#),
            &format!(r#"table "shop" public.tags: {no_identity}"#),
            "table \"shop\" public.cache: it is unlogged and therefore not replicated; it is copied with the \
             snapshot, and once more as a whole at the finish",
            "database \"shop\": its 2 large objects are not replicated; they are copied with the rows, and what has \
             changed of them at the finish",
            "table \"shop\" public.orders: triggers that fire ALWAYS or for REPLICA run on the target for every \
             replicated change: \"always\"",
        ],
    );
    expect_lines(
        &outcome,
        "INFO",
        &[
            "database \"shop\": its publications are created at the finish, without the slots of their subscribers: \"cdc\"",
        ],
    );
    for cure in cures(&outcome, "replica-identity") {
        let sql = cure.strip_prefix(r#"source database "shop": "#).unwrap();
        let sql = if sql.contains("(…)") { sql.split_once(", or ").unwrap().1 } else { sql };
        pair.source.sql("shop", sql);
    }
    let outcome = pair.migrate().args(["--validate", "-f", "postgres"]).run().expect_code(0);
    assert!(cures(&outcome, "replica-identity").is_empty(), "{outcome}");
}
