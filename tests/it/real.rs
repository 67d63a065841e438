//! Schemas of real applications with the rows that they ship, as `scripts/real-schemas.sh` fetches them, by both methods.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::cli::Run;
use crate::harness::pair::Pair;
use crate::harness::tell;

/// All applications together are more than one test usually moves.
const LIMIT: Duration = Duration::from_secs(180);

/// A directory of `.schemas`, with files of SQL in their order; its database has its name.
struct Application {
    name: String,
    files: Vec<PathBuf>,
}

fn applications() -> Vec<Application> {
    let list = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of .schemas").path()).collect();
        paths.sort();
        paths
    };
    let directories = list(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".schemas"));
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
    directories
        .iter()
        // Others are being fetched.
        .filter(|path| !name(path).starts_with('.'))
        .map(|path| Application { name: name(path), files: list(path) })
        .collect()
}

/// What applications do to rows that they have: tables are written to, and triggers of the source fire. Some have rules of
/// their own against that.
const WORK: &str = "
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT c.oid::regclass AS name, (
            SELECT quote_ident(attname) FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a'
            ORDER BY attnum LIMIT 1) AS first
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    LOOP
        BEGIN
            EXECUTE format('UPDATE ONLY %s SET %s = %2$s WHERE ctid IN (SELECT ctid FROM ONLY %1$s LIMIT 20)', t.name, t.first);
        EXCEPTION WHEN integrity_constraint_violation OR raise_exception THEN
        END;
    END LOOP;
END $$";

/// `None`, after saying so, when there are no applications. A server words some definitions in another way once it has read
/// its own words: they go through a dump first, so that the same words are to be expected.
fn start(applications: &[Application]) -> Option<Pair> {
    if applications.is_empty() {
        tell(format_args!("skipped: no schemas of real applications; scripts/real-schemas.sh fetches them"));
        return None;
    }
    let pair = Pair::start()?;
    for Application { name, files } in applications {
        pair.target.create_database(name);
        for file in files {
            let file = file.to_str().expect("a plain path");
            pair.psql(&pair.target.uri(name))
                .args(["-v", "ON_ERROR_STOP=1", "-f", file])
                .limit(LIMIT)
                .run()
                .expect_code(0);
        }
        let settle = r#"pg_dump --create "$2" | psql -qX -v ON_ERROR_STOP=1 "$1" >/dev/null"#;
        Run::program("/bin/sh")
            .args(["-euc", settle, "sh", &pair.source.uri("postgres"), &pair.target.uri(name)])
            .env("PATH", pair.path())
            .limit(LIMIT)
            .run()
            .expect_code(0);
        drop_from_target(&pair, name);
    }
    Some(pair)
}

fn drop_from_target(pair: &Pair, name: &str) {
    pair.target.sql("postgres", &format!("DROP DATABASE \"{name}\""));
}

fn migrate(pair: &Pair, arguments: &[&str]) {
    pair.migrate().arg("--filtered-db=postgres").args(arguments).limit(LIMIT).run().expect_code(0);
}

fn assert_all_equal(pair: &Pair, applications: &[Application]) {
    let of = |it: &Application| {
        pair.differences(&it.name).into_iter().map(|found| format!("{}: {found}", it.name)).collect()
    };
    let different: Vec<String> = applications.iter().flat_map::<Vec<_>, _>(of).collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
    pair.assert_nothing_left();
    let verify = ["verify", "-s", &pair.source.uri("postgres"), "-t", &pair.target.uri("postgres"), "-f", "postgres"];
    pair.program().args(verify).limit(LIMIT).run().expect_code(0);
}

#[test]
fn real_applications_move_by_dump_and_by_replication_while_they_are_written_to() {
    let applications = applications();
    let Some(pair) = start(&applications) else { return };
    migrate(&pair, &["--force-method=dump"]);
    assert_all_equal(&pair, &applications);
    for Application { name, .. } in &applications {
        drop_from_target(&pair, name);
    }
    migrate(&pair, &["--force-method=replication"]);
    for Application { name, .. } in &applications {
        pair.source.sql(name, WORK);
    }
    migrate(&pair, &["--max-replication-lag=0", "--stop-replication"]);
    assert_all_equal(&pair, &applications);
}
