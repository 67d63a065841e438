//! Security labels: of every class that has them, where the target has their provider, and where it has not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::cli::{FINISH, Run};
use crate::harness::cluster::{Cluster, Options};
use crate::harness::pair::Pair;
use crate::harness::versions::{Installation, Versions};

/// A directory that the servers' account may read.
fn open_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("opening a directory");
    directory
}

/// Options of a server with provider `labeller`, which is built in `directory`.
fn with_provider(installation: &Installation, directory: &Path) -> Options {
    let library = directory.join(format!("labeller{}.so", installation.major));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(format!("-DMAJOR={}", installation.major))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/labeller.c"))
        .status();
    assert!(built.expect("a C compiler, which Rust needs, too").success());
    Options::default().setting("shared_preload_libraries", library.to_str().expect("a plain path"))
}

/// A source with labels on every class, and a target with their provider or without.
fn start(provider_on_target: bool) -> Option<Pair> {
    let versions = Versions::chosen()?;
    let directory = open_directory();
    let source = with_provider(&versions.source, directory.path());
    let target =
        if provider_on_target { with_provider(&versions.target, directory.path()) } else { Options::default() };
    let pair = Pair::of(versions, &source, &target);
    pair.source.sql("postgres", "CREATE ROLE \"My App\"; SECURITY LABEL ON ROLE \"My App\" IS 'role''s'");
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t;
         CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA s; CREATE DOMAIN d AS int;
         SELECT lo_create(5), lo_create(90005);
         SECURITY LABEL ON DATABASE app IS E'data\\nbase';
         SECURITY LABEL ON TABLE t IS 'table'; SECURITY LABEL ON COLUMN t.id IS 'column';
         SECURITY LABEL ON VIEW v IS 'view'; SECURITY LABEL ON FUNCTION f(int) IS 'function';
         SECURITY LABEL ON SCHEMA s IS 'schema'; SECURITY LABEL ON DOMAIN d IS 'domain';
         SECURITY LABEL ON LARGE OBJECT 5 IS 'five'; SECURITY LABEL ON LARGE OBJECT 90005 IS 'more'",
    );
    Some(pair)
}

/// All labels of a server, as one text.
fn labels(cluster: &Cluster) -> String {
    cluster.value(
        "app",
        "SELECT string_agg(concat_ws(' ', objtype, objname, label), '; ' ORDER BY objtype, objname) FROM pg_seclabels",
    )
}

#[test]
fn labels_of_every_class_are_carried_and_followed() {
    let Some(pair) = start(true) else { return };
    let migrate = || pair.migrate().arg("--filtered-db=postgres");
    migrate().run().expect_code(0);
    assert_eq!(labels(&pair.target), labels(&pair.source));
    pair.source
        .sql("app", "SECURITY LABEL ON LARGE OBJECT 5 IS 'changed'; SECURITY LABEL ON LARGE OBJECT 90005 IS NULL");
    migrate().args(FINISH).run().expect_code(0);
    assert_eq!(labels(&pair.target), labels(&pair.source));
    assert!(labels(&pair.target).starts_with("column t.id column; database app data\nbase; domain d domain"));
    let verify =
        || pair.program().args(["verify", "-s", &pair.source.uri("postgres"), "-t", &pair.target.uri("postgres")]);
    verify().run().expect_code(0);
    pair.target.sql(
        "app",
        "SECURITY LABEL ON DATABASE app IS 'else'; SECURITY LABEL ON ROLE \"My App\" IS NULL;
         SECURITY LABEL ON LARGE OBJECT 5 IS 'else'; SECURITY LABEL ON TABLE t IS NULL",
    );
    let outcome = verify().run().expect_code(6);
    assert_eq!(outcome.stderr.matches("security label of labeller").count(), 4, "{outcome}");
}

#[test]
fn labels_without_their_provider_are_announced_and_left_to_an_administrator() {
    let Some(pair) = start(false) else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin.sql");
    let outcome = pair
        .migrate()
        .args(["-f", "postgres", "--force-method", "dump", "--admin-sql", file.to_str().unwrap()])
        .run()
        .expect_code(0);
    let announced = "security labels are carried only where the target has their provider: on ";
    assert_eq!(outcome.stderr.matches(announced).count(), 1, "{outcome}");
    assert!(outcome.stderr.contains("dbaname: 'app', method: 'dump', status: 'done'"), "{outcome}");
    assert!(outcome.stderr.contains("Database 'app': security labels are left to an administrator"), "{outcome}");

    // Once the provider is there, the administrator completes it.
    let libraries = open_directory();
    let library = libraries.path().join(format!("labeller{}.so", pair.target.installation.major));
    drop(with_provider(&pair.target.installation, libraries.path()));
    let load = format!("ALTER SYSTEM SET shared_preload_libraries = '{}'", library.display());
    pair.target.sql("postgres", &load);
    pair.target.restart();
    Run::program("psql")
        .args(["-qX", "-d", &pair.target.uri("app"), "-f", file.to_str().unwrap()])
        .run()
        .expect_code(0);
    assert_eq!(labels(&pair.target), labels(&pair.source));
}
