//! Names of objects.

use std::fmt;

use super::Fragment;

/// The name of one object, as the catalog stores it; its SQL form is always quoted.
///
/// Always, because whether a bare word is a keyword depends on the server's major, and quoting never hurts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(String);

impl Ident {
    /// A name as the catalog has it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as the catalog has it, for comparisons and bind parameters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a person writes it: quoted only where it has to be.
    pub fn readable(&self) -> String {
        let plain = self.0.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && self.0.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain { self.0.clone() } else { self.to_string() }
    }
}

impl Fragment for Ident {
    fn write(&self, out: &mut String) {
        out.push('"');
        for c in self.0.chars() {
            if c == '"' {
                out.push('"');
            }
            out.push(c);
        }
        out.push('"');
    }
}

/// Shows the quoted form.
impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::render(self))
    }
}

/// The name of an object inside a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedName {
    /// Its schema.
    pub schema: Ident,
    /// Its own name.
    pub name: Ident,
}

impl QualifiedName {
    /// `schema` and `name` as the catalog has them.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Ident::new(schema), name: Ident::new(name) }
    }
}

impl Fragment for QualifiedName {
    fn write(&self, out: &mut String) {
        self.schema.write(out);
        out.push('.');
        self.name.write(out);
    }
}

/// Shows `schema.name` as a person writes it: quoted only where it has to be.
impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema.readable(), self.name.readable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(Ident::new(r#"we"ird"#).to_string(), r#""we""ird""#);
    }

    #[test]
    fn a_qualified_name_reads_as_a_person_writes_it() {
        assert_eq!(QualifiedName::new("public", "orders").to_string(), "public.orders");
        assert_eq!(QualifiedName::new("My Schema", "2fast").to_string(), r#""My Schema"."2fast""#);
    }
}
