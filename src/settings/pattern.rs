//! Table patterns of `--with-table` and `--skip-table`.

use std::str::FromStr;

use super::TablePattern;
use crate::sql::Ident;

/// Why a table pattern cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// More than database, schema and table.
    #[error("'{0}' has more than three parts; it has to be table, schema.table or database.schema.table")]
    TooManyParts(String),
    /// Nothing stands between two dots, or at an end.
    #[error("'{0}' has an empty part")]
    EmptyPart(String),
    /// A quote is opened and not closed, or stands inside a part.
    #[error(
        "'{0}' is not quoted rightly: a quoted part begins and ends with a double quote, inside it \"\" stands for one"
    )]
    Quotes(String),
}

/// Parts are separated by dots. A part is taken as it stands, letter case included; one in double quotes may hold dots,
/// and double quotes that are doubled. Unlike in SQL, an unquoted part is not folded to lower case: the pattern
/// `Orders` has always meant the table `Orders`.
impl FromStr for TablePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut names = split(text)?;
        if names.iter().any(String::is_empty) {
            return Err(PatternError::EmptyPart(text.to_owned()));
        }
        if names.len() > 3 {
            return Err(PatternError::TooManyParts(text.to_owned()));
        }
        let mut last = || names.pop().map(Ident::new);
        let table = last().ok_or_else(|| PatternError::EmptyPart(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), schema: last(), database: last(), table })
    }
}

fn split(text: &str) -> Result<Vec<String>, PatternError> {
    let broken = || PatternError::Quotes(text.to_owned());
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let name;
        (name, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or_else(broken)?,
            None => {
                let (bare, rest) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
                if bare.contains('"') {
                    return Err(broken());
                }
                (bare.to_owned(), rest)
            }
        };
        names.push(name);
        if rest.is_empty() {
            return Ok(names);
        }
        rest = rest.strip_prefix('.').ok_or_else(broken)?;
    }
}

/// Reads up to the closing quote: the name, and what follows the quote.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<[Option<String>; 3], PatternError> {
        let pattern: TablePattern = text.parse()?;
        let name = |ident: Ident| ident.as_str().to_owned();
        Ok([pattern.database.map(name), pattern.schema.map(name), Some(name(pattern.table))])
    }

    #[test]
    fn parts_left_out_match_everything() {
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(parts("Orders"), Ok([None, None, some("Orders")]));
        assert_eq!(parts("s.t"), Ok([None, some("s"), some("t")]));
        assert_eq!(parts("db.s.t"), Ok([some("db"), some("s"), some("t")]));
    }

    #[test]
    fn quoted_parts_hold_dots_and_quotes() {
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(parts(r#""my.db".public."a""b""#), Ok([some("my.db"), some("public"), some(r#"a"b"#)]));
        assert_eq!(parts(r#""a.b""#), Ok([None, None, some("a.b")]));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(parts("a.b.c.d"), Err(PatternError::TooManyParts("a.b.c.d".into())));
        for empty in ["", ".", "a.", ".a", "a..b", r#""""#] {
            assert_eq!(parts(empty), Err(PatternError::EmptyPart(empty.into())));
        }
        for broken in [r#""a"#, r#"a"b"#, r#""a"b"#, r#""a"""#] {
            assert_eq!(parts(broken), Err(PatternError::Quotes(broken.into())));
        }
    }
}
