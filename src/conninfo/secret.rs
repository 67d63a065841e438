//! Text that must never be shown.

use std::fmt;

/// A password, or any text that contains one.
///
/// It has no `Display`, and its `Debug` prints a fixed mask, so it cannot reach a log, an error or a report by accident.
/// [`Secret::expose`] is the only way out; it is called where bytes leave for a server or for a passfile, nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}
