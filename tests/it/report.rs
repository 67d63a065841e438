//! What a run says: log lines, final blocks, JSON.

use serde_json::Value;

use crate::harness::cli::Outcome;
use crate::harness::pair::Pair;

/// The parts of a log line: time, migration id, logger, level, message.
fn parts(line: &str) -> [&str; 5] {
    let parts: Vec<_> = line.splitn(5, '\t').collect();
    parts.try_into().unwrap_or_else(|_| panic!("no log line: {line:?}"))
}

/// The log, without further lines of messages that have several.
fn log(outcome: &Outcome) -> Vec<[&str; 5]> {
    outcome.stderr.lines().filter(|line| line.split('\t').next().is_some_and(is_time)).map(parts).collect()
}

/// The messages from the line `Roles:` on.
fn final_blocks(outcome: &Outcome) -> String {
    let messages: Vec<_> = log(outcome).into_iter().map(|[.., message]| message).collect();
    let start = messages.iter().position(|message| *message == "Roles:").unwrap_or_else(|| panic!("{outcome}"));
    messages[start..].join("\n")
}

fn is_time(text: &str) -> bool {
    let pattern = "0000-00-00 00:00:00,000";
    text.len() == pattern.len()
        && text.chars().zip(pattern.chars()).all(|(c, p)| if p == '0' { c.is_ascii_digit() } else { c == p })
}

/// The keys of the tables in docs/json.md, one list for each table.
fn documented_keys() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).expect("docs/json.md");
    let mut tables = Vec::new();
    for line in text.lines() {
        if line.starts_with("| key |") {
            tables.push(Vec::new());
        } else if line.starts_with("| `") {
            let names = line
                .split('|')
                .nth(1)
                .expect("a first column")
                .split(',')
                .map(|name| name.trim().trim_matches('`').to_owned());
            tables.last_mut().expect("a heading comes first").extend(names);
        }
    }
    tables
}

/// The document, after proving that it has the keys that docs/json.md promises, in that order.
pub(crate) fn document(outcome: &Outcome) -> Value {
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"));
    let tables = documented_keys();
    let [whole, finding, rest @ ..] = &tables[..] else { panic!("{tables:?}") };
    let [plan, planned, table, role, database, rest @ ..] = rest else { panic!("{tables:?}") };
    let [left, verification, compared, difference, failure] = rest else { panic!("{tables:?}") };
    let check = |value: &Value, keys: &[String]| {
        let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
        let (mut found, mut promised): (Vec<_>, Vec<_>) = (object.keys().collect(), keys.iter().collect());
        found.sort();
        promised.sort();
        assert_eq!(found, promised);
    };
    check(&document, whole);
    for (list, keys) in [("findings", finding), ("roles", role), ("databases", database), ("admin_sql", left)] {
        document[list].as_array().expect("a list").iter().for_each(|value| check(value, keys));
    }
    if !document["plan"].is_null() {
        check(&document["plan"], plan);
        for value in document["plan"]["databases"].as_array().expect("a list") {
            check(value, planned);
            value["tables"].as_array().expect("a list").iter().for_each(|value| check(value, table));
        }
    }
    if !document["error"].is_null() {
        check(&document["error"], failure);
    }
    let verified = &document["verification"];
    if !verified.is_null() {
        check(verified, verification);
        let databases = verified["databases"].as_array().expect("a list");
        for value in databases.iter().chain([&verified["servers"]]).filter(|value| !value.is_null()) {
            check(value, compared);
            value["differences"].as_array().expect("a list").iter().for_each(|value| check(value, difference));
        }
    }
    let mut rest = outcome.stdout.as_str();
    for key in whole {
        let at =
            rest.find(&format!("\n  \"{key}\":")).unwrap_or_else(|| panic!("{key} is not in its place: {outcome}"));
        rest = &rest[at + 1..];
    }
    document
}

#[test]
fn a_run_that_went_well_ends_with_blocks_that_scripts_match_and_a_document_that_says_the_same() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'x'");
    pair.source.sql("postgres", "CREATE ROLE ops");
    pair.target.sql("postgres", "CREATE ROLE ops");
    pair.source.create_database("it's");
    pair.source
        .sql("it's", "CREATE TABLE t AS SELECT n FROM generate_series(1, 10) n; ALTER TABLE t ADD PRIMARY KEY (n)");
    let run = |more: &[&str]| pair.migrate().args(["--migration-id", "id 1", "--output", "json"]).args(more).run();
    let outcome = run(&["--verbose"]).expect_code(0);
    let expected = r#"Roles:
  rolname: 'app', rolpassword: '<hidden>', status: 'created', message: 'role created'
  rolname: 'ops', rolpassword: '-', status: 'exists', message: 'role already exists'
Databases:
  dbaname: "it's", method: 'replication', status: 'running', message: 'created and migrated database'
  dbaname: 'postgres', method: 'replication', status: 'running', message: 'migrated to existing database'"#;
    assert_eq!(final_blocks(&outcome), expected);
    for [time, id, logger, level, message] in log(&outcome) {
        assert!(is_time(time), "{time}");
        assert_eq!(id, "id 1");
        assert!(["PGMigrate", "PGSource", "PGTarget"].contains(&logger), "{logger}");
        assert!(["DEBUG", "INFO", "WARNING", "ERROR"].contains(&level), "{level}");
        assert!(!message.is_empty());
    }
    assert_eq!(log(&outcome).len(), outcome.stderr.lines().count(), "every line is one of the log: {outcome}");
    assert!(log(&outcome).iter().all(|line| line[3] != "DEBUG"), "{outcome}");
    let of_restore = |line: &[&str; 5]| line[3] == "INFO" && line[4].contains("created TABLE public t ");
    assert!(log(&outcome).iter().any(of_restore), "{outcome}");
    let document = document(&outcome);
    assert_eq!((&document["outcome"], &document["exit_code"]), (&Value::from("done"), &Value::from(0)));
    assert_eq!(document["migration_id"], "id 1");
    assert_eq!(document["roles"][0]["password"], "carried");
    let database = &document["databases"][0];
    assert_eq!((&database["name"], &database["status"]), (&Value::from("it's"), &Value::from("running")));
    assert_eq!((&database["tables_copied"], &database["rows_copied"]), (&Value::from(1), &Value::from(10)));
    assert!(document["source"]["version"].as_str().unwrap().starts_with(&pair.source.installation.major.to_string()));

    let outcome = run(&["--max-replication-lag", "0", "--stop-replication", "--debug"]).expect_code(0);
    let expected = expected.replace("created', message: 'role created", "exists', message: 'role already exists");
    let expected = expected
        .replace("'<hidden>'", "'-'")
        .replace("running", "done")
        .replace("created and migrated", "migrated to existing");
    assert_eq!(final_blocks(&outcome), expected);
    assert!(log(&outcome).iter().any(|line| line[3] == "DEBUG"), "{outcome}");
    pair.assert_equal("it's");
    pair.assert_nothing_left();
}

#[test]
fn databases_that_cannot_be_connected_to_are_failed_and_the_others_go_on() {
    let Some(pair) = Pair::start() else { return };
    for name in ["locked", "closed", "open"] {
        pair.source.create_database(name);
    }
    pair.source.sql("open", "CREATE TABLE t AS SELECT 1 AS id; GRANT SELECT ON t TO public");
    pair.source.sql("postgres", "CREATE ROLE mover LOGIN");
    pair.source.sql("postgres", "REVOKE CONNECT ON DATABASE locked FROM PUBLIC");
    pair.source.sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false");
    let outcome = pair
        .program()
        .args(["-s", &pair.source.uri_as("mover", "postgres"), "-t", &pair.target.uri("postgres")])
        .args(["--output", "json", "--force-method", "dump"])
        .run()
        .expect_code(1);
    let blocks = final_blocks(&outcome);
    let locked =
        "  dbaname: 'locked', method: None, status: 'failed', message: 'permission denied for database \"locked\"";
    assert!(blocks.contains(locked), "{blocks}");
    assert!(blocks.contains("dbaname: 'closed', method: None, status: 'failed', message: "), "{blocks}");
    assert!(
        blocks.contains("dbaname: 'open', method: 'dump', status: 'done', message: 'created and migrated database'"),
        "{blocks}"
    );
    let document = document(&outcome);
    assert_eq!((&document["outcome"], &document["exit_code"]), (&Value::from("failed"), &Value::from(1)));
    assert_eq!(document["databases"][1]["name"], "locked");
    assert_eq!(
        (&document["databases"][1]["method"], &document["databases"][1]["status"]),
        (&Value::Null, &Value::from("failed"))
    );
    assert_eq!(document["error"]["class"], "PGMigrateError");
    assert_eq!(pair.target.value("open", "SELECT count(*) FROM t"), "1");
    assert!(!pair.target.databases().contains(&"locked".to_owned()));
}

#[test]
fn validation_that_fails_names_every_problem_and_ends_with_the_first() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("one");
    pair.source.create_database("two");
    let outcome = pair.migrate().args(["--no-createdb", "--validate", "--output", "json"]).run().expect_code(3);
    let message = |name| format!("Database '{name}' doesn't exist in target (not creating databases)");
    for name in ["one", "two"] {
        let errors: Vec<_> =
            log(&outcome).into_iter().filter(|line| line[3] == "ERROR" && line[4] == message(name)).collect();
        assert_eq!(errors.len(), 1, "{outcome}");
    }
    let last = outcome.stderr.lines().last().unwrap();
    assert_eq!(last, format!("PGMigrateValidationFailedError: {}", message("one")));
    let document = document(&outcome);
    assert_eq!((&document["outcome"], &document["exit_code"]), (&Value::from("validation"), &Value::from(3)));
    let found = document["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
    assert_eq!(found.count(), 2);
    assert_eq!(pair.target.databases(), ["postgres", "template1"]);
}

#[test]
fn of_many_tables_with_one_flaw_a_few_are_shown_and_the_others_named() {
    let Some(pair) = Pair::start() else { return };
    for number in 1..=5 {
        pair.source.sql("postgres", &format!("CREATE TABLE t{number} (v int)"));
    }
    let outcome = pair.migrate().arg("--validate").run().expect_code(0);
    assert_eq!(outcome.stderr.matches("it has no replica identity").count(), 3, "{outcome}");
    let rest = r#"[replica-identity] the same of 2 more: table "postgres" public.t4, table "postgres" public.t5"#;
    assert!(outcome.stderr.contains(rest), "{outcome}");
}
