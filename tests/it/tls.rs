//! TLS as libpq knows it: `sslmode`, certificates of servers and of clients, and a whole migration through it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::certificates::{CLIENT, Certificates};
use crate::harness::cli::Outcome;
use crate::harness::cluster::{Options, SUPERUSER_PASSWORD};
use crate::harness::pair::Pair;

/// Passwords by TLS only; `carol` by her certificate; `plain` without TLS only.
const HBA: &str = "local all all trust\n\
                   hostnossl all plain 127.0.0.1/32 scram-sha-256\n\
                   hostssl all plain 127.0.0.1/32 reject\n\
                   hostssl all carol 127.0.0.1/32 cert\n\
                   hostssl all all 127.0.0.1/32 scram-sha-256\n";

/// A pair whose two servers speak TLS, and the certificates they have it from.
fn pair() -> Option<(Pair, Certificates)> {
    let certificates = Certificates::make();
    let settings = certificates.settings();
    let options =
        settings.iter().fold(Options::default().tcp().hba(HBA), |options, (name, value)| options.setting(name, value));
    Some((Pair::with(&options, &options)?, certificates))
}

/// What connecting to the source with `parameters` comes to.
fn validate(pair: &Pair, parameters: &str) -> Outcome {
    let home = tempfile::tempdir().expect("a temporary directory");
    let source = format!("port={} dbname=postgres hostaddr=127.0.0.1 {parameters}", pair.source.port());
    let run = pair.program().args(["-s", &source, "-t", &pair.target.uri("postgres"), "--validate"]);
    run.args(["--force-method", "dump"]).env("PGPASSWORD", SUPERUSER_PASSWORD).env("HOME", home.path()).run()
}

#[track_caller]
fn refused(pair: &Pair, parameters: &str, words: &str) {
    let outcome = validate(pair, parameters).expect_code(4);
    assert!(outcome.last_line().contains(words), "{parameters:?}: {words:?} is not in the last line of:\n{outcome}");
}

#[test]
fn sslmode_means_what_it_means_to_libpq() {
    let Some((pair, certificates)) = pair() else { return };
    pair.source.sql("postgres", &format!("CREATE ROLE plain SUPERUSER LOGIN; CREATE ROLE {CLIENT} SUPERUSER LOGIN"));
    let password = SUPERUSER_PASSWORD.replace('\'', "''");
    pair.source.session("postgres").sql(&format!("ALTER ROLE plain PASSWORD '{password}'"));
    let file = |name: &str| certificates.path(name).display().to_string();
    let (ca, other_ca) = (file("ca.crt"), file("other-ca.crt"));
    let accepted = |parameters: &str| drop(validate(&pair, parameters).expect_code(0));

    refused(&pair, "host=localhost user=postgres sslmode=disable", "no encryption");
    for mode in ["allow", "prefer", "require"] {
        accepted(&format!("host=localhost user=postgres sslmode={mode}"));
    }
    accepted("host=localhost user=plain sslmode=prefer");
    refused(&pair, "host=localhost user=plain sslmode=require", "[SQLSTATE 28");

    accepted(&format!("host=other.name user=postgres sslmode=verify-ca sslrootcert={ca}"));
    accepted(&format!("host=localhost user=postgres sslmode=verify-full sslrootcert={ca}"));
    refused(&pair, &format!("host=other.name user=postgres sslmode=verify-full sslrootcert={ca}"), "ostname mismatch");
    for mode in ["require", "verify-ca", "verify-full"] {
        refused(&pair, &format!("host=localhost user=postgres sslmode={mode} sslrootcert={other_ca}"), "certificate");
    }
    refused(&pair, "host=localhost user=postgres sslmode=verify-full", "root.crt");
    refused(&pair, "host=localhost user=postgres sslmode=verify-ca sslrootcert=/gone", "/gone");

    accepted("host=localhost user=postgres ssl_min_protocol_version=TLSv1.3 sslmode=require");
    accepted("host=localhost user=postgres channel_binding=require sslmode=require");
    pair.source.sql("postgres", "ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'");
    pair.source.sql("postgres", "SELECT pg_reload_conf()");
    pair.source.wait_until("postgres", "current_setting('ssl_max_protocol_version') = 'TLSv1.2'");
    refused(&pair, "host=localhost user=postgres ssl_min_protocol_version=TLSv1.3 sslmode=require", "protocol version");
}

#[test]
fn a_wrong_password_is_not_hidden_by_the_attempt_without_tls() {
    let Some((pair, _certificates)) = pair() else { return };
    refused(
        &pair,
        "host=localhost user=postgres password=wrong",
        r#"password authentication failed for user "postgres""#,
    );
}

#[test]
fn client_certificates_open_sessions_and_their_keys_must_be_private() {
    let Some((pair, certificates)) = pair() else { return };
    pair.source.sql("postgres", &format!("CREATE ROLE {CLIENT} SUPERUSER LOGIN"));
    let file = |name: &str| certificates.path(name).display().to_string();
    let (certificate, key) = (file("client.crt"), file("client.key"));
    let who = format!("host=localhost user={CLIENT} sslmode=require");
    let with_certificate = format!("{who} sslcert={certificate} sslkey={key}");
    validate(&pair, &with_certificate).expect_code(0);
    refused(&pair, &who, "client certificate");
    refused(&pair, &format!("{who} sslcert=/gone sslkey={key}"), "/gone");
    fs::set_permissions(certificates.path("client.key"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(&pair, &with_certificate, "has group or world access");
}

#[test]
fn a_whole_migration_by_replication_goes_through_tls() {
    let Some((pair, certificates)) = pair() else { return };
    pair.source.create_database("shop");
    pair.source
        .sql("shop", "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 1000)");
    let ca = certificates.path("ca.crt");
    let uri = |port, more: &str| {
        let password = SUPERUSER_PASSWORD.replace('\\', r"\\").replace('\'', r"\'");
        format!("host=localhost port={port} user=postgres password='{password}' dbname=postgres {more}")
    };
    let verified = format!("sslmode=verify-full sslrootcert={}", ca.display());
    let source = uri(pair.source.port(), &verified);
    let target = uri(pair.target.port(), &verified);
    // The target's account has no root certificates of its own.
    let for_target = uri(pair.source.port(), "sslmode=require");
    let run = |more: &[&str]| {
        pair.program()
            .args(["-s", &source, "-t", &target, "--source-for-target", &for_target, "--debug"])
            .args(more)
            .run()
    };
    let outcome = run(&["--force-method", "replication"]).expect_code(0).expect_silence_about(SUPERUSER_PASSWORD);
    assert!(outcome.stderr.contains("dbaname: 'shop', method: 'replication', status: 'running'"), "{outcome}");
    let encrypted =
        "(SELECT ssl FROM pg_stat_ssl JOIN pg_stat_replication USING (pid) WHERE application_name LIKE '%shop%')";
    pair.source.wait_until("postgres", encrypted);
    pair.source.sql("shop", "INSERT INTO orders VALUES (1001)");
    run(&["--max-replication-lag", "0", "--stop-replication"]).expect_code(0).expect_silence_about(SUPERUSER_PASSWORD);
    pair.assert_equal("shop");
    pair.assert_nothing_left();
}
