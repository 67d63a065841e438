//! What a verification found.

use serde::Serialize;

use crate::events::{self, Difference, Found, Key, NotCompared, Verdict, What};
use crate::report::verification::VerificationReport;

#[derive(Debug, Serialize)]
pub(super) struct Verification<'a> {
    level: &'static str,
    differences: usize,
    servers: Option<Compared<'a>>,
    databases: Vec<Compared<'a>>,
}

/// One database, or the servers as a whole.
#[derive(Debug, Serialize)]
struct Compared<'a> {
    name: Option<&'a str>,
    tables: usize,
    rows: u64,
    large_objects: u64,
    moved: &'a [String],
    not_compared: Vec<Later<'a>>,
    failures: Vec<&'a str>,
    differences: Vec<Differing<'a>>,
}

#[derive(Debug, Serialize)]
struct Later<'a> {
    what: &'a str,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct Differing<'a> {
    class: &'static str,
    object: &'a str,
    kind: &'static str,
    property: Option<&'a str>,
    source: Option<String>,
    target: Option<String>,
    keys: Vec<Row<'a>>,
    unnamed: Option<&'a str>,
    reason: Option<&'static str>,
    message: String,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    key: &'a str,
    found: &'static str,
}

impl<'a> Verification<'a> {
    pub(super) fn new(report: &'a VerificationReport) -> Self {
        let (servers, mut databases): (Vec<&Verdict>, Vec<&Verdict>) =
            report.verdicts.iter().partition(|verdict| verdict.database.is_none());
        databases.sort_by_key(|verdict| &verdict.database);
        Self {
            level: report.level.name(),
            differences: report.differences(),
            servers: servers.into_iter().next().map(Compared::new),
            databases: databases.into_iter().map(Compared::new).collect(),
        }
    }
}

impl<'a> Compared<'a> {
    fn new(verdict: &'a Verdict) -> Self {
        let later = |it: &'a NotCompared| Later { what: &it.what, reason: it.reason };
        Self {
            name: verdict.database.as_deref(),
            tables: verdict.tables,
            rows: verdict.rows,
            large_objects: verdict.large_objects,
            moved: &verdict.moved,
            not_compared: verdict.not_compared.iter().map(later).collect(),
            failures: verdict.failures.iter().map(|failure| failure.message.as_str()).collect(),
            differences: verdict.differences.iter().map(Differing::new).collect(),
        }
    }
}

impl<'a> Differing<'a> {
    fn new(difference: &'a Difference) -> Self {
        let mut differing = Self {
            class: difference.class,
            object: &difference.object,
            kind: "",
            property: None,
            source: None,
            target: None,
            keys: Vec::new(),
            unnamed: None,
            reason: None,
            message: difference.to_string(),
        };
        match &difference.what {
            What::Missing => differing.kind = "missing",
            What::Extra => differing.kind = "extra",
            What::Differs { property, source, target } => {
                differing.kind = "property";
                differing.property = Some(property);
                differing.source = Some(source.clone());
                differing.target = Some(target.clone());
            }
            What::Contents => differing.kind = "contents",
            What::Rows { source, target, keys, unnamed, reason } => {
                differing.kind = "rows";
                differing.source = Some(rows(source));
                differing.target = Some(rows(target));
                differing.keys = keys.iter().map(Row::new).collect();
                differing.unnamed = unnamed.as_deref();
                differing.reason = *reason;
            }
        }
        differing
    }
}

fn rows(rows: &events::Rows) -> String {
    match rows.checksum {
        Some(checksum) => format!("{} rows, checksum {checksum}", rows.count),
        None => format!("{} rows", rows.count),
    }
}

impl<'a> Row<'a> {
    fn new(key: &'a Key) -> Self {
        let found = match key.on {
            Found::SourceOnly => "source",
            Found::TargetOnly => "target",
            Found::Both => "both",
        };
        Self { key: &key.key, found }
    }
}
