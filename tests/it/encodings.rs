//! Databases in other encodings than UTF8: every byte arrives.

use crate::harness::pair::Pair;

/// Bytes that are characters of their encoding and have no equivalent in UTF8; in hexadecimal.
const WITHOUT_EQUIVALENT: [(&str, &str); 2] = [("WIN1252", "81"), ("EUC_JP", "A9A1")];

/// Inserts a text into the table of a database in `encoding`.
fn insert(pair: &Pair, encoding: &str, id: u32, hex: &str) {
    let statement = format!(
        r#"INSERT INTO "größe" VALUES ({id}, 'a' || convert_from('\x{hex}', '{encoding}'), 'tab	 and \backslash')"#
    );
    pair.source.sql(encoding, &statement);
}

fn create(pair: &Pair, encoding: &str, hex: &str) {
    let create =
        format!(r#"CREATE DATABASE "{encoding}" TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"#);
    pair.source.sql("postgres", &create);
    pair.source.sql(encoding, r#"CREATE TABLE "größe" (id int PRIMARY KEY, v text, w text)"#);
    insert(pair, encoding, 1, hex);
}

fn bytes(pair: &Pair, encoding: &str) -> String {
    let query =
        format!(r#"SELECT string_agg(encode(convert_to(v || w, '{encoding}'), 'hex'), ' ' ORDER BY id) FROM "größe""#);
    let there = pair.target.value(encoding, &query);
    assert_eq!(there, pair.source.value(encoding, &query));
    there
}

#[test]
fn characters_that_utf8_lacks_arrive_by_a_dump() {
    let Some(pair) = Pair::start() else { return };
    for (encoding, hex) in WITHOUT_EQUIVALENT {
        create(&pair, encoding, hex);
    }
    let outcome = pair.migrate().args(["-f", "postgres", "--force-method=dump", "--verify"]).run().expect_code(0);
    outcome.expect_stderr("all equal");
    for (encoding, hex) in WITHOUT_EQUIVALENT {
        assert!(bytes(&pair, encoding).contains(&hex.to_lowercase()), "{encoding}");
    }
}

#[test]
fn characters_that_utf8_lacks_arrive_by_replication() {
    let Some(pair) = Pair::start() else { return };
    for (encoding, hex) in WITHOUT_EQUIVALENT {
        create(&pair, encoding, hex);
    }
    let migrate = || pair.migrate().args(["-f", "postgres", "--max-replication-lag=0"]);
    migrate().run().expect_code(0);
    for (encoding, hex) in WITHOUT_EQUIVALENT {
        insert(&pair, encoding, 2, hex);
    }
    migrate().args(["--stop-replication", "--verify"]).run().expect_code(0).expect_stderr("all equal");
    for (encoding, _) in WITHOUT_EQUIVALENT {
        assert_eq!(bytes(&pair, encoding).split(' ').count(), 2, "{encoding}");
    }
}
