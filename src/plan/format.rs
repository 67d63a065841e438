//! Whether rows go in binary, which costs both servers less, or as text, which every server reads alike.

use std::collections::BTreeMap;

use crate::facts::{Column, DataType, DatabaseFacts, Facts, ServerVersion, Table, TypeKind};
use crate::settings::{CopyFormat, Settings};

/// How rows are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// In binary.
    Binary,
    /// As text.
    Text {
        /// Why.
        reason: String,
    },
}

/// The system's types that are written in binary as something that is no value of their own; arrays of them, too.
const BUILTIN: [(&str, &str); 15] = [
    ("regclass", "it is sent as an OID"),
    ("regcollation", "it is sent as an OID"),
    ("regconfig", "it is sent as an OID"),
    ("regdatabase", "it is sent as an OID"),
    ("regdictionary", "it is sent as an OID"),
    ("regnamespace", "it is sent as an OID"),
    ("regoper", "it is sent as an OID"),
    ("regoperator", "it is sent as an OID"),
    ("regproc", "it is sent as an OID"),
    ("regprocedure", "it is sent as an OID"),
    ("regrole", "it is sent as an OID"),
    ("regtype", "it is sent as an OID"),
    ("xml", "its encoding is part of it"),
    ("int2vector", "an empty one is sent and not received"),
    ("oidvector", "an empty one is sent and not received"),
];

/// Extensions whose types say all of a value, and nothing else, when they are sent: what their `_send` functions write.
const EXTENSIONS: [(&str, &str); 7] = [
    ("citext", "the text"),
    ("cube", "dimensions and coordinates"),
    ("hstore", "a count, then keys and values as texts"),
    ("isn", "the number"),
    ("ltree", "a version, then the text"),
    ("postgis", "EWKB, which has coordinates, dimensions and SRID"),
    ("vector", "dimensions and coordinates"),
];

/// What the choice depends on, for one database.
pub(super) struct Formats<'a> {
    types: &'a BTreeMap<u32, DataType>,
    source: ServerVersion,
    target: ServerVersion,
    wanted: CopyFormat,
}

impl<'a> Formats<'a> {
    pub(super) fn new(facts: &Facts, settings: &Settings, source: &'a DatabaseFacts) -> Self {
        Self {
            types: &source.types,
            source: facts.source.version,
            target: facts.target.version,
            wanted: settings.copy_format,
        }
    }

    /// How rows of `table` go into `existing`, or into a table that is made for them.
    pub(super) fn choose(&self, table: &Table, existing: Option<&Table>) -> Format {
        if self.wanted == CopyFormat::Text {
            return Format::Text { reason: "--copy-format text".to_owned() };
        }
        if self.source.major() > self.target.major() {
            return Format::Text { reason: "the source is newer than the target".to_owned() };
        }
        let columns = table.columns.iter().filter(|column| !column.generated);
        match columns.filter_map(|column| self.of_column(column, existing)).next() {
            Some(reason) => Format::Text { reason },
            None => Format::Binary,
        }
    }

    /// Why values of `column` have to go as text.
    fn of_column(&self, column: &Column, existing: Option<&Table>) -> Option<String> {
        if let Some(table) = existing {
            let same = |it: &&Column| it.name == column.name && it.type_name == column.type_name;
            if !table.columns.iter().any(|there| same(&there)) {
                return Some(format!("column {} is of another type on the target", column.name.as_str()));
            }
            if self.has_columns(column.type_id) {
                return Some(format!(
                    "column {}: the target's {} may have other columns",
                    column.name.as_str(),
                    column.type_name
                ));
            }
        }
        self.of_type(column.type_id).map(|reason| format!("column {}: {reason}", column.name.as_str()))
    }

    /// Whether a composite type that somebody made is in the type.
    fn has_columns(&self, oid: u32) -> bool {
        self.types.get(&oid).is_some_and(|data_type| match data_type.kind {
            TypeKind::Composite(_) => true,
            TypeKind::Array(part) | TypeKind::Domain(part) | TypeKind::Range(part) => self.has_columns(part),
            TypeKind::Base | TypeKind::Enum => false,
        })
    }

    fn of_type(&self, oid: u32) -> Option<String> {
        let Some(data_type) = self.types.get(&oid) else {
            return Some(format!("nothing is known of the type with OID {oid}"));
        };
        let name = &data_type.name;
        match &data_type.kind {
            TypeKind::Enum => None,
            TypeKind::Domain(part) | TypeKind::Range(part) => self.of_type(*part),
            TypeKind::Array(element) => self.of_parts(data_type, &[*element]),
            TypeKind::Composite(_) if data_type.builtin => Some(format!("{name} is the row of a system table")),
            TypeKind::Composite(columns) => self.of_parts(data_type, columns),
            TypeKind::Base => self.of_base(data_type).map(|reason| format!("{name}: {reason}")),
        }
    }

    /// The OIDs of `parts` are sent with every value.
    fn of_parts(&self, whole: &DataType, parts: &[u32]) -> Option<String> {
        let own = parts.iter().any(|part| self.types.get(part).is_none_or(|part| !part.builtin));
        if own && !self.target.receives_foreign_oids() {
            let major = self.target.major();
            return Some(format!("{}: OIDs of types are sent with it, which PostgreSQL {major} compares", whole.name));
        }
        parts.iter().filter_map(|part| self.of_type(*part)).next()
    }

    fn of_base(&self, base: &DataType) -> Option<String> {
        if !base.binary {
            return Some("it has no binary form".to_owned());
        }
        if base.builtin {
            let known = BUILTIN.iter().find(|(name, _)| *name == base.name);
            return known.map(|(_, reason)| (*reason).to_owned());
        }
        match &base.extension {
            _ if self.wanted == CopyFormat::Binary => None,
            Some(extension) if EXTENSIONS.iter().any(|(name, _)| name == extension) => None,
            Some(extension) => Some(format!("the binary form of types of extension {extension} is not known")),
            None => Some("its binary form is its author's".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture;
    use crate::plan::example::Example;

    const TYPE: u32 = 16_400;
    const ELEMENT: u32 = 16_401;
    const NUMBER: u32 = 20;

    fn data_type(kind: TypeKind) -> DataType {
        DataType { name: "app.thing".to_owned(), kind, builtin: false, extension: None, binary: true }
    }

    fn of_extension(name: &str) -> DataType {
        DataType { extension: Some(name.to_owned()), ..data_type(TypeKind::Base) }
    }

    /// How a table goes whose one column has the type `TYPE`, after `change`.
    fn chosen(main: DataType, element: Option<DataType>, change: impl FnOnce(&mut Example)) -> Format {
        let mut example = Example::new();
        let source = example.source();
        source.types.insert(TYPE, main);
        source.types.extend(element.map(|element| (ELEMENT, element)));
        source.tables[0].columns.truncate(1);
        source.tables[0].columns[0].type_id = TYPE;
        change(&mut example);
        example.plan().content("app").tables[0].format.clone()
    }

    fn reason(format: Format) -> String {
        match format {
            Format::Binary => "binary".to_owned(),
            Format::Text { reason } => reason,
        }
    }

    #[test]
    fn types_of_users_go_in_binary_where_the_target_does_not_compare_their_oids() {
        let old = |it: &mut Example| {
            (it.facts.source.version, it.facts.target.version) = (ServerVersion(130_020), ServerVersion(130_020));
        };
        let label = || Some(data_type(TypeKind::Enum));
        for kind in [TypeKind::Array(ELEMENT), TypeKind::Composite(vec![NUMBER, ELEMENT])] {
            assert_eq!(chosen(data_type(kind.clone()), label(), |_| ()), Format::Binary);
            let text = reason(chosen(data_type(kind), label(), old));
            assert_eq!(text, "column id: app.thing: OIDs of types are sent with it, which PostgreSQL 13 compares");
        }
        for kind in [TypeKind::Enum, TypeKind::Domain(NUMBER), TypeKind::Range(ELEMENT)] {
            assert_eq!(chosen(data_type(kind), label(), old), Format::Binary);
        }
    }

    #[test]
    fn what_no_other_server_reads_goes_as_text_however_deep_it_is() {
        let regclass = || DataType { name: "regclass".to_owned(), builtin: true, ..data_type(TypeKind::Base) };
        for kind in [TypeKind::Domain(ELEMENT), TypeKind::Array(ELEMENT), TypeKind::Composite(vec![ELEMENT])] {
            let text = reason(chosen(data_type(kind), Some(regclass()), |_| ()));
            assert_eq!(text, "column id: regclass: it is sent as an OID");
        }
        let mute = DataType { binary: false, ..of_extension("seg") };
        assert_eq!(reason(chosen(mute, None, |_| ())), "column id: app.thing: it has no binary form");
    }

    #[test]
    fn extensions_go_in_binary_when_they_are_known_or_the_user_says_so() {
        assert_eq!(chosen(of_extension("hstore"), None, |_| ()), Format::Binary);
        let text = reason(chosen(of_extension("exotic"), None, |_| ()));
        assert_eq!(text, "column id: app.thing: the binary form of types of extension exotic is not known");
        let binary = |it: &mut Example| it.settings.copy_format = CopyFormat::Binary;
        assert_eq!(chosen(of_extension("exotic"), None, binary), Format::Binary);
        let text = |it: &mut Example| it.settings.copy_format = CopyFormat::Text;
        assert_eq!(reason(chosen(of_extension("hstore"), None, text)), "--copy-format text");
    }

    #[test]
    fn a_table_of_the_target_gets_binary_only_for_types_that_are_certainly_the_same() {
        let existing = |type_name: &'static str| {
            move |it: &mut Example| {
                let mut table = fixture::table("orders");
                table.columns[0].type_name = type_name.to_owned();
                it.target().tables.push(table);
                it.target().user_objects = 1;
            }
        };
        let number = || data_type(TypeKind::Domain(NUMBER));
        assert_eq!(chosen(number(), None, existing("bigint")), Format::Binary);
        let text = reason(chosen(number(), None, existing("integer")));
        assert_eq!(text, "column id is of another type on the target");
        let text = reason(chosen(data_type(TypeKind::Composite(vec![NUMBER])), None, existing("bigint")));
        assert_eq!(text, "column id: the target's bigint may have other columns");
    }

    #[test]
    fn an_older_target_gets_text() {
        let newer = |it: &mut Example| it.facts.source.version = ServerVersion(180_001);
        assert_eq!(reason(chosen(data_type(TypeKind::Enum), None, newer)), "the source is newer than the target");
    }
}
