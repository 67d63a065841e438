//! `postgresql://` URIs.

use crate::conninfo::error::{ParseError, UriPart};
use crate::conninfo::keyword::Key;
use crate::conninfo::values::{Origin, Value, Values};

/// Reads the URI whose text behind `postgresql://` is `rest` into `values`.
///
/// Parts split where libpq splits them, and are decoded afterwards. One thing is stricter: an `@` behind the one that ends
/// the credentials must be written `%40` in hosts and database name. libpq would take `user:p@ss@host` for the host
/// `ss@host`, and half a password would then be shown as a host name.
pub(super) fn parse(rest: &str, values: &mut Values) -> Result<(), ParseError> {
    let mut rest = rest;
    if let Some((credentials, behind)) = rest.split_once('@').filter(|(credentials, _)| !credentials.contains('/')) {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        set_part(values, Key::User, user, UriPart::User)?;
        set_part(values, Key::Password, password, UriPart::Password)?;
        rest = behind;
    }

    let (mut hosts, mut ports) = (String::new(), String::new());
    loop {
        let (host, behind) = take_host(rest)?;
        hosts.push_str(host);
        rest = behind;
        if let Some(behind) = rest.strip_prefix(':') {
            let (port, behind) = take_until(behind, &['/', '?', ',']);
            ports.push_str(port);
            rest = behind;
        }
        let Some(next) = rest.strip_prefix(',') else { break };
        hosts.push(',');
        ports.push(',');
        rest = next;
    }
    let mut dbname = "";
    if let Some(behind) = rest.strip_prefix('/') {
        (dbname, rest) = take_until(behind, &['?']);
    }
    for (part, text) in [(UriPart::Host, &*hosts), (UriPart::Port, &*ports), (UriPart::Dbname, dbname)] {
        if text.contains('@') {
            return Err(ParseError::UnexpectedAt { part });
        }
    }
    set_part(values, Key::Host, &hosts, UriPart::Host)?;
    set_part(values, Key::Port, &ports, UriPart::Port)?;
    set_part(values, Key::Dbname, dbname, UriPart::Dbname)?;

    parse_query(rest.strip_prefix('?').unwrap_or_default(), values)
}

/// The host at the start of `text`, without brackets, and what follows it.
fn take_host(text: &str) -> Result<(&str, &str), ParseError> {
    let Some(inner) = text.strip_prefix('[') else {
        return Ok(take_until(text, &[':', '/', '?', ',']));
    };
    match inner.split_once(']') {
        Some((address, behind))
            if !address.is_empty() && (behind.is_empty() || behind.starts_with([':', '/', '?', ','])) =>
        {
            Ok((address, behind))
        }
        _ => Err(ParseError::BrokenBrackets),
    }
}

/// `text` up to the first of `ends`, and the rest from there.
fn take_until<'t>(text: &'t str, ends: &[char]) -> (&'t str, &'t str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn parse_query(query: &str, values: &mut Values) -> Result<(), ParseError> {
    // An @ here may be the one that ends the credentials, if the password holds an unencoded / and ?.
    let mut quotable = !query.contains('@');
    let mut rest = query;
    let mut position = 0;
    while !rest.is_empty() {
        position += 1;
        let parameter;
        (parameter, rest) = rest.split_once('&').unwrap_or((rest, ""));
        let (name, value) = parameter
            .split_once('=')
            .filter(|(_, value)| !value.contains('='))
            .ok_or(ParseError::BrokenQuery { position })?;
        let name = decode(name, UriPart::Query)?;
        let value = decode(value, UriPart::Query)?;
        let (name, value) = match (&*name, &*value) {
            // As JDBC spells it.
            ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
            _ => (name, value),
        };
        let secret = values.set_named(&name, value, position, quotable)?;
        quotable &= !secret;
    }
    Ok(())
}

/// Sets `key` to a part of the URI, unless that is empty: then its default holds.
///
/// No error repeats these: a password with an unencoded `/` is read as host, port and database name.
fn set_part(values: &mut Values, key: Key, text: &str, part: UriPart) -> Result<(), ParseError> {
    if !text.is_empty() {
        values.set(key, Value { text: decode(text, part)?, origin: Origin::Written, quotable: false });
    }
    Ok(())
}

fn decode(text: &str, part: UriPart) -> Result<String, ParseError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(0), Some(0)) => return Err(ParseError::UndecodablePercentEncoding { part }),
            (Some(high), Some(low)) => decoded.extend(u8::try_from(high << 4 | low)),
            _ => return Err(ParseError::BrokenPercentEncoding { part }),
        }
    }
    String::from_utf8(decoded).map_err(|_| ParseError::UndecodablePercentEncoding { part })
}
