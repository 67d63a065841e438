//! From text to parameters; nothing is filled in or judged yet.

mod keyvalue;
#[cfg(test)]
mod tests;
mod uri;

use super::error::ParseError;
use super::values::Values;

/// Reads either form of connection string.
pub(super) fn parse(text: &str) -> Result<Values, ParseError> {
    let mut values = Values::default();
    if let Some(rest) = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        uri::parse(rest, &mut values)?;
    } else if has_scheme(text) {
        return Err(ParseError::UnknownScheme);
    } else if text.contains('=') || text.chars().all(is_space) {
        keyvalue::parse(text, &mut values)?;
    } else {
        return Err(ParseError::NotAConnectionString);
    }
    Ok(values)
}

/// Whether `text` starts like a URI. No key word of a `key=value` string contains a colon, so nothing valid is lost.
fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains('='))
}

/// C's `isspace`, by which libpq separates words.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}
