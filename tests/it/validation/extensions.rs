//! Extensions and languages.

use super::{cures, expect_errors, messages};
use crate::harness::pair::Pair;

#[test]
fn extensions_that_the_target_cannot_have_are_named_with_both_versions() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("shop");
    pair.target.create_database("shop");
    // Faked in the catalog: what a newer or other package would leave there.
    pair.source.sql(
        "shop",
        "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION pg_trgm VERSION '1.3';
         CREATE EXTENSION pgcrypto;
         UPDATE pg_extension SET extversion = '99.10' WHERE extname = 'citext';
         UPDATE pg_extension SET extname = 'pgcrypto_next' WHERE extname = 'pgcrypto'",
    );
    pair.target.sql("shop", "CREATE EXTENSION hstore VERSION '1.4'; CREATE EXTENSION pg_trgm VERSION '1.3'");
    let version = |extension| {
        let query = format!("SELECT default_version FROM pg_available_extensions WHERE name = '{extension}'");
        pair.target.value("shop", &query)
    };
    let installed = pair.source.value("shop", "SELECT extversion FROM pg_extension WHERE extname = 'hstore'");
    let errors = [
        "Extension 'pgcrypto_next' is not available for installation in target",
        &format!(
            "Extension 'citext' version available for installation in target is too old, source version: 99.10, target \
             version: {}",
            version("citext")
        ),
        &format!(
            "Installed extension 'hstore' in target database 'shop' is older than in source, target version: 1.4, source \
             version: {installed}"
        ),
    ];
    let outcome = expect_errors(pair.migrate().run(), &errors);
    let [update] = cures(&outcome, "extension-installed-older")[..] else { panic!("{outcome}") };
    let sql = update.strip_prefix(r#"target database "shop": "#).unwrap();
    pair.target.sql("shop", sql);

    let excluded = ["-xe", "pgcrypto_next,citext", "--validate"];
    pair.migrate().args(excluded).run().expect_code(0);
}

#[test]
fn extensions_and_languages_that_need_a_superuser_are_named() {
    let Some(pair) = Pair::start() else { return };
    pair.source.sql(
        "postgres",
        "CREATE EXTENSION pageinspect; CREATE EXTENSION hstore;
         CREATE FUNCTION call_sample() RETURNS language_handler LANGUAGE C AS '$libdir/plpgsql', 'plpgsql_call_handler';
         CREATE LANGUAGE plsample HANDLER call_sample",
    );
    pair.target
        .sql("postgres", "CREATE ROLE mover LOGIN CREATEROLE CREATEDB; GRANT CREATE ON DATABASE postgres TO mover");
    let target = pair.target.uri_as("mover", "postgres");
    let run = |more: &[&str]| {
        pair.program().args(["-s", &pair.source.uri("postgres"), "-t", &target, "--validate"]).args(more).run()
    };
    let outcome = expect_errors(
        run(&[]),
        &[
            "Languages not installed in target: plsample",
            "Installing extension 'pageinspect' in target requires superuser",
        ],
    );
    let [cure] = cures(&outcome, "extension-superuser")[..] else { panic!("{outcome}") };
    let sql = r#"let a superuser type, in target database "postgres": CREATE EXTENSION "pageinspect""#;
    assert!(cure.starts_with(sql), "{cure}");
    pair.target.sql("postgres", r#"CREATE EXTENSION "pageinspect""#);
    pair.source.sql("postgres", "DROP LANGUAGE plsample");
    let outcome = run(&[]).expect_code(0);
    assert!(messages(&outcome, "ERROR").is_empty(), "{outcome}");
}
