//! Definitions that are the same, however the two servers write them.

use super::verify;
use crate::harness::pair::Pair;

/// What a dump writes so that the target keeps it in other words, or in another order.
const DEFINITIONS: &str = "
CREATE TABLE words (word varchar(5), CONSTRAINT once EXCLUDE USING hash (word WITH =) WHERE (word IN ('a', 'b')));
CREATE TABLE parts (word varchar(5)) PARTITION BY LIST ((word IN ('a', 'b')));
CREATE TABLE parent (a int, b int);
CREATE TABLE adopted (b int, c int, a int);
ALTER TABLE adopted INHERIT parent;
CREATE STATISTICS of_adopted ON a, b, c FROM adopted;
CREATE COLLATION phone (provider = icu, locale = 'de@collation=phonebook');";

/// A change, and what is said of it.
const CHANGES: [(&str, &str); 4] = [
    (
        "ALTER TABLE words DROP CONSTRAINT once;
         ALTER TABLE words ADD CONSTRAINT once EXCLUDE USING hash (word WITH =) WHERE (word IN ('a', 'c'))",
        "index public.once: predicate is ",
    ),
    (
        "DROP TABLE parts; CREATE TABLE parts (word varchar(5)) PARTITION BY LIST ((word IN ('a', 'c')))",
        "table public.parts: partition key is ",
    ),
    (
        "DROP STATISTICS of_adopted; CREATE STATISTICS of_adopted ON b, c FROM adopted",
        "statistics object public.of_adopted: columns is a, b, c on the source and b, c on the target",
    ),
    (
        "DROP COLLATION phone; CREATE COLLATION phone (provider = icu, locale = 'de')",
        "collation public.phone: locale is de@collation=phonebook on the source and de on the target",
    ),
];

#[test]
fn what_the_target_words_in_another_way_is_no_difference_and_another_meaning_is_one() {
    let Some(pair) = Pair::of_majors(15, 18) else { return };
    pair.source.sql(
        "postgres",
        "CREATE DATABASE app TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de_DE' LOCALE 'C'",
    );
    pair.source.sql("app", DEFINITIONS);
    // As in every database that pg_upgrade has taken along.
    pair.source.sql("app", "DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql");
    pair.migrate().args(["-f", "postgres", "--force-method", "dump", "--verify"]).run().expect_code(0);
    for (change, said) in CHANGES {
        pair.target.sql("app", change);
        verify(&pair).args(["-f", "postgres"]).run().expect_code(6).expect_stderr(said);
    }
}
