//! What verification says of two things that should be equal.

use std::fmt;

/// One thing that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The database that it is in; `None` for what belongs to the whole server.
    pub database: Option<String>,
    /// What kind of object, in PostgreSQL's words, such as `index` or `role`.
    pub class: &'static str,
    /// Its name, quoted where SQL demands it, qualified, and with the table of what belongs to one.
    pub object: String,
    /// How it differs.
    pub what: What,
}

/// How a thing differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The target does not have it.
    Missing,
    /// Only the target has it.
    Extra,
    /// Both have it, and one property is not the same.
    Differs {
        /// Which property, such as `owner` or `definition`.
        property: String,
        /// Its value on the source.
        source: String,
        /// Its value on the target.
        target: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.class, self.object)?;
        match &self.what {
            What::Missing => f.write_str("missing on the target"),
            What::Extra => f.write_str("only on the target"),
            What::Differs { property, source, target } => {
                write!(f, "{property} is {source} on the source and {target} on the target")
            }
        }
    }
}
