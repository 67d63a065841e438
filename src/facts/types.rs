//! Types of columns.

/// A data type, as far as it matters for how values of it are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataType {
    /// `format_type`, with a schema where it is not the system's.
    pub name: String,
    /// What it is made of.
    pub kind: TypeKind,
    /// Whether it is the system's, and has the same OID on every server.
    pub builtin: bool,
    /// Extension that it is a member of.
    pub extension: Option<String>,
    /// Whether it has functions that send and receive values in binary.
    pub binary: bool,
}

/// What a type is made of: OIDs of types on the same server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// Of nothing: its functions are written in a programming language.
    Base,
    /// Of labels.
    Enum,
    /// Of elements of a type.
    Array(u32),
    /// It is another type with constraints.
    Domain(u32),
    /// Of columns of these types.
    Composite(Vec<u32>),
    /// A range, or several ranges, of values of a type.
    Range(u32),
}
