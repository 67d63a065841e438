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
    /// Both have it, and its rows are not the same.
    Rows {
        /// Those of the source.
        source: Rows,
        /// Those of the target.
        target: Rows,
        /// Some of the rows that differ, where they were asked for.
        keys: Vec<Key>,
        /// Why none are named although they were asked for.
        unnamed: Option<String>,
        /// Why they may differ, where that is known.
        reason: Option<&'static str>,
    },
    /// Both have it, and its contents are not the same.
    Contents,
}

/// The rows of one relation, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The sum of a hash of each; `None` where they were only counted.
    pub checksum: Option<i128>,
}

/// A row that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its primary key, as the server writes it: `(id)=(42)`.
    pub key: String,
    /// On which side it is.
    pub on: Found,
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// The target does not have it.
    SourceOnly,
    /// Only the target has it.
    TargetOnly,
    /// Both have it, with different values.
    Both,
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
            What::Contents => f.write_str("its contents differ"),
            What::Rows { source, target, reason, .. } => {
                if source.count != target.count {
                    write!(f, "{} on the source and {} on the target", counted(source.count, "row"), target.count)?;
                } else if source.count == 1 {
                    f.write_str("its only row is not the same on both sides")?;
                } else {
                    write!(f, "{} rows on both sides, not all of them the same", source.count)?;
                }
                reason.map_or(Ok(()), |reason| write!(f, "; {reason}"))
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = match self.on {
            Found::SourceOnly => "only on the source",
            Found::TargetOnly => "only on the target",
            Found::Both => "its values differ",
        };
        write!(f, "key {}: {found}", self.key)
    }
}

/// `1 row`, `2 rows`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
