//! Verification leaves out no column of the catalogs unawares: for each there is a change that it sees, or a reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::cluster::{Cluster, Options};
use crate::harness::versions::installed;

const COLUMNS: &str = include_str!("fixtures/catalog_columns.txt");

/// Changes, and the differences that verification must find after each.
const CHANGES: [&str; 5] = [
    include_str!("fixtures/changes_of_a_database.txt"),
    include_str!("fixtures/changes_of_a_database_18.txt"),
    include_str!("fixtures/changes_of_catalogs.txt"),
    include_str!("fixtures/changes_of_a_server.txt"),
    include_str!("fixtures/changes_of_a_server_18.txt"),
];

/// What becomes of a column.
enum Fate {
    /// It is compared: as a property of a class, or as part of an object's name.
    Compared { class: &'static str, property: Option<&'static str> },
    /// It need not be.
    LeftOut,
}

fn fates() -> BTreeMap<&'static str, Fate> {
    COLUMNS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            if let Some((column, _)) = line.split_once(" - ") {
                return (column, Fate::LeftOut);
            }
            let (column, seen) = line.split_once(" = ").unwrap_or_else(|| panic!("neither seen nor left out: {line}"));
            let (class, property) =
                seen.split_once(": ").map_or((seen, None), |(class, property)| (class, Some(property)));
            (column, Fate::Compared { class, property })
        })
        .collect()
}

#[test]
fn every_column_of_the_catalogs_of_every_major_has_its_place() {
    let fates = fates();
    let query = "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
                   AND NOT a.attisdropped AND a.attname <> 'oid'";
    let mut columns = BTreeSet::new();
    for installation in installed() {
        let server = Cluster::start(&installation, &Options::default());
        columns.extend(server.sql("postgres", query).into_iter().flatten().flatten());
    }
    let whole = |column: &str| column.split_once('.').map(|(catalog, _)| format!("{catalog}.*")).unwrap_or_default();
    let missing: Vec<_> =
        columns.iter().filter(|it| !fates.contains_key(it.as_str()) && !fates.contains_key(&*whole(it))).collect();
    assert!(missing.is_empty(), "not in catalog_columns.txt: {missing:?}");
}

#[test]
fn every_column_that_is_compared_has_a_change_that_shows_it() {
    let seen: Vec<&str> =
        CHANGES.iter().flat_map(|changes| changes.lines()).filter_map(|line| line.strip_prefix("  ")).collect();
    let shows = |difference: &str, class: &str, property: Option<&str>| {
        let object = difference.strip_prefix(class).is_some_and(|rest| rest.starts_with(' '));
        let about = match property {
            None => difference.ends_with(" on the target") && !difference.contains(" on the source and "),
            Some(property) => {
                let (_, found) = difference.split_once(&format!(": {property} ")).unwrap_or_default();
                found.contains(" on the source and ")
            }
        };
        object && about
    };
    let unseen: Vec<_> = fates()
        .into_iter()
        .filter_map(|(column, fate)| match fate {
            Fate::Compared { class, property } => Some((column, class, property)),
            Fate::LeftOut => None,
        })
        .filter(|(_, class, property)| !seen.iter().any(|difference| shows(difference, class, *property)))
        .collect();
    assert!(unseen.is_empty(), "no change shows {unseen:#?}");
}
