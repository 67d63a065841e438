//! `key = 'value'` strings.

use super::is_space;
use crate::conninfo::error::ParseError;
use crate::conninfo::values::Values;

/// Reads `text` into `values`.
pub(super) fn parse(text: &str, values: &mut Values) -> Result<(), ParseError> {
    let mut rest = skip_spaces(text);
    // Whatever follows a password may be its second half, if it was not quoted as it should have been.
    let mut quotable = true;
    let mut position = 0;
    while !rest.is_empty() {
        position += 1;
        let (name, after_name) = rest.split_at(rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len()));
        let after_equals = skip_spaces(after_name).strip_prefix('=').ok_or(ParseError::MissingEquals { position })?;
        let (value, after_value) =
            take_value(skip_spaces(after_equals)).ok_or(ParseError::UnterminatedQuote { position })?;
        let secret = values.set_named(name, value, position, quotable)?;
        quotable &= !secret;
        rest = skip_spaces(after_value);
    }
    Ok(())
}

fn skip_spaces(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// The value at the start of `text`, unescaped, and what follows it; `None` if its closing quote is missing.
///
/// As in libpq, a backslash makes the next character literal in both forms, a lone one at the very end is dropped, and
/// nothing has to stand between a closing quote and the next key word.
fn take_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Some((value, &text[at + 1..])),
            c if !quoted && is_space(c) => return Some((value, &text[at..])),
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, ""))
}
