//! Proof that a database on one server is the database on another.

use std::collections::BTreeMap;
use std::path::Path;

use pg_migrate::sql::names::{JOURNAL_SCHEMA, PREFIX};

use super::cli::Run;
use super::cluster::Cluster;
use super::session::Session;

/// Everything about a database that a migration must keep: name of a thing → its state.
type Inventory = BTreeMap<String, String>;

/// What differs, one line for each thing; empty when the databases are equal.
pub(super) fn differences(source: &Cluster, target: &Cluster, database: &str, pg_dump: &Path) -> Vec<String> {
    let (source_major, target_major) = (source.installation.major, target.installation.major);
    let (source, target) = std::thread::scope(|scope| {
        let source = scope.spawn(|| inventory(source, database, pg_dump));
        let target = inventory(target, database, pg_dump);
        (source.join().expect("reading the source"), target)
    });
    let same_major = source_major == target_major;
    let mut differences = Vec::new();
    for (thing, state) in &source {
        match target.get(thing) {
            None => differences.push(format!("only in the source: {thing}")),
            Some(other) if other != state && (same_major || !is_worded_by_server(thing)) => {
                differences.push(format!("{thing}\n  source: {state}\n  target: {other}"));
            }
            Some(_) => {}
        }
    }
    differences
        .extend(target.keys().filter(|thing| !source.contains_key(*thing)).map(|t| format!("only in the target: {t}")));
    differences
}

/// Each major has its own way to write these, such as with or without the table in front of a view's columns.
fn is_worded_by_server(entry: &str) -> bool {
    ["VIEW", "MATERIALIZED VIEW", "RULE", "PROCEDURE"].iter().any(|kind| entry.contains(&format!("; Type: {kind};")))
}

fn inventory(cluster: &Cluster, database: &str, pg_dump: &Path) -> Inventory {
    let session = cluster.session(database);
    // Names come out qualified, and values in one form.
    session.sql("SET search_path = ''; SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'iso_8601'");
    let mut inventory = schema(&cluster.uri(database), pg_dump);
    for catalog in CATALOGS {
        inventory.extend(things(&session, catalog));
    }
    for generator in CONTENTS {
        let queries = session.sql(generator).into_iter().flatten().flatten().collect::<Vec<_>>();
        if !queries.is_empty() {
            inventory.extend(things(&session, &queries.join(" UNION ALL ")));
        }
    }
    inventory.retain(|thing, _| !thing.contains(&format!("{JOURNAL_SCHEMA}.")));
    inventory
}

/// The rows of a query for name and state.
fn things(session: &Session, query: &str) -> Inventory {
    let text = |value: &mut Option<String>| value.take().unwrap_or_else(|| "null".to_owned());
    session.sql(query).iter_mut().map(|row| (text(&mut row[0]), text(&mut row[1]))).collect()
}

/// What pg_dump's text does not show, or shows without saying whether it holds.
const CATALOGS: [&str; 6] = [
    "SELECT 'index ' || indexrelid::regclass, 'valid ' || indisvalid || ', ready ' || indisready
       FROM pg_catalog.pg_index WHERE indexrelid >= 16384 AND indrelid::regclass::text NOT LIKE 'pg\\_toast%'",
    "SELECT 'constraint ' || conname || ' of ' || conrelid::regclass, 'validated ' || convalidated
       FROM pg_catalog.pg_constraint
      -- From 18 on, NOT NULL is a constraint too; a column's definition has it anyway.
      WHERE conrelid >= 16384 AND contype <> 'n'",
    "SELECT 'trigger ' || tgname || ' of ' || tgrelid::regclass, 'enabled ' || tgenabled::text
       FROM pg_catalog.pg_trigger WHERE NOT tgisinternal",
    "SELECT 'extension ' || extname, 'in ' || extnamespace::regnamespace FROM pg_catalog.pg_extension",
    "SELECT 'settings of ' || coalesce(rolname, 'every role') || ' in this database', array_to_string(setconfig, ', ')
       FROM pg_catalog.pg_db_role_setting JOIN pg_catalog.pg_database d ON d.oid = setdatabase
       LEFT JOIN pg_catalog.pg_roles r ON r.oid = setrole
      WHERE datname = current_database()",
    "SELECT 'large object ' || oid, 'owner ' || lomowner::regrole || ', md5 ' || md5(lo_get(oid)) || ', privileges ' || coalesce(
           (SELECT string_agg(item, ' ' ORDER BY item) FROM unnest(lomacl::text[]) item), 'of the owner')
         || ', comment ' || coalesce(obj_description(oid, 'pg_largeobject'), 'none')
       FROM pg_catalog.pg_largeobject_metadata",
];

/// Queries that give one query for each table or sequence.
const CONTENTS: [&str; 2] = [
    "SELECT CASE WHEN relispopulated
       THEN format('SELECT %L, count(*) || '' rows, checksum ''
                || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY %s t', 'rows of ' || r, r)
       ELSE format('SELECT %L, ''not populated''', 'rows of ' || r) END
     FROM (SELECT c.oid::regclass::text AS r, relispopulated FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
            WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema')
              AND relpersistence <> 't') tables",
    "SELECT format('SELECT %L, ''last '' || last_value || '', called '' || is_called FROM %s', 'sequence ' || r, r)
     FROM (SELECT c.oid::regclass::text AS r FROM pg_catalog.pg_class c
            WHERE relkind = 'S' AND relpersistence <> 't') sequences",
];

/// The statements of pg_dump, by the comment that introduces each. Their order says nothing about equality.
fn schema(uri: &str, pg_dump: &Path) -> Inventory {
    let outcome = Run::program(pg_dump)
        // What stays on the two sides while replication runs is not the database's own.
        .args([
            "--schema-only",
            "--no-subscriptions",
            "--no-tablespaces",
            "--exclude-schema",
            JOURNAL_SCHEMA,
            "--dbname",
            uri,
        ])
        .run()
        .expect_code(0);
    let mut inventory = Inventory::new();
    for entry in outcome.stdout.split("\n-- Name: ").skip(1) {
        let (header, body) = entry.split_once('\n').unwrap_or((entry, ""));
        if header.contains(PREFIX) {
            continue;
        }
        let statements = body
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("--") && !line.starts_with('\\'))
            .filter(|line| !line.starts_with("SET "))
            .collect::<Vec<_>>()
            .join("\n");
        // Several entries may share a header; overloaded functions do not, their header has the arguments.
        inventory.entry(header.to_owned()).or_default().push_str(&statements);
    }
    inventory
}
