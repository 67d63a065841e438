//! `--dry-run`: what a migration would do, while neither server is changed.

use serde_json::Value;

use crate::harness::catalogs::catalogs;
use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;
use crate::report::document;

#[test]
fn the_plan_is_printed_and_neither_server_is_changed() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "My \"Shop\"", 50);
    pair.source.sql("My \"Shop\"", "VACUUM ANALYZE");
    let before = catalogs(&pair);
    let outcome = pair.migrate().arg("--dry-run").run().expect_code(0);
    assert!(catalogs(&pair) == before, "{outcome}");
    pair.assert_nothing_left();
    for line in [
        "Database 'My \"Shop\"': replication",
        "  target: is created",
        "  rows: copied from a slot's snapshot; then a subscription takes over the slot",
    ] {
        assert!(outcome.stdout.lines().any(|there| there == line), "{line:?} is not in {outcome}");
    }
    let table = |name: &str| {
        let prefix = format!("    {name}: ");
        outcome.stdout.lines().find(|line| line.starts_with(&prefix)).unwrap_or_else(|| panic!("{name}: {outcome}"))
    };
    assert!(table("shop.orders").contains("about 50 rows"), "{outcome}");
    assert!(table("shop.carts").ends_with("once more at the finish: it is unlogged"), "{outcome}");
    assert!(table("shop.page_views").ends_with("once more at the finish: it has no replica identity"), "{outcome}");
    assert!(outcome.last_line().ends_with("validation passed"), "{outcome}");
}

#[test]
fn the_plan_says_what_keeps_a_database_from_being_replicated() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("shop");
    pair.source.sql("shop", "CREATE TABLE t (id int PRIMARY KEY)");
    let busy = pair.source.session("postgres");
    busy.sql("BEGIN; SELECT txid_current()");
    let outcome = pair.migrate().args(["--dry-run", "--max-replication-lag", "0"]).run().expect_code(0);
    let waits: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("  waits for ")).collect();
    assert!(waits[0].starts_with("  waits for a replication slot, for pid "), "{outcome}");
    let last = "  waits for replication, until it is at most 0 bytes behind, for 86400 s at most";
    assert_eq!(waits.last(), Some(&last), "{outcome}");

    pair.source.sql("postgres", "ALTER SYSTEM SET max_replication_slots = 0");
    drop(busy);
    pair.source.restart();
    let outcome = pair.migrate().arg("--dry-run").run().expect_code(0);
    let why = "  no replication: source: max_replication_slots is 0, too little to replicate all databases at once \
               [replication-slots]";
    assert!(outcome.stdout.contains(&format!("Database 'shop': dump\n{why}\n")), "{outcome}");
}

#[test]
fn the_plan_as_json_has_every_table_in_the_order_of_copying() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("many");
    let tables = "SELECT format('CREATE TABLE t%s AS SELECT generate_series(1, %s * 100) AS id', n, n)
                  FROM generate_series(1, 25) n";
    for row in pair.source.sql("many", tables) {
        pair.source.sql("many", row[0].as_deref().unwrap());
    }
    pair.source.sql("many", "ALTER TABLE t7 ADD COLUMN kind regclass; CREATE ROLE boss SUPERUSER");
    let only = ["--dry-run", "-f", "postgres", "--force-method", "dump"];
    let outcome = pair.migrate().args(only).args(["--output", "json"]).run().expect_code(0);
    let document = document(&outcome);
    let plan = &document["plan"];
    assert_eq!((&document["outcome"], &document["databases"]), (&Value::from("done"), &Value::Array(Vec::new())));
    let database = &plan["databases"][0];
    assert_eq!((&database["name"], &database["method"]), (&Value::from("many"), &Value::from("dump")));
    assert_eq!((&database["action"], &database["creation"]), (&Value::from("migrate"), &Value::from("create")));
    let tables = database["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 25);
    let bytes: Vec<_> = tables.iter().map(|table| table["bytes"].as_u64().unwrap()).collect();
    assert!(bytes.is_sorted_by(|a, b| a >= b), "{bytes:?}");
    assert_eq!(tables[0]["name"], "public.t25");
    let text: Vec<_> = tables.iter().filter(|table| table["format"] == "text").collect();
    assert_eq!(text.len(), 1, "{text:?}");
    assert_eq!(text[0]["name"], "public.t7");
    assert!(text[0]["format_reason"].is_string());
    assert!(plan["roles"].as_array().unwrap().iter().any(|role| role["name"] == "boss" && role["exists"] == false));

    let few = pair.migrate().args(only).run().expect_code(0).stdout;
    assert!(few.contains("    and 5 more: --verbose or --output json shows all\n"), "{few}");
    let all = pair.migrate().args(only).arg("--verbose").run().expect_code(0).stdout;
    assert_eq!(all.lines().filter(|line| line.starts_with("    public.t")).count(), 25, "{all}");
}

#[test]
fn a_plan_that_cannot_succeed_is_printed_and_ends_like_validation() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("shop");
    let options = ["--dry-run", "--no-createdb"];
    let outcome = pair.migrate().args(options).run().expect_code(3);
    assert!(outcome.stdout.contains("Database 'shop': "), "{outcome}");
    let message = "Database 'shop' doesn't exist in target (not creating databases)";
    assert_eq!(outcome.last_line(), format!("PGMigrateValidationFailedError: {message}"));
    let outcome = pair.migrate().args(options).args(["--output", "json"]).run().expect_code(3);
    let document = document(&outcome);
    assert!(document["plan"]["databases"].is_array(), "{outcome}");
    assert_eq!(document["outcome"], "validation");
}

#[test]
fn a_running_replication_is_planned_to_be_finished() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("shop");
    pair.source.sql("shop", "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE log (line text)");
    pair.migrate().run().expect_code(0);
    let before = pair.leftovers();
    let outcome = pair.migrate().arg("--dry-run").run().expect_code(0);
    assert_eq!(pair.leftovers(), before, "what replicates is still there");
    assert!(outcome.stdout.contains("Database 'shop': replication, which runs already\n"), "{outcome}");
    assert!(outcome.stdout.contains("  copied at the finish: 1 table of "), "{outcome}");
    assert!(outcome.stdout.contains("    public.log: "), "{outcome}");
}
