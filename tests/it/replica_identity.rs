//! `--replica-identity`: changes of tables without one arrive, and the source gets its own settings back.

use std::collections::BTreeMap;

use crate::harness::cli::FINISH;
use crate::harness::cluster::Cluster;
use crate::harness::gate::Gate;
use crate::harness::pair::Pair;

/// Tables whose UPDATE and DELETE no publication could carry as they are, but for `fine` and `json`'s own way.
const TABLES: &str = r#"
    CREATE TABLE fine (id int PRIMARY KEY, v text);
    CREATE TABLE bare (id int, v text);
    CREATE TABLE "With ""Index""" (id int NOT NULL, v text);
    CREATE UNIQUE INDEX "The ""Index""" ON "With ""Index""" (id);
    CREATE TABLE silent (id int PRIMARY KEY, v text);
    ALTER TABLE silent REPLICA IDENTITY NOTHING;
    CREATE TABLE pending (id int PRIMARY KEY DEFERRABLE, v text);
    CREATE TABLE document (id int, v json);
    CREATE TABLE parts (id int, v text) PARTITION BY LIST (id);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES IN (1, 2, 3);
    CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
    CREATE UNIQUE INDEX parts_rest_id ON parts_rest (id, v);
    ALTER TABLE parts_rest ALTER id SET NOT NULL, ALTER v SET NOT NULL;
    ALTER TABLE parts_rest REPLICA IDENTITY USING INDEX parts_rest_id"#;

const WRITABLE: [&str; 6] = ["fine", "bare", r#""With ""Index""""#, "silent", "pending", "parts"];

fn create(source: &Cluster) {
    source.create_database("app");
    source.sql("app", TABLES);
    for table in WRITABLE {
        source.sql("app", &format!("INSERT INTO {table} SELECT n, 'v' FROM generate_series(1, 5) n"));
    }
    source.sql("app", "INSERT INTO document VALUES (1, '{}'), (2, '[]')");
}

fn write(source: &Cluster) {
    for table in WRITABLE {
        let sql = format!(
            "INSERT INTO {table} VALUES (6, 'v'); UPDATE {table} SET v = 'changed' WHERE id = 2; DELETE FROM {table} WHERE id = 3"
        );
        source.sql("app", &sql);
    }
    source.sql("app", "UPDATE document SET v = '{\"a\": 1}' WHERE id = 1; DELETE FROM document WHERE id = 2");
}

/// `relreplident` of every table, by name.
fn identities(cluster: &Cluster) -> BTreeMap<String, String> {
    let query = "SELECT c.relname, c.relreplident::text || coalesce(' ' || (
                     SELECT indexrelid::regclass FROM pg_index WHERE indrelid = c.oid AND indisreplident)::text, '')
                 FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let rows = cluster.sql("app", query).into_iter();
    rows.map(|row| <[_; 2]>::try_from(row).expect("two columns").map(Option::unwrap_or_default))
        .map(|[name, identity]| (name, identity))
        .collect()
}

fn of<'a>(identities: &'a BTreeMap<String, String>, table: &str) -> &'a str {
    identities.get(table).map_or("no such table", String::as_str)
}

#[test]
fn tables_replicate_by_their_whole_row_or_an_index_and_then_are_as_before() {
    for (policy, changed) in [
        ("full", [("bare", "f"), ("With \"Index\"", "f"), ("silent", "f"), ("parts_low", "f")]),
        (
            "index",
            [
                ("bare", "d"),
                ("With \"Index\"", r#"i "The ""Index""""#),
                ("silent", "i silent_pkey"),
                ("parts_low", "d"),
            ],
        ),
    ] {
        let Some(pair) = Pair::start() else { return };
        create(&pair.source);
        let before = identities(&pair.source);
        let migrate = || pair.migrate().args(["-f", "postgres", "--replica-identity", policy]);
        let outcome = migrate().run().expect_code(0);
        assert!(outcome.stderr.contains("method: 'replication', status: 'running'"), "{outcome}");
        let meanwhile = identities(&pair.source);
        for (table, identity) in changed {
            assert_eq!(of(&meanwhile, table), identity, "{policy} {table}\n{outcome}");
        }
        assert_eq!(of(&meanwhile, "fine"), "d");
        assert_eq!(of(&meanwhile, "parts_rest"), of(&before, "parts_rest"));
        let copied_again = outcome.stderr.contains("table public.bare is not replicated");
        assert_eq!(copied_again, policy == "index", "{outcome}");

        write(&pair.source);
        // Replicated, not copied: it is there before the finish.
        pair.target.wait_until(
            "app",
            r#"(SELECT array_agg(id || v ORDER BY id) = '{1v,2changed,4v,5v,6v}' FROM "With ""Index""")
               AND (SELECT array_agg(id || v ORDER BY id) = '{1v,2changed,4v,5v,6v}' FROM silent)"#,
        );
        let outcome = migrate().args(FINISH).run().expect_code(0);
        assert!(outcome.stderr.contains("restored the replica identity of public.silent on the source"), "{outcome}");
        assert_eq!(identities(&pair.source), before, "{outcome}");
        pair.assert_equal("app");
        pair.assert_nothing_left();
    }
}

#[test]
fn the_source_has_its_replica_identities_back_after_a_signal_a_kill_or_cleanup() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    let before = identities(&pair.source);
    let migrate = || pair.migrate().args(["-f", "postgres", "--replica-identity", "full"]);
    pair.target.create_database("app");
    let gate_on = |table: &str| {
        let sql = format!(
            "CREATE FUNCTION gate(key bigint, id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
             $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(key); RETURN id; END $$;
             ALTER TABLE {table} ADD CHECK (public.gate(1, id) = id)"
        );
        pair.source.sql("app", &sql);
    };
    gate_on("fine");
    let stuck = || {
        let gate = Gate::Rows.close(&pair.target, "app");
        let run = migrate().spawn();
        gate.wait_for_somebody(&pair.target, "app");
        assert_eq!(of(&identities(&pair.source), "bare"), "f");
        (gate, run)
    };

    let (gate, run) = stuck();
    run.signal("INT");
    let outcome = run.wait().expect_code(130);
    assert_eq!(identities(&pair.source), before, "{outcome}");
    drop(gate);

    // The next run begins from what was, whatever it does itself.
    for policy in ["copy-at-finish", "full"] {
        let (gate, run) = stuck();
        run.signal_group("KILL");
        run.wait_for_exit();
        drop(gate);
        assert_eq!(of(&identities(&pair.source), "bare"), "f");
        let run = pair.migrate().args(["-f", "postgres", "--replica-identity", policy]);
        let outcome = run.run().expect_code(0);
        let expected = if policy == "full" { "f" } else { "d" };
        assert_eq!(of(&identities(&pair.source), "bare"), expected, "{outcome}");
        let update = "UPDATE bare SET v = 'changed' WHERE id = 2; UPDATE silent SET v = 'changed' WHERE id = 2";
        pair.source.sql("app", update);
        pair.program()
            .args(["cleanup", "-s", &pair.source.uri("postgres"), "-t", &pair.target.uri("postgres")])
            .run()
            .expect_code(0);
        assert_eq!(identities(&pair.source), before);
        pair.target.sql("postgres", "DROP DATABASE app");
        pair.target.create_database("app");
    }

    // The target, and all it knew, is gone.
    let (gate, run) = stuck();
    run.signal_group("KILL");
    run.wait_for_exit();
    drop(gate);
    pair.target.crash();
    let uri = pair.target.uri("postgres");
    let outcome = pair.program().args(["cleanup", "-s", &pair.source.uri("postgres"), "-t", &uri]).run().expect_code(1);
    assert_eq!(identities(&pair.source), before, "{outcome}");
    pair.target.start_again();
}

#[test]
fn an_identity_that_somebody_has_changed_meanwhile_stays() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    let migrate = || pair.migrate().args(["-f", "postgres", "--replica-identity", "full"]);
    migrate().run().expect_code(0);
    pair.source.sql("app", "ALTER TABLE silent REPLICA IDENTITY DEFAULT; ALTER TABLE bare RENAME TO naked");
    pair.source.sql("app", "ALTER TABLE naked RENAME TO bare");
    migrate().args(FINISH).run().expect_code(0);
    let after = identities(&pair.source);
    assert_eq!((of(&after, "silent"), of(&after, "bare")), ("d", "d"));
    assert_eq!(of(&identities(&pair.target), "silent"), "n");
}

#[test]
fn a_table_in_use_is_waited_for() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    let reader = pair.source.session("app");
    reader.sql("BEGIN; SELECT FROM bare");
    let run = pair.migrate().args(["-f", "postgres", "--replica-identity", "full"]).args(FINISH).spawn();
    run.wait_for_line("change the replica identity of public.bare on the source: the table is in use; trying again");
    reader.sql("COMMIT");
    run.wait().expect_code(0);
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn inserts_alone_arrive_where_the_user_says_so_and_updates_on_the_source_still_work() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    let before = identities(&pair.source);
    let migrate = || pair.migrate().args(["-f", "postgres", "--replica-identity", "insert-only"]);
    let outcome = migrate().run().expect_code(0);
    let warning =
        "table \"app\" public.bare: only its INSERTs are replicated: what UPDATE, DELETE and TRUNCATE do to it";
    assert!(outcome.stderr.contains(warning), "{outcome}");
    assert!(pair.leftovers().contains(&"source: publication aiven_db_migrate_app_ins in app".to_owned()), "{outcome}");
    write(&pair.source);
    pair.source.sql("app", "TRUNCATE document");
    migrate().args(FINISH).run().expect_code(0);
    let rows = |table: &str| {
        let query = format!("SELECT string_agg(id || v::text, ' ' ORDER BY id) FROM {table}");
        pair.target.value("app", &query)
    };
    assert_eq!(rows("bare"), "1v 2v 3v 4v 5v 6v");
    assert_eq!(rows("document"), "1{} 2[]");
    assert_eq!(rows("fine"), "1v 2changed 4v 5v 6v");
    assert_eq!(identities(&pair.source), before);
    pair.assert_nothing_left();
}

#[test]
fn tables_that_cannot_be_replicated_are_an_error_where_the_user_says_so() {
    let Some(pair) = Pair::start() else { return };
    create(&pair.source);
    pair.source.sql("app", "CREATE UNLOGGED TABLE cache (id int)");
    let migrate = || pair.migrate().args(["-f", "postgres", "--replica-identity", "fail"]);
    let outcome = migrate().run().expect_code(3);
    for table in ["bare", r#""With ""Index""""#, "silent", "pending", "document", "parts_low"] {
        let line =
            format!("ERROR\tTable public.{table} in database 'app' cannot be replicated: it has no replica identity");
        assert!(outcome.stderr.contains(&line), "{table}\n{outcome}");
    }
    let others = ["public.fine ", "public.parts_rest ", "Table public.cache"];
    assert!(!others.iter().any(|name| outcome.stderr.contains(name)), "{outcome}");
    migrate().args(["--force-method", "dump"]).run().expect_code(0);
    pair.assert_equal("app");
}
