//! Versions of extensions: any text, by convention numbers between dots.

use std::cmp::Ordering;

/// Compares as a person does: numbers by value, missing ones as 0, and a word after the last number (`3.4.0dev`) as what
/// comes before the release.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let zero = || Part::Number(String::new());
    for position in 0..a.len().max(b.len()) {
        let ordering = match (a.get(position), b.get(position)) {
            (Some(a), Some(b)) => a.cmp(b),
            (None, Some(b)) => zero().cmp(b),
            (Some(a), None) => a.cmp(&zero()),
            (None, None) => Ordering::Equal,
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Word(String),
    /// Digits without leading zeros.
    Number(String),
}

impl Ord for Part {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Part::Number(a), Part::Number(b)) => (a.len(), a).cmp(&(b.len(), b)),
            (Part::Word(a), Part::Word(b)) => a.cmp(b),
            (Part::Word(_), Part::Number(_)) => Ordering::Less,
            (Part::Number(_), Part::Word(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn parts(version: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = version.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() || c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(if digits {
            Part::Number(part.trim_start_matches('0').to_owned())
        } else {
            Part::Word(part.to_owned())
        });
        rest = after.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_compare_as_a_person_reads_them() {
        for (older, newer) in
            [("1.9", "1.10"), ("3.4.0dev", "3.4.0"), ("2.14.0-dev", "2.14.0"), ("1.0", "1.0.1"), ("3.5rc1", "3.5rc2")]
        {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
        }
        for (a, b) in [("1.0", "1"), ("1.0.0", "1"), ("1.04", "1.4"), ("2_1", "2.1"), ("", "")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_version(a in "\\PC{0,12}", b in "\\PC{0,12}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
