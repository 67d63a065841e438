//! Where sequences stand after a migration.

use crate::harness::cli::FINISH;
use crate::harness::cluster::Cluster;
use crate::harness::pair::Pair;

const SEQUENCES: &str = r#"
CREATE TABLE t (id serial PRIMARY KEY, other int GENERATED ALWAYS AS IDENTITY (INCREMENT 5));
INSERT INTO t SELECT FROM generate_series(1, 10);
CREATE SEQUENCE "Not Called" START 100;
CREATE SEQUENCE down INCREMENT -2 MINVALUE -100 MAXVALUE -1;
CREATE SEQUENCE round MINVALUE 1 MAXVALUE 5 CYCLE;
CREATE SEQUENCE nearly_full AS smallint;
CREATE SEQUENCE full_up MAXVALUE 3;
SELECT nextval('down'), setval('round', 4), setval('nearly_full', 32760), setval('full_up', 3);
"#;

/// What each gives next, or why it does not.
fn next(cluster: &Cluster, sequence: &str) -> String {
    let session = cluster.session("app");
    match session.try_sql(&format!("SELECT nextval('{sequence}')")) {
        Ok(mut rows) => rows[0][0].take().unwrap_or_default(),
        Err(error) => error,
    }
}

#[test]
fn a_margin_sets_sequences_beyond_the_source_in_their_own_direction_and_bounds() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", SEQUENCES);
    let unlogged = pair.source.installation.major >= 15;
    if unlogged {
        pair.source.sql("app", "CREATE UNLOGGED SEQUENCE unlogged; SELECT nextval('unlogged')");
    }
    let migrate = || pair.migrate().args(["--filtered-db=postgres", "--sequence-margin=10"]);
    migrate().run().expect_code(0);
    // A finish counts from where the source is by then.
    pair.source.sql("app", "SELECT nextval('t_id_seq')");
    migrate().args(FINISH).run().expect_code(0);
    pair.assert_nothing_left();

    for (sequence, value) in [
        ("t_id_seq", "22"),
        ("t_other_seq", "101"),
        ("\"Not Called\"", "110"),
        ("down", "-23"),
        // Ten more after 4 are 5, 1 to 5, and 1 to 4.
        ("round", "5"),
        ("nearly_full", "ERROR 2200H: nextval: reached maximum value of sequence \"nearly_full\" (32767)"),
        ("full_up", "ERROR 2200H: nextval: reached maximum value of sequence \"full_up\" (3)"),
    ] {
        assert_eq!(next(&pair.target, sequence), value, "{sequence}");
    }
    if unlogged {
        assert_eq!(next(&pair.target, "unlogged"), "12");
    }
}

#[test]
fn a_margin_that_is_no_number_is_refused() {
    let Some(pair) = Pair::start() else { return };
    let outcome = pair.migrate().arg("--sequence-margin=-5").run().expect_code(2);
    assert!(outcome.stderr.contains("it has to be a whole number of 0 or more"), "{outcome}");
}
