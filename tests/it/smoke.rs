//! The harness itself does what the other tests rely on.

use std::time::Duration;

use pg_migrate::sql::names::JOURNAL_SCHEMA;

use crate::harness::cli::Run;
use crate::harness::cluster::{Cluster, Options, SUPERUSER_PASSWORD};
use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;
use crate::harness::wait::wait_for;

/// Copies `database` with PostgreSQL's own tools; a pipe as a user would write it.
fn dump_and_restore(pair: &Pair, database: &str) {
    const DATABASE: &str = r#"pg_dump -Fc -d "$1" | pg_restore --exit-on-error -d "$2""#;
    pair.copy_roles();
    pair.shell(DATABASE, database);
}

#[test]
fn the_shop_is_equal_after_dump_and_restore_and_every_change_shows() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 300);
    pair.source.sql("shop", "SELECT lo_from_bytea(4711, 'large')");
    pair.target.create_database("shop");
    dump_and_restore(&pair, "shop");
    pair.assert_equal("shop");
    pair.assert_nothing_left();

    let changes = [
        ("UPDATE shop.page_views SET path = '/' WHERE path = '/orders/1'", "rows of shop.page_views"),
        ("SELECT nextval('shop.unused')", "sequence shop.unused"),
        ("DROP VIEW shop.z_paid_orders", "only in the source: z_paid_orders; Type: VIEW"),
        ("ALTER TABLE shop.orders VALIDATE CONSTRAINT placed_after_founding", "constraint placed_after_founding"),
        ("ALTER TABLE shop.products ENABLE TRIGGER retired", "trigger retired of shop.products"),
        ("REFRESH MATERIALIZED VIEW shop.never_filled", "rows of shop.never_filled"),
        ("SELECT lo_put(4711, 0, 'LARGE')", "large object 4711"),
        ("CREATE INDEX extra ON shop.orders (note)", "only in the target: index shop.extra"),
    ];
    for (change, expected) in changes {
        pair.target.sql("shop", change);
        let differences = pair.differences("shop").join("\n");
        assert!(differences.contains(expected), "{change}: {expected:?} is not in:\n{differences}");
    }
}

#[test]
fn what_replication_leaves_on_the_servers_is_found() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql("postgres", "CREATE PUBLICATION aiven_db_migrate_postgres_pub");
    pair.source
        .sql("postgres", "SELECT pg_create_logical_replication_slot('aiven_db_migrate_postgres_slot', 'pgoutput')");
    pair.target.sql(
        "postgres",
        &format!(
            "CREATE SUBSCRIPTION aiven_db_migrate_postgres_sub CONNECTION '{}' PUBLICATION aiven_db_migrate_postgres_pub
               WITH (create_slot = false, slot_name = aiven_db_migrate_postgres_slot)",
            pair.source.uri("postgres")
        ),
    );
    pair.target.sql("postgres", &format!("CREATE SCHEMA {JOURNAL_SCHEMA}"));
    pair.source.wait_until("postgres", "(SELECT count(*) = 1 FROM pg_stat_replication)");
    let leftovers = pair.leftovers().join("\n");
    for thing in ["source: slot", "source: publication", "target: subscription", "target: schema"] {
        assert!(leftovers.contains(thing), "{thing:?} is not in:\n{leftovers}");
    }
    pair.target.sql("postgres", "DROP SUBSCRIPTION aiven_db_migrate_postgres_sub");
    pair.target.sql("postgres", &format!("DROP SCHEMA {JOURNAL_SCHEMA}"));
    pair.source.sql("postgres", "DROP PUBLICATION aiven_db_migrate_postgres_pub");
    pair.assert_nothing_left();
}

#[test]
fn a_server_has_the_options_it_was_started_with_and_survives_a_crash() {
    let Some(versions) = Versions::chosen() else { return };
    let hba = "local all postgres trust\nlocal all reader trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let options = Options::default().tcp().setting("work_mem", "3MB").hba(hba).initdb("--data-checksums");
    let cluster = Cluster::start(&versions.source, &options);
    assert_eq!(cluster.value("postgres", "SHOW work_mem"), "3MB");
    assert_eq!(cluster.value("postgres", "SHOW data_checksums"), "on");
    cluster.sql("postgres", "CREATE ROLE reader LOGIN");
    assert_eq!(cluster.session_as("reader", "postgres").sql("SELECT current_user")[0][0].as_deref(), Some("reader"));
    assert!(cluster.uri_as("reader", "postgres").starts_with("postgresql://reader@/postgres?host="));
    let error = cluster.session_as("reader", "postgres").try_sql("SELECT * FROM pg_authid").unwrap_err();
    assert!(error.starts_with("ERROR 42501: permission denied"), "{error}");

    let psql = |password| {
        let uri = cluster.tcp_uri("postgres", password, "postgres");
        Run::program("psql").args(["-XAtc", "SELECT 1", "-d", &uri]).run()
    };
    assert_eq!(psql(SUPERUSER_PASSWORD).expect_code(0).stdout, "1\n");
    let refused = psql("wrong").expect_code(2);
    assert!(refused.stderr.contains("password authentication failed"), "{refused}");
    assert!(cluster.log().contains("password authentication failed"));

    cluster.crash();
    cluster.start_again();
    assert_eq!(cluster.value("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'reader'"), "1");
    assert!(cluster.installation.major >= 10);
}

#[test]
fn a_running_program_can_be_watched_and_stopped() {
    let script =
        "trap 'echo interrupted; exit 130' INT; echo \"ready: $WORD\" >&2; cat >&2; while :; do sleep 0.1; done";
    let start = || Run::program("/bin/sh").args(["-c", script]).env("WORD", "yes").input("input\n").spawn();
    let watched = start();
    assert_eq!(watched.wait_for_line("ready"), "ready: yes");
    watched.wait_for_line("input");
    watched.signal("INT");
    let outcome = watched.wait().expect_code(130).expect_stderr("ready");
    assert_eq!(outcome.stdout, "interrupted\n");

    let killed = start();
    killed.wait_for_line("input");
    killed.signal_group("KILL");
    let outcome = killed.wait();
    assert_eq!((outcome.code(), outcome.signal()), (None, Some(9)));
}

#[test]
fn waiting_ends_with_the_last_status() {
    let mut looks = 0;
    let outcome: Result<(), String> = wait_for(Duration::from_millis(50), || {
        looks += 1;
        Err(format!("look {looks}"))
    });
    assert!(looks > 1);
    assert!(outcome.unwrap_err().ends_with(&format!("still: look {looks}")));
}

#[test]
fn the_program_starts() {
    let Some(pair) = Pair::start() else { return };
    let outcome = pair.program().arg("--version").limit(Duration::from_secs(10)).run().expect_code(0);
    assert_eq!(outcome.stderr, "");
    let help = pair.migrate().arg("--help").run().expect_code(0);
    assert_eq!(help.stderr, "");
}
