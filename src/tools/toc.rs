//! An archive's table of contents, as `pg_restore --list` shows it.
//!
//! A line is `dump id; catalog oid DESCRIPTION schema tag owner`. The numbers and the kind are exact. The rest is for people:
//! names stand unquoted between blanks, so one that has blanks itself cannot be told from its neighbours. Nothing here decides by
//! such a name alone.

use std::fmt;

/// When `pg_restore` creates an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Before the rows: tables, types, functions.
    PreData,
    /// After the rows: indexes, constraints, triggers, publications. In an archive without rows also what stands where they
    /// would: statistics, which are told by their kind.
    PostData,
}

/// Kinds that `pg_dump` 12 to 18 sorts behind the rows; in an archive without rows statistics begin the second half.
const POST_DATA: [&str; 18] = [
    "CHECK CONSTRAINT",
    "CONSTRAINT",
    "DEFAULT ACL",
    "EVENT TRIGGER",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "POLICY",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY",
    "RULE",
    "STATISTICS",
    "STATISTICS DATA",
    "SUBSCRIPTION",
    "SUBSCRIPTION TABLE",
    "TRIGGER",
];

/// Kinds of entries with more than one word, as pg_dump 12 to 18 write them. One that is missing here only makes
/// [`Entry::description`] too short.
const LONG_DESCRIPTIONS: [&str; 32] = [
    "ACCESS METHOD",
    "BLOB METADATA",
    "CHECK CONSTRAINT",
    "DATABASE PROPERTIES",
    "DEFAULT ACL",
    "EVENT TRIGGER",
    "FK CONSTRAINT",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "INDEX ATTACH",
    "MATERIALIZED VIEW",
    "MATERIALIZED VIEW DATA",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PROPERTY GRAPH",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "SHELL TYPE",
    "STATISTICS DATA",
    "SUBSCRIPTION TABLE",
    "TABLE ATTACH",
    "TABLE DATA",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "USER MAPPING",
];

/// The object identifier of the catalog `pg_namespace`, and of the schema `public` that every database starts with.
const PUBLIC_SCHEMA: (u32, u32) = (2615, 2200);

/// One object, or one property of an object, in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What names it in this archive, in lists for `pg_restore` and in its messages.
    pub dump_id: u32,
    /// The catalog that describes the object on the source; 0 for comments, privileges and other properties.
    pub catalog: u32,
    /// The object's identifier in that catalog; 0 for properties.
    pub oid: u32,
    /// Its kind in pg_dump's words: `TABLE`, `FK CONSTRAINT`, `COMMENT`.
    pub description: String,
    /// When it is restored. Comments and privileges go with their object.
    pub section: Section,
    /// Schema (`-` for none), tag and owner, as listed.
    pub label: String,
}

impl Entry {
    fn parse(line: &str, section: Section) -> Option<Self> {
        let (dump_id, rest) = line.split_once("; ")?;
        let (catalog, rest) = rest.split_once(' ')?;
        let (oid, rest) = rest.split_once(' ')?;
        let description = LONG_DESCRIPTIONS
            .into_iter()
            .filter(|description| rest.strip_prefix(description).is_some_and(|after| after.starts_with(' ')))
            .max_by_key(|description| description.len())
            .or_else(|| rest.split(' ').next().filter(|word| !word.is_empty()))?;
        Some(Self {
            dump_id: dump_id.parse().ok()?,
            catalog: catalog.parse().ok()?,
            oid: oid.parse().ok()?,
            description: description.to_owned(),
            section,
            label: rest.get(description.len() + 1..)?.to_owned(),
        })
    }

    /// A comment, a privilege or a security label: something about another entry.
    pub fn is_property(&self) -> bool {
        matches!(self.description.as_str(), "COMMENT" | "ACL" | "SECURITY LABEL")
    }

    /// Privileges on another entry, or default privileges.
    pub fn is_privilege(&self) -> bool {
        matches!(self.description.as_str(), "ACL" | "DEFAULT ACL")
    }

    /// A publication, a member of one, or a property of one.
    pub fn is_publication(&self) -> bool {
        self.is_of_kind("PUBLICATION")
            || matches!(self.description.as_str(), "PUBLICATION TABLE" | "PUBLICATION TABLES IN SCHEMA")
    }

    /// A subscription, a table of one, or a property of one.
    pub fn is_subscription(&self) -> bool {
        self.is_of_kind("SUBSCRIPTION") || self.description == "SUBSCRIPTION TABLE"
    }

    /// An event trigger, or a property of one.
    pub fn is_event_trigger(&self) -> bool {
        self.is_of_kind("EVENT TRIGGER")
    }

    /// A foreign key.
    pub fn is_foreign_key(&self) -> bool {
        self.description == "FK CONSTRAINT"
    }

    /// Whether it makes a partition's index part of the index of its partitioned table.
    pub fn is_index_attach(&self) -> bool {
        self.description == "INDEX ATTACH"
    }

    /// A primary key, or a unique or exclusion constraint. Which of them, the catalogs say by [`Entry::oid`].
    pub fn is_index_constraint(&self) -> bool {
        self.description == "CONSTRAINT"
    }

    /// An index that is no constraint.
    pub fn is_index(&self) -> bool {
        self.description == "INDEX"
    }

    /// ENABLE ROW LEVEL SECURITY. Here [`Entry::oid`] is the table's, and [`Entry::catalog`] is 0.
    pub fn is_row_security(&self) -> bool {
        self.description == "ROW SECURITY"
    }

    /// What CREATE STATISTICS creates.
    pub fn is_extended_statistics(&self) -> bool {
        self.description == "STATISTICS"
    }

    /// What the planner knows about a table, an index or a materialized view.
    pub fn is_statistics(&self) -> bool {
        self.description == "STATISTICS DATA"
    }

    /// An extension itself.
    pub fn is_extension(&self) -> bool {
        self.description == "EXTENSION"
    }

    /// The extension that this entry creates or is a property of.
    pub fn extension(&self) -> Option<String> {
        let label = self.label.strip_prefix("- ")?;
        if self.is_extension() {
            // The owner is always left out: CREATE EXTENSION gives the extension to whoever runs it.
            return Some(label.strip_suffix(' ').unwrap_or(label).to_owned());
        }
        let name = label.strip_prefix("EXTENSION ").filter(|_| self.is_property())?;
        Some(match name.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => name.split(' ').next().unwrap_or(name).to_owned(),
        })
    }

    /// The schema `public`, or a property of it; every new database has the schema already.
    pub fn is_public_schema(&self) -> bool {
        if self.is_property() {
            let object = self.label.strip_prefix("- SCHEMA ").unwrap_or_default();
            return object.starts_with("public ") || object.starts_with("\"public\" ");
        }
        self.description == "SCHEMA"
            && ((self.catalog, self.oid) == PUBLIC_SCHEMA || self.label.starts_with("- public "))
    }

    /// A schema, or a property of one.
    pub fn is_schema(&self) -> bool {
        self.is_of_kind("SCHEMA")
    }

    /// An object of `kind` that lives in no schema, or a property of one.
    fn is_of_kind(&self, kind: &str) -> bool {
        self.description == kind
            || self.is_property()
                && self
                    .label
                    .strip_prefix("- ")
                    .and_then(|label| label.strip_prefix(kind))
                    .is_some_and(|after| after.starts_with(' '))
    }
}

/// Shows kind and names: `TABLE public orders app`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.description, self.label.trim_start_matches("- ").trim_end())
    }
}

/// The name in `text`, which starts after the opening quote.
fn unquote(text: &str) -> String {
    let mut name = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '"' && chars.next_if_eq(&'"').is_none() {
            break;
        }
        name.push(c);
    }
    name
}

/// `pg_restore --list` wrote a line that is not one of a table of contents.
#[derive(Debug, thiserror::Error)]
#[error("cannot read this line of the archive's table of contents: {line:?}")]
pub struct TocError {
    /// The line.
    pub line: String,
}

/// What an archive holds, in the order in which `pg_restore` creates it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toc {
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Toc {
    /// Reads the output of `pg_restore --list`. An archive is sorted by section: whatever follows the first entry of a kind
    /// that comes after the rows does so, too.
    ///
    /// # Errors
    /// When a line is neither a comment nor an entry.
    pub fn parse(listing: &str) -> Result<Self, TocError> {
        let mut section = Section::PreData;
        let mut entries = Vec::new();
        for line in listing.split('\n').filter(|line| !line.is_empty() && !line.starts_with(';')) {
            let mut entry = Entry::parse(line, section).ok_or_else(|| TocError { line: line.to_owned() })?;
            if POST_DATA.contains(&entry.description.as_str()) {
                section = Section::PostData;
                entry.section = section;
            }
            entries.push(entry);
        }
        // There may be a hundred thousand, and they are kept as long as their database is migrated.
        entries.shrink_to_fit();
        Ok(Self { entries })
    }

    /// The list of those entries that `keep` wants, for [`RestoreRequest::list`](super::RestoreRequest::list).
    pub fn write_list(&self, keep: impl Fn(&Entry) -> bool) -> String {
        write_list(self.entries.iter().filter(|entry| keep(entry)))
    }
}

/// A list of `entries`, for [`RestoreRequest::list`](super::RestoreRequest::list).
pub fn write_list<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut list = String::new();
    for Entry { dump_id, catalog, oid, description, label, .. } in entries {
        list.push_str(&format!("{dump_id}; {catalog} {oid} {description} {label}\n"));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = include_str!("testdata/zoo.list");

    fn zoo() -> Toc {
        Toc::parse(LISTING).unwrap()
    }

    fn entry(dump_id: u32) -> Entry {
        zoo().entries.into_iter().find(|entry| entry.dump_id == dump_id).unwrap()
    }

    fn matching(predicate: impl Fn(&Entry) -> bool) -> Vec<String> {
        zoo().entries.iter().filter(|entry| predicate(entry)).map(ToString::to_string).collect()
    }

    #[test]
    fn every_line_of_a_listing_is_an_entry_and_comes_back_unchanged() {
        let toc = zoo();
        let lines: String =
            LISTING.split_inclusive('\n').filter(|line| !line.starts_with(';') && *line != "\n").collect();
        assert_eq!(toc.write_list(|_| true), lines);
        assert_eq!(toc.entries.len(), 87);
    }

    #[test]
    fn kinds_of_several_words_are_read_whole() {
        let kind = |dump_id| entry(dump_id).description.clone();
        assert_eq!(kind(218), "TABLE");
        assert_eq!(kind(3306), "TABLE ATTACH");
        assert_eq!(kind(222), "MATERIALIZED VIEW");
        assert_eq!(kind(3478), "PUBLICATION TABLES IN SCHEMA");
        assert_eq!(kind(3473), "ROW SECURITY");
        assert_eq!(kind(2138), "DEFAULT ACL");
    }

    #[test]
    fn comments_go_with_their_object() {
        let section = |dump_id| entry(dump_id).section;
        assert_eq!(section(3492), Section::PreData, "comment on a table");
        assert_eq!(section(3502), Section::PostData, "comment on a constraint");
        assert_eq!(section(3503), Section::PostData, "comment on an index");
        let post = zoo().write_list(|entry| entry.section == Section::PostData);
        assert_eq!(post.lines().count(), 34);
    }

    #[test]
    fn publications_and_subscriptions_are_found_with_all_that_belongs_to_them() {
        assert_eq!(
            matching(Entry::is_publication),
            [
                "PUBLICATION pub postgres",
                "COMMENT PUBLICATION \"pub\" postgres",
                "PUBLICATION pub2 postgres",
                "PUBLICATION TABLE public pub t postgres",
                "PUBLICATION TABLES IN SCHEMA My Schema pub2 My Schema postgres",
            ]
        );
        assert_eq!(
            matching(Entry::is_subscription),
            ["SUBSCRIPTION sub postgres", "COMMENT SUBSCRIPTION \"sub\" postgres"]
        );
        assert_eq!(
            matching(Entry::is_event_trigger),
            ["EVENT TRIGGER et postgres", "COMMENT EVENT TRIGGER \"et\" postgres"]
        );
    }

    #[test]
    fn schemas_are_found_with_their_comments_and_privileges() {
        assert_eq!(
            matching(Entry::is_schema),
            [
                "SCHEMA My Schema app owner",
                "COMMENT SCHEMA \"public\" pg_database_owner",
                "ACL SCHEMA \"public\" pg_database_owner",
            ]
        );
    }

    #[test]
    fn extensions_are_found_with_their_comments() {
        let names: Vec<_> = zoo().entries.iter().filter_map(Entry::extension).collect();
        assert_eq!(names, ["pgcrypto", "pgcrypto", "uuid-ossp", "uuid-ossp"]);
        let unquoted = Entry::parse("9; 0 0 COMMENT - EXTENSION pgcrypto ", Section::PreData).unwrap();
        assert_eq!(unquoted.extension().as_deref(), Some("pgcrypto"));
        let odd = Entry::parse(r#"9; 0 0 COMMENT - EXTENSION "a ""b"" c" "#, Section::PreData).unwrap();
        assert_eq!(odd.extension().as_deref(), Some(r#"a "b" c"#));
    }

    #[test]
    fn the_public_schema_is_known_by_its_identifier_or_name() {
        assert_eq!(
            matching(Entry::is_public_schema),
            ["COMMENT SCHEMA \"public\" pg_database_owner", "ACL SCHEMA \"public\" pg_database_owner"]
        );
        let is_public = |line| Entry::parse(line, Section::PreData).unwrap().is_public_schema();
        assert!(is_public("5; 2615 2200 SCHEMA - public the owner"));
        assert!(is_public("5; 2615 90000 SCHEMA - public postgres"), "made anew after a drop");
        assert!(!is_public("5; 2615 90000 SCHEMA - publicity postgres"));
        assert!(!is_public("5; 1259 2200 TABLE public public postgres"));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let error = Toc::parse("; fine\n\nwhat is this\n").unwrap_err();
        assert_eq!(error.line, "what is this");
    }
}
