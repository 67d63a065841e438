//! Rows of hundreds of megabytes.

use std::time::Duration;

use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

/// Values that take hardly any space on disk, and all of theirs on the way. As text a `bytea` is twice as long.
const LARGE: &str = "
CREATE TABLE large (id int PRIMARY KEY, a text, b bytea, c bytea);
INSERT INTO large VALUES (1, repeat('0123456789', 15000000), NULL, NULL),
    (2, NULL, convert_to(repeat('\\0ab', 50000000), 'UTF8'), NULL),
    (3, 'a', convert_to(repeat('xyz', 20000000), 'UTF8'), convert_to(repeat('123', 25000000), 'UTF8'))";

fn contents(cluster: &Cluster) -> String {
    cluster.value("app", "SELECT string_agg(concat_ws('|', id, md5(a), md5(b), md5(c)), '; ' ORDER BY id) FROM large")
}

#[test]
fn rows_of_any_size_pass_in_little_memory_by_both_methods_and_in_both_formats() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", LARGE);
    let wanted = contents(&pair.source);
    for (method, format) in [("dump", "text"), ("dump", "binary"), ("replication", "auto")] {
        let finish = ["--max-replication-lag", "0", "--stop-replication"];
        let run = pair.migrate().args(["--force-method", method, "--copy-format", format]).args(finish);
        // Less than the shortest of these rows has as text.
        run.args(["--filtered-db", "postgres"]).memory(140_000).limit(Duration::from_secs(180)).run().expect_code(0);
        assert_eq!(contents(&pair.target), wanted, "{method}, {format}");
        pair.assert_nothing_left();
        pair.target.sql("postgres", "DROP DATABASE app");
    }
}

#[test]
fn a_value_that_no_server_can_send_as_text_passes_in_binary_and_its_table_is_named_where_it_may_not() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE large (id int PRIMARY KEY, a text, b bytea, c bytea);
         INSERT INTO large VALUES (1, NULL, convert_to(repeat('x', 540000000), 'UTF8'), NULL)",
    );
    let run = |format| {
        let run = pair.migrate().args(["--force-method", "dump", "--filtered-db", "postgres", "--copy-format", format]);
        run.memory(140_000).limit(Duration::from_secs(180)).run()
    };
    run("text").expect_code(1).expect_stderr("copy table public.large");
    run("auto").expect_code(0);
    assert_eq!(contents(&pair.target), contents(&pair.source));
}
