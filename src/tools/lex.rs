//! Where quoted text ends in SQL that pg_dump wrote.
//!
//! Only what nothing can hide in is looked at: names, strings and function bodies come from whoever owns the objects of the
//! source, and must never be taken for the statements around them. pg_dump doubles quotes, and backslashes where they mean
//! something, so that a doubled quote is all there is to know about strings.

/// Where the string, quoted name, dollar-quoted body or comment that starts at `at` ends; `None` when none starts there.
pub(super) fn end_of_quoted(text: &[u8], at: usize) -> Option<usize> {
    match (text.get(at)?, text.get(at + 1)) {
        (quote @ (b'\'' | b'"'), _) => Some(end_of_string(text, at, *quote)),
        (b'-', Some(b'-')) => Some(find(text, at, b"\n").unwrap_or(text.len())),
        (b'/', Some(b'*')) => Some(end_of_block(text, at)),
        (b'$', _) if at == 0 || !continues_name(text[at - 1]) => {
            let tag = dollar_tag(&text[at..])?;
            let body = at + tag.len();
            Some(find(text, body, tag).map_or(text.len(), |end| end + tag.len()))
        }
        _ => None,
    }
}

/// Where the statement at the beginning of `text` ends, after its semicolon.
pub(super) fn end_of_statement(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if let Some(end) = end_of_quoted(bytes, at) {
            at = end;
            continue;
        }
        at += 1;
        if bytes[at - 1] == b';' {
            return at;
        }
    }
    bytes.len()
}

/// The statements of `text`, comments between them left out.
pub fn statements(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if !rest.starts_with("--") {
                break;
            }
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        }
        let (statement, after) = rest.split_at(end_of_statement(rest));
        rest = after;
        (!statement.is_empty()).then_some(statement)
    })
}

fn end_of_string(text: &[u8], at: usize, quote: u8) -> usize {
    let mut at = at + 1;
    while let Some(end) = find(text, at, &[quote]) {
        at = end + 1;
        if text.get(at) != Some(&quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn end_of_block(text: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at + 2, 1_usize);
    while depth > 0 && at < text.len() {
        match &text[at..text.len().min(at + 2)] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

/// `$…$` at the beginning of `text`.
fn dollar_tag(text: &[u8]) -> Option<&[u8]> {
    let length = text[1..].iter().position(|&byte| !continues_name(byte) || byte == b'$')?;
    let tag = text.get(..length + 2)?;
    (tag.ends_with(b"$") && !tag[1].is_ascii_digit()).then_some(tag)
}

fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

fn find(text: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = text.get(from..)?;
    let first = *what.first()?;
    let mut at = 0;
    while let Some(step) = rest[at..].iter().position(|&byte| byte == first) {
        at += step;
        if rest[at..].starts_with(what) {
            return Some(from + at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_outside_of_whatever_is_quoted() {
        let text = r#"
-- a comment; with a semicolon
CREATE FUNCTION "f;"() RETURNS text LANGUAGE sql AS $_$select ';$$' || $1; $_$;
SELECT 'it''s;', "a""b;", $1, a$b$, /* ; /* ; */ ; */ 1;
COMMENT ON TABLE "t" IS E'a\\';
"#;
        let all: Vec<_> = statements(text).collect();
        assert_eq!(all.len(), 3, "{all:#?}");
        assert!(all[0].starts_with("CREATE FUNCTION") && all[0].ends_with("$_$;"));
        assert!(all[1].ends_with("1;"));
        assert_eq!(all[2], r"COMMENT ON TABLE 't' IS E'a\\';".replace("'t'", "\"t\""));
    }

    #[test]
    fn what_is_not_closed_reaches_to_the_end() {
        for text in ["'a;", "\"a;", "$$a;", "/* a;", "-- a;", "$x$ ; $y$"] {
            assert_eq!(end_of_statement(text), text.len(), "{text}");
        }
        assert_eq!(end_of_statement(""), 0);
    }
}
