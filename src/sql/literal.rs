//! Values in SQL text.

use std::fmt;
use std::str::FromStr;

use super::Fragment;
use crate::conninfo::Secret;

/// A string literal. Its SQL form is valid whatever `standard_conforming_strings` says: one that holds a backslash is
/// written as `E'…'`.
#[derive(Clone)]
pub struct Literal {
    text: String,
    secret: bool,
}

impl Literal {
    /// A literal with the value `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), secret: false }
    }

    /// A literal that holds a password: the statement around it is never shown.
    pub fn secret(secret: &Secret) -> Self {
        Self { text: secret.expose().to_owned(), secret: true }
    }
}

impl Fragment for Literal {
    fn write(&self, out: &mut String) {
        if self.text.contains('\\') {
            // The space keeps a word that happens to end right before the literal from swallowing the E.
            out.push_str(" E");
        }
        out.push('\'');
        for c in self.text.chars() {
            if c == '\'' || c == '\\' {
                out.push(c);
            }
            out.push(c);
        }
        out.push('\'');
    }

    fn is_sensitive(&self) -> bool {
        self.secret
    }
}

/// A position in the write-ahead log: bytes since its beginning, shown as PostgreSQL does (`16/B374D848`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Bytes from `earlier` to `self`; 0 when `self` is not later.
    pub fn bytes_since(self, earlier: Lsn) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not of the form `16/B374D848`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a position in the write-ahead log")]
pub struct LsnError(String);

impl FromStr for Lsn {
    type Err = LsnError;

    fn from_str(text: &str) -> Result<Self, LsnError> {
        let parse = |part: &str| u32::from_str_radix(part, 16).ok();
        text.split_once('/')
            .and_then(|(high, low)| Some(Lsn((u64::from(parse(high)?) << 32) | u64::from(parse(low)?))))
            .ok_or_else(|| LsnError(text.to_owned()))
    }
}

impl Fragment for Lsn {
    fn write(&self, out: &mut String) {
        Literal::new(self.to_string()).write(out);
        out.push_str("::pg_catalog.pg_lsn");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::render;

    #[test]
    fn backslashes_and_quotes_keep_their_value() {
        assert_eq!(render(&Literal::new("it's")), "'it''s'");
        assert_eq!(render(&Literal::new(r"a\'b")), r" E'a\\''b'");
    }

    #[test]
    fn an_lsn_survives_its_text_form() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn, Lsn(0x16_B374_D848));
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert!("16B374D848".parse::<Lsn>().is_err());
        assert!("1/zz".parse::<Lsn>().is_err());
        assert_eq!(Lsn(5).bytes_since(Lsn(9)), 0);
    }
}
