//! SQL text that cannot be mis-quoted.
//!
//! A server is only ever sent a [`Sql`]. It is made from a string literal of this source, or by [`sql!`](crate::sql!)
//! from a literal with holes, and only types that implement [`Fragment`] fit into a hole: identifiers, literals, numbers and
//! other `Sql`. A `String` does not, so a name read from a server cannot become SQL without being quoted.

mod blocks;
mod ident;
mod literal;
pub mod names;

use std::fmt;

pub use blocks::Blocks;
pub use ident::{Ident, QualifiedName};
pub use literal::{Literal, Lsn};

/// A statement, or part of one, in which everything variable has been quoted.
///
/// `Display` shows what may be logged: statements that carry a password show `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sql {
    text: String,
    /// What is shown instead, where the text holds a secret.
    shown: Option<String>,
}

/// Shown for a statement that carries a password.
const REDACTED: &str = "<redacted>";

impl Sql {
    /// Called by [`sql!`](crate::sql!), which has counted: `format` with its `{}` filled in order.
    #[doc(hidden)]
    pub fn from_parts(format: &'static str, parts: &[&dyn Fragment]) -> Self {
        let mut texts = format.split("{}");
        let mut text = texts.next().unwrap_or_default().to_owned();
        for (part, after) in parts.iter().zip(texts) {
            part.write(&mut text);
            text.push_str(after);
        }
        Self { text, shown: redacted(parts.iter().any(|part| part.is_sensitive())) }
    }

    /// Marks a statement that carries a password: it is sent as it is and shown as `<redacted>`.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.shown = redacted(true);
        self
    }

    /// Marks a statement that may carry a secret: it is sent as it is, and shown as `shown`.
    #[must_use]
    pub fn shown_as(mut self, shown: &Sql) -> Self {
        self.shown = Some(shown.to_string());
        self
    }

    /// Text that a server's catalog keeps as SQL, such as an extension's condition or an object's identity: to be sent to
    /// the server it came from, as pg_dump does. To another one only as the end of a single statement of the extended
    /// protocol that at most defines something, and is rolled back.
    pub fn from_catalog(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: None }
    }

    /// A statement of an archive that pg_dump wrote: what pg_restore would send.
    pub fn from_archive(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: None }
    }

    /// What goes to the server.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `parts` with `separator` between them.
    pub fn join<F: Fragment>(parts: impl IntoIterator<Item = F>, separator: &'static str) -> Self {
        let mut text = String::new();
        let mut sensitive = false;
        for part in parts {
            if !text.is_empty() {
                text.push_str(separator);
            }
            sensitive |= part.is_sensitive();
            part.write(&mut text);
        }
        Self { text, shown: redacted(sensitive) }
    }
}

fn redacted(sensitive: bool) -> Option<String> {
    sensitive.then(|| REDACTED.to_owned())
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self { text: text.to_owned(), shown: None }
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown.as_ref().unwrap_or(&self.text))
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What may stand in a hole of [`sql!`](crate::sql!): text that is valid SQL by construction.
pub trait Fragment {
    /// Appends the SQL form.
    fn write(&self, out: &mut String);

    /// Whether the form holds a password.
    fn is_sensitive(&self) -> bool {
        false
    }
}

impl<F: Fragment + ?Sized> Fragment for &F {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }

    fn is_sensitive(&self) -> bool {
        (**self).is_sensitive()
    }
}

impl Fragment for Sql {
    fn write(&self, out: &mut String) {
        out.push_str(&self.text);
    }

    fn is_sensitive(&self) -> bool {
        self.shown.is_some()
    }
}

/// A word of SQL written in this source.
impl Fragment for &'static str {
    fn write(&self, out: &mut String) {
        out.push_str(self);
    }
}

macro_rules! number_fragments {
    ($($number:ty),*) => {$(
        impl Fragment for $number {
            fn write(&self, out: &mut String) {
                out.push_str(&self.to_string());
            }
        }
    )*};
}
number_fragments!(u16, u32, u64, usize, i16, i32, i64);

/// Refuses, while [`sql!`](crate::sql!) is compiled, a literal with more or fewer `{}` than arguments.
#[doc(hidden)]
pub const fn assert_holes(format: &str, arguments: usize) {
    let bytes = format.as_bytes();
    let (mut at, mut holes) = (0, 0);
    while at + 1 < bytes.len() {
        if bytes[at] == b'{' && bytes[at + 1] == b'}' {
            holes += 1;
        }
        at += 1;
    }
    assert!(holes == arguments, "sql! needs one argument for every pair of braces");
}

/// The SQL form of a fragment alone.
pub fn render(fragment: &dyn Fragment) -> String {
    let mut out = String::new();
    fragment.write(&mut out);
    out
}

/// Builds a [`Sql`] from a literal with `{}` holes; each argument must be a [`Fragment`].
///
/// ```
/// use pg_migrate::sql;
/// use pg_migrate::sql::{Ident, QualifiedName};
/// let publication = Ident::new("my pub");
/// let table = QualifiedName::new("public", "Order");
/// let statement = sql!("create publication {} for table only {}", publication, table);
/// assert_eq!(statement.text(), r#"create publication "my pub" for table only "public"."Order""#);
/// ```
///
/// A plain `String` is refused:
/// ```compile_fail
/// let name = String::from("t; drop table u");
/// pg_migrate::sql!("truncate {}", name);
/// ```
#[macro_export]
macro_rules! sql {
    ($format:literal $(, $argument:expr)* $(,)?) => {{
        const { $crate::sql::assert_holes($format, 0 $( + { _ = stringify!($argument); 1 } )*) };
        $crate::sql::Sql::from_parts($format, &[$( (&$argument) as &dyn $crate::sql::Fragment ),*])
    }};
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::Secret;

    #[test]
    fn a_statement_with_a_secret_is_never_shown() {
        let statement = sql!("alter role {} password {}", Ident::new("app"), Literal::secret(&Secret::new("hunter2")));
        assert_eq!(statement.text(), r#"alter role "app" password 'hunter2'"#);
        assert_eq!(format!("{statement} {statement:?}"), "<redacted> <redacted>");
        let outer = sql!("{}; commit", statement);
        assert_eq!(outer.to_string(), "<redacted>");
    }

    #[test]
    fn parts_are_joined_in_order() {
        let names = [Ident::new("a"), Ident::new("b c")];
        assert_eq!(Sql::join(&names, ", ").text(), r#""a", "b c""#);
    }
}
