//! What came out of a verification: a fold over its events, and the lines and the verdict that follow from it. Pure.

use super::text::{reprs, size};
use crate::error::{Error, Kind};
use crate::events::{Difference, NotCompared, Verdict, What, counted};
use crate::logger;
use crate::settings::Level;

/// Lines of one class of objects that a database gets in the log; all are in the JSON document.
const LINES: usize = 100;

/// What has come out so far.
#[derive(Clone, Debug)]
pub struct VerificationReport {
    /// How much is compared.
    pub level: Level,
    /// Verdicts, in the order in which they were reached.
    pub verdicts: Vec<Verdict>,
    /// The database whose rows are being compared, if any.
    pub current: Option<Comparing>,
}

/// How far the comparison of a database's rows is.
#[derive(Clone, Debug, Default)]
pub struct Comparing {
    /// The database.
    pub database: String,
    /// Bytes to read on both sides, an estimate.
    pub bytes: u64,
    /// Bytes read.
    pub bytes_read: u64,
}

impl VerificationReport {
    pub(super) fn new(level: Level) -> Self {
        Self { level, verdicts: Vec::new(), current: None }
    }

    /// How many things differ.
    pub fn differences(&self) -> usize {
        self.verdicts.iter().map(|verdict| verdict.differences.len()).sum()
    }

    /// Why it did not succeed; `None` when both sides are equal. What could not be compared weighs more than a difference:
    /// there may be more of these.
    pub(super) fn conclusion(&self) -> Option<Error> {
        let failures = || self.verdicts.iter().flat_map(|verdict| &verdict.failures);
        let differences = match self.differences() as u64 {
            0 => None,
            count => Some(format!("verification found {}", counted(count, "difference"))),
        };
        let failed = failures().filter(|failure| failure.kind != Kind::Timeout).count();
        if failed > 0 {
            let mut message = format!("verification could not compare {}", counted(failed as u64, "thing"));
            if let Some(differences) = differences {
                message.push_str(&format!("; {differences}"));
            }
            return Some(Error::new(Kind::Failed, message));
        }
        if let Some(message) = differences {
            return Some(Error::new(Kind::Difference, message));
        }
        let late = self.verdicts.iter().filter(|verdict| !verdict.failures.is_empty());
        let late: Vec<&str> = late.filter_map(|verdict| verdict.database.as_deref()).collect();
        (!late.is_empty()).then(|| {
            Error::new(Kind::Timeout, format!("replication did not catch up in time to verify: {}", reprs(late)))
                .hint("replication goes on; run the same command again")
        })
    }
}

/// What a verdict says in the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Info(String),
    Warning(String),
    Error(String),
}

/// The lines of `verdict`.
pub(super) fn lines(verdict: &Verdict, level: Option<Level>) -> Vec<Line> {
    let about = verdict.database.as_deref().map_or("Servers".to_owned(), logger::database);
    let mut lines = Vec::new();
    let mut classes: Vec<&'static str> = Vec::new();
    for difference in &verdict.differences {
        if !classes.contains(&difference.class) {
            classes.push(difference.class);
        }
    }
    for class in classes {
        let of_class = || verdict.differences.iter().filter(|difference| difference.class == class);
        lines.extend(of_class().take(LINES).flat_map(|difference| of_difference(&about, difference)));
        if let Some(more) = of_class().count().checked_sub(LINES).filter(|more| *more > 0) {
            lines.push(Line::Error(format!("{about}: {class}: … and {more} more differences")));
        }
    }
    lines.extend(verdict.failures.iter().map(|failure| Line::Error(format!("{about}: {}", failure.message))));
    if !verdict.moved.is_empty() {
        lines.push(Line::Warning(format!(
            "{about}: written to faster than they could be compared, verify them again when writes have ceased: {}",
            verdict.moved.join(", ")
        )));
    }
    for (later, when) in [(true, " while replication runs"), (false, "")] {
        let left_out: Vec<_> = verdict.not_compared.iter().filter(|it| it.later == later).collect();
        if !left_out.is_empty() {
            lines.push(Line::Warning(format!("{about}: not compared{when}: {}", with_reasons(&left_out))));
        }
    }
    if verdict.differences.is_empty() && verdict.failures.is_empty() {
        lines.push(Line::Info(format!("{about}: verified: {}", equal(verdict, level))));
    }
    lines
}

fn of_difference(about: &str, difference: &Difference) -> Vec<Line> {
    let mut lines = vec![Line::Error(format!("{about}: {difference}"))];
    if let What::Rows { keys, unnamed, .. } = &difference.what {
        let about_it = format!("{about}: {} {}", difference.class, difference.object);
        lines.extend(keys.iter().map(|key| Line::Error(format!("{about_it}: {key}"))));
        lines.extend(unnamed.iter().map(|reason| Line::Error(format!("{about_it}: {reason}"))));
    }
    lines
}

fn with_reasons(not_compared: &[&NotCompared]) -> String {
    let each: Vec<_> = not_compared.iter().map(|it| format!("{} ({})", it.what, it.reason)).collect();
    each.join(", ")
}

fn equal(verdict: &Verdict, level: Option<Level>) -> String {
    let whole = verdict.not_compared.iter().all(|it| it.later);
    let all = if whole { "" } else { ", as far as they were compared" };
    if verdict.database.is_none() {
        return format!("roles and databases are equal{all}");
    }
    let rows = format!("{}, {}", counted(verdict.tables as u64, "table"), counted(verdict.rows, "row"));
    match level {
        None | Some(Level::Schema) => format!("definitions are equal{all}"),
        Some(Level::Counts) => format!("{rows}; definitions and numbers of rows are equal{all}"),
        Some(Level::Full) if verdict.large_objects == 0 => format!("{rows}; all equal{all}"),
        Some(Level::Full) => {
            format!("{rows}, {}; all equal{all}", counted(verdict.large_objects, "large object"))
        }
    }
}

/// How far it is, in words.
pub(super) fn progress(comparing: &Comparing) -> String {
    // What is stored out of line is estimated.
    let read = comparing.bytes_read.min(comparing.bytes);
    format!("{}: verified {} of {} on both sides", comparing.database, size(read), size(comparing.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Failure, Found, Key, Rows};

    fn difference(class: &'static str, object: &str) -> Difference {
        Difference { database: Some("app".into()), class, object: object.into(), what: What::Missing }
    }

    fn verdict(differences: Vec<Difference>, failures: &[Kind]) -> Verdict {
        let failures = failures.iter().map(|kind| Failure { kind: *kind, message: "no".into() }).collect();
        Verdict { database: Some("app".into()), differences, failures, ..Verdict::default() }
    }

    fn conclusion(verdict: Verdict) -> Option<(Kind, String)> {
        let report = VerificationReport { verdicts: vec![verdict], ..VerificationReport::new(Level::Full) };
        report.conclusion().map(|error| (error.kind, error.message))
    }

    #[test]
    fn what_could_not_be_compared_weighs_more_than_a_difference_and_that_more_than_being_late() {
        let one = || vec![difference("index", "a")];
        assert_eq!(conclusion(verdict(Vec::new(), &[])), None);
        let said = |kind, message: &str| Some((kind, message.to_owned()));
        assert_eq!(
            conclusion(verdict(one(), &[Kind::Timeout])),
            said(Kind::Difference, "verification found 1 difference")
        );
        assert_eq!(
            conclusion(verdict(one(), &[Kind::Failed])),
            said(Kind::Failed, "verification could not compare 1 thing; verification found 1 difference")
        );
        let late = "replication did not catch up in time to verify: 'app'";
        assert_eq!(conclusion(verdict(Vec::new(), &[Kind::Timeout])), said(Kind::Timeout, late));
    }

    #[test]
    fn a_thousand_differences_of_one_class_do_not_hide_those_of_another() {
        let mut differences: Vec<_> = (0..1000).map(|number| difference("index", &number.to_string())).collect();
        differences.push(difference("table", "t"));
        let lines = lines(&verdict(differences, &[]), Some(Level::Full));
        assert_eq!(lines.len(), 102);
        assert_eq!(lines[100], Line::Error("Database 'app': index: … and 900 more differences".into()));
        assert_eq!(lines[101], Line::Error("Database 'app': table t: missing on the target".into()));
    }

    #[test]
    fn rows_that_differ_are_named_after_their_table() {
        let (source, target) = (Rows { count: 2, checksum: Some(7) }, Rows { count: 1, checksum: Some(8) });
        let keys = vec![Key { key: "(id)=(42)".into(), on: Found::SourceOnly }];
        let what = What::Rows { source, target, keys, unnamed: None, reason: None };
        let lines = lines(&verdict(vec![Difference { what, ..difference("table", "shop.orders") }], &[]), None);
        let expected = [
            "Database 'app': table shop.orders: 2 rows on the source and 1 on the target",
            "Database 'app': table shop.orders: key (id)=(42): only on the source",
        ];
        assert_eq!(lines, expected.map(|line| Line::Error(line.into())));
    }
}
