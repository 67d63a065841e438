//! Users without superuser rights, as managed services have them.

use crate::harness::cli::Run;
use crate::harness::cluster::Options;
use crate::harness::pair::Pair;
use crate::harness::versions::Versions;

const PASSWORD: &str = "of admin";

/// A source whose database `app` belongs to `admin`, and a target with the same administrator; nobody here is superuser.
fn managed(pair: &Pair) {
    let admin = format!("CREATE ROLE admin LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'");
    pair.source.sql("postgres", &format!("{admin} REPLICATION"));
    pair.target.sql("postgres", &admin);
    pair.source.session_as("admin", "postgres").sql("CREATE DATABASE app");
    if pair.target.installation.major >= 15 {
        // Nobody but a superuser can leave it with the superuser there.
        pair.source.sql("app", "ALTER SCHEMA public OWNER TO admin");
    }
    pair.source.session_as("admin", "app").sql(include_str!("fixtures/managed.sql"));
}

/// By the administrators: over TCP and with a password to the source, because the target will go that way too.
fn migrate(pair: &Pair) -> Run {
    let source = pair.source.tcp_uri("admin", PASSWORD, "postgres");
    pair.program().args(["-s", &source, "-t", &pair.target.uri_as("admin", "postgres")])
}

fn pair() -> Option<Pair> {
    Versions::chosen().map(pair_of)
}

fn pair_of(versions: Versions) -> Pair {
    // As many services set it.
    let target = Options::default().setting("log_statement", "ddl");
    let pair = Pair::of(versions, &Options::default().tcp(), &target);
    managed(&pair);
    pair
}

#[test]
fn without_the_right_to_subscribe_a_database_is_dumped_and_the_right_is_named() {
    let Some(pair) = pair() else { return };
    let outcome = migrate(&pair).run().expect_code(0);
    let cure = if pair.target.installation.major >= 16 {
        r#"target: GRANT pg_create_subscription TO "admin""#
    } else {
        "connect to the target as a superuser"
    };
    for text in
        [r#"WARNING	target: user "admin" may not create a subscription"#, cure, "method: 'dump', status: 'done'"]
    {
        assert!(outcome.stderr.contains(text), "{text:?} is not in:\n{outcome}");
    }
    pair.assert_equal("app");
    pair.assert_nothing_left();
    // Refused statements are logged; the administrator's own password was set in the open, by the test.
    for server in [&pair.source, &pair.target] {
        let log = server.log();
        let shown = log.lines().find(|line| line.contains(PASSWORD) && !line.contains("CREATE ROLE admin"));
        assert_eq!(shown, None);
    }
}

/// Replicates `app`, changes it meanwhile, finishes, and finds it equal.
fn assert_replicates(pair: &Pair) {
    let begun = migrate(pair).args(["--max-replication-lag", "0"]).run().expect_code(0);
    assert!(begun.stderr.contains("dbaname: 'app', method: 'replication', status: 'running'"), "{begun}");
    pair.source.session_as("app", "app").sql(
        "INSERT INTO app.transfers (payer, payee, sum) VALUES (1, 2, 3), (4, 5, 6);
         UPDATE app.accounts SET balance = 0 WHERE id % 5 = 0;
         DELETE FROM app.transfers WHERE id < 50",
    );
    pair.source.session_as("admin", "app").sql(
        "UPDATE public.notes SET text = 'new';
         INSERT INTO app.visits VALUES (now(), '/new');
         TRUNCATE app.transfers;
         REFRESH MATERIALIZED VIEW app.total",
    );
    let finished = migrate(pair).args(["--max-replication-lag", "0", "--stop-replication"]).run().expect_code(0);
    assert!(finished.stderr.contains("dbaname: 'app', method: 'replication', status: 'done'"), "{finished}");
    pair.assert_equal("app");
    pair.assert_nothing_left();
}

#[test]
fn with_pg_create_subscription_a_database_is_replicated() {
    let Some(versions) = Versions::with_target_since(16) else { return };
    let pair = pair_of(versions);
    pair.target.sql("postgres", "GRANT pg_create_subscription TO admin");
    assert_replicates(&pair);
    let log = pair.target.log();
    assert!(log.contains("create publication") || log.contains("CREATE TABLE"), "statements are logged: {log}");
    // The administrator's own was set in the open, by the test.
    let by_us = log.lines().filter(|line| line.contains(PASSWORD) && !line.contains("CREATE ROLE admin"));
    assert_eq!(by_us.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_member_that_may_not_set_role_keeps_what_it_cannot_give_away() {
    let Some(versions) = Versions::with_target_since(16) else { return };
    let pair = pair_of(versions);
    pair.target.sql("postgres", "CREATE ROLE app_owner; GRANT app_owner TO admin WITH INHERIT TRUE, SET FALSE");
    let outcome = migrate(&pair).args(["--force-method", "dump"]).run().expect_code(0);
    assert!(
        outcome.stderr.contains("cannot make these roles owners of anything on the target: \"app_owner\""),
        "{outcome}"
    );
}

#[test]
fn aiven_extras_on_both_sides_stands_in_for_the_right_to_subscribe() {
    // Before 13 only a superuser may create the extension.
    let Some(versions) = Versions::with_target_since(13).filter(|it| it.source.major >= 13) else { return };
    let mut pair = Pair::of(versions, &Options::default().tcp(), &Options::default());
    for server in [&mut pair.source, &mut pair.target] {
        let (control, script) =
            (include_str!("fixtures/aiven_extras.control"), include_str!("fixtures/aiven_extras.sql"));
        server.add_extension("aiven_extras", control, script);
    }
    managed(&pair);
    pair.source.session_as("admin", "app").sql("CREATE EXTENSION aiven_extras");
    assert_replicates(&pair);
}

#[test]
fn a_subscription_without_a_password_is_known_to_be_refused() {
    let Some(versions) = Versions::with_target_since(16) else { return };
    let pair = pair_of(versions);
    pair.target.sql("postgres", "GRANT pg_create_subscription TO admin");
    let source = pair.source.uri_as("admin", "postgres");
    let target = pair.target.uri_as("admin", "postgres");
    let outcome = pair.program().args(["-s", &source, "-t", &target, "--validate"]).run().expect_code(0);
    for text in ["must connect with a password", "--source-for-target", r#"(method dump): "app""#] {
        assert!(outcome.stderr.contains(text), "{text:?} is not in:\n{outcome}");
    }
}

#[test]
fn every_missing_right_is_named_with_what_grants_it() {
    let Some(pair) = pair() else { return };
    pair.source
        .sql("app", "CREATE ROLE other; CREATE TABLE hidden (id int PRIMARY KEY); ALTER TABLE hidden OWNER TO other");
    pair.source.sql("postgres", "ALTER ROLE admin NOREPLICATION; ALTER DATABASE app OWNER TO postgres");
    pair.target.sql("postgres", "ALTER ROLE admin NOCREATEDB NOCREATEROLE");
    let source = pair.source.tcp_uri("admin", PASSWORD, "postgres");
    let validate = |target: &str| {
        let run = pair.program().args(["-s", &source, "-t", target, "--validate", "--force-method", "replication"]);
        run.run().expect_code(3)
    };
    let by_admin = validate(&pair.target.uri_as("admin", "postgres"));
    let by_superuser = validate(&pair.target.uri("postgres"));
    let source_cures = [
        r#"source: ALTER ROLE "admin" REPLICATION"#,
        r#"GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "admin""#,
        r#"source: GRANT CREATE ON DATABASE "app" TO "admin"; GRANT "other" TO "admin""#,
    ];
    for cure in source_cures {
        assert!(
            by_superuser.stderr.contains(cure) && by_admin.stderr.contains(cure),
            "{cure:?} is not in:\n{by_admin}"
        );
    }
    for cure in [r#"target: ALTER ROLE "admin" CREATEDB"#, r#"target: ALTER ROLE "admin" CREATEROLE"#] {
        assert!(by_admin.stderr.contains(cure), "{cure:?} is not in:\n{by_admin}");
    }
}
