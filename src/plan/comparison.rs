//! What is compared once a migration is done: what it carries, and of that what the target can have by now.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::connections::jobs;
use super::content::{self, Carried};
use super::previous::{self, Previous};
use super::roles;
use crate::facts::{DatabaseFacts, Facts, MaterializedView, Table, TableKind};
use crate::settings::Verification;
use crate::sql::names::ReplicationNames;
use crate::sql::{Ident, QualifiedName};

/// What a verification will do.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Roles that a migration carries.
    pub roles: Vec<String>,
    /// Databases that a migration takes, by name.
    pub databases: Vec<DatabaseComparison>,
    /// Connections to each server that read rows.
    pub jobs: usize,
}

impl Comparison {
    /// The databases whose replication still runs.
    pub fn replicating(&self) -> impl Iterator<Item = &str> {
        let replicates =
            |it: &&DatabaseComparison| matches!(&it.state, State::Compared(contents) if contents.replication.is_some());
        self.databases.iter().filter(replicates).map(|it| it.name.as_str())
    }
}

/// One database.
#[derive(Clone, Debug)]
pub struct DatabaseComparison {
    /// Its name.
    pub name: String,
    /// What can be done with it.
    pub state: State,
}

/// What can be done with a database.
#[derive(Clone, Debug)]
pub enum State {
    /// Nothing: one side does not let us in.
    Unreachable {
        /// Which one, and its words.
        reason: String,
    },
    /// The target does not have it.
    Missing,
    /// It is compared.
    Compared(Box<Contents>),
}

/// What of a database's contents is compared.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Relations with rows that both sides have, largest first.
    pub relations: Vec<Relation>,
    /// Whether either side has large objects that are to be compared.
    pub large_objects: bool,
    /// The databases have different encodings: equal texts are other bytes.
    pub encodings_differ: bool,
    /// Replication that still runs.
    pub replication: Option<ReplicationNames>,
    /// What that replication brings only at its finish: a kind of thing and its names.
    pub later: Vec<Later>,
}

/// Something that replication brings only at its finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// What.
    pub what: String,
    /// Why it is not there yet.
    pub reason: &'static str,
}

/// A relation whose rows are compared.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its name.
    pub name: QualifiedName,
    /// What it is on the source.
    pub kind: RelationKind,
    /// Columns that both sides have, in the source's order; `None`: all of them, as they stand.
    pub columns: Option<Vec<ComparedColumn>>,
    /// How the source has it.
    pub source: OneSide,
    /// How the target has it.
    pub target: OneSide,
    /// Of the changes on the source, running replication carries INSERTs alone.
    pub inserts_only: bool,
}

/// A column that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedColumn {
    /// Its name.
    pub name: Ident,
    /// What of its values is compared.
    pub form: Form,
}

/// What of a column's values is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Their text, which all majors write alike.
    Text,
    /// The number of a `"char"`: up to 14 the text of one above 127 is that byte, whatever the encoding says; from 15 on it
    /// is octal digits.
    Byte,
    /// The numbers of an array of these.
    Bytes,
}

/// A relation as one side has it.
#[derive(Clone, Debug, Default)]
pub struct OneSide {
    /// Only rows of this WHERE clause, which an extension's author wrote and which is for this side's server alone.
    pub condition: Option<String>,
    /// Its rows are in its partitions.
    pub partitioned: bool,
    /// Bytes; 0 where that is not known.
    pub bytes: u64,
}

/// What kind of relation holds rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary table, partitions included.
    Table,
    /// A materialized view.
    MaterializedView,
}

impl RelationKind {
    /// PostgreSQL's word for it.
    pub fn name(self) -> &'static str {
        match self {
            RelationKind::Table => "table",
            RelationKind::MaterializedView => "materialized view",
        }
    }
}

/// Chooses what is compared.
pub fn build(facts: &Facts, settings: &Verification) -> Comparison {
    let (planned, _) = roles::plan(facts, &settings.selection);
    let databases = facts.databases.iter().map(|pair| {
        let state = match (&pair.source, &pair.target) {
            (Err(words), _) => State::Unreachable { reason: format!("source: {words}") },
            (_, Some(Err(words))) => State::Unreachable { reason: format!("target: {words}") },
            (_, None) => State::Missing,
            (Ok(source), Some(Ok(target))) => {
                State::Compared(Box::new(contents(facts, settings, &pair.name, source, target)))
            }
        };
        DatabaseComparison { name: pair.name.clone(), state }
    });
    Comparison {
        databases: databases.collect(),
        roles: planned.into_iter().map(|plan| plan.role.name).collect(),
        jobs: jobs(facts, settings.jobs),
    }
}

fn contents(
    facts: &Facts,
    settings: &Verification,
    name: &str,
    source: &DatabaseFacts,
    target: &DatabaseFacts,
) -> Contents {
    let names = ReplicationNames::new(name, settings.mangle);
    let published = match previous::find(&facts.source, name, source, Some(target), &names, None) {
        Previous::Running(published) => Some(published.into_iter().collect::<HashSet<_>>()),
        Previous::Nothing | Previous::Leftovers => None,
    };
    let on_target = target.tables_by_name();
    let carried = content::carried(&settings.selection, name, source);
    let tables = carried.iter().filter_map(|it| Some(compare_table(it, on_target.get(&it.table.name)?)));
    let views = source.materialized_views.iter().filter(|view| comparable(view, target)).map(compare_view);
    let large_objects = source.large_objects.count > 0 || target.large_objects.count > 0;
    let encoding = |server: &crate::facts::ServerFacts| server.database(name).map(|entry| entry.encoding.clone());
    let mut contents = Contents {
        encodings_differ: encoding(&facts.source) != encoding(&facts.target),
        replication: published.as_ref().map(|_| names.clone()),
        ..Contents::default()
    };
    match published {
        None => {
            contents.relations = tables.chain(views).collect();
            contents.large_objects = large_objects;
        }
        Some(published) => {
            let (mut replicated, later): (Vec<_>, Vec<_>) = tables.partition(|table| published.contains(&table.name));
            let inserts = source.publications.iter().find(|it| it.name == names.insert_publication.as_str());
            for table in &mut replicated {
                table.inserts_only = inserts.is_some_and(|publication| publication.tables.contains(&table.name));
            }
            contents.relations = replicated;
            let access = facts.source.database(name).is_some_and(|entry| {
                entry.properties.privileges.is_some() || entry.properties.connection_limit.is_some()
            });
            let whole = [
                (large_objects, "large objects", "copied at the finish"),
                (!source.sequences.is_empty(), "values of sequences", "carried at the finish"),
                (access, "privileges and connection limit of the database", "carried at the finish"),
            ];
            contents.later = wait_for_finish(later.into_iter().chain(views));
            let whole = whole.into_iter().filter(|(there, ..)| *there);
            contents.later.extend(whole.map(|(_, what, reason)| Later { what: what.to_owned(), reason }));
        }
    }
    contents.relations.sort_by_key(|relation| Reverse(relation.source.bytes.max(relation.target.bytes)));
    contents
}

fn wait_for_finish(relations: impl Iterator<Item = Relation>) -> Vec<Later> {
    let later = relations.map(|relation| Later {
        what: format!("{} {}", relation.kind.name(), relation.name),
        reason: match relation.kind {
            RelationKind::Table => "not published: copied once more at the finish",
            RelationKind::MaterializedView => "refreshed at the finish",
        },
    });
    later.collect()
}

fn compare_table(carried: &Carried<'_>, there: &Table) -> Relation {
    let table = carried.table;
    let common = table.columns.iter().filter_map(|column| {
        let other = there.columns.iter().find(|other| other.name == column.name)?;
        let form = match column.type_name.as_str() {
            "\"char\"" if other.type_name == column.type_name => Form::Byte,
            "\"char\"[]" if other.type_name == column.type_name => Form::Bytes,
            _ => Form::Text,
        };
        Some(ComparedColumn { name: column.name.clone(), form })
    });
    Relation {
        name: table.name.clone(),
        kind: RelationKind::Table,
        columns: Some(common.collect()),
        source: OneSide { bytes: carried.bytes, ..one_side(table) },
        target: one_side(there),
        inserts_only: false,
    }
}

fn one_side(table: &Table) -> OneSide {
    OneSide {
        condition: table.configuration.clone().filter(|condition| !condition.is_empty()),
        partitioned: table.kind == TableKind::Partitioned,
        bytes: u64::try_from(table.bytes).unwrap_or(0),
    }
}

/// One that is empty because it was never filled cannot be read; that it is so on one side only, the catalogs tell.
fn comparable(view: &MaterializedView, target: &DatabaseFacts) -> bool {
    let populated = |there: &MaterializedView| there.name == view.name && there.populated;
    view.populated && view.extension.is_none() && target.materialized_views.iter().any(populated)
}

fn compare_view(view: &MaterializedView) -> Relation {
    Relation {
        name: view.name.clone(),
        kind: RelationKind::MaterializedView,
        columns: None,
        source: OneSide::default(),
        target: OneSide::default(),
        inserts_only: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Column, Persistence, fixture};
    use crate::plan::example::Example;
    use crate::settings::{Level, Selection};

    fn compared(example: &Example) -> Contents {
        let settings = Verification {
            level: Level::Full,
            rows: 0,
            selection: Selection { extension_tables: true, ..Selection::default() },
            mangle: false,
            ignore_owners: false,
            jobs: None,
            lag_timeout: std::time::Duration::ZERO,
            given_passwords: Vec::new(),
        };
        match build(&example.facts, &settings).databases.remove(0).state {
            State::Compared(contents) => *contents,
            other => panic!("{other:?}"),
        }
    }

    fn names(contents: &Contents) -> Vec<&str> {
        contents.relations.iter().map(|relation| relation.name.name.as_str()).collect()
    }

    #[test]
    fn tables_of_both_sides_are_compared_by_the_columns_that_both_have() {
        let mut example = Example::new();
        let mut there = fixture::table("orders");
        there.columns.reverse();
        there.columns.remove(0);
        there.columns.push(Column {
            name: Ident::new("more"),
            type_name: "text".to_owned(),
            type_id: 25,
            type_modifier: -1,
            generated: false,
        });
        example.target().tables.push(there);
        example.source().tables.push(fixture::table("only_here"));
        let contents = compared(&example);
        assert_eq!(names(&contents), ["orders"]);
        let id = ComparedColumn { name: Ident::new("id"), form: Form::Text };
        assert_eq!(contents.relations[0].columns, Some(vec![id]));
    }

    #[test]
    fn what_replication_brings_at_its_finish_is_not_compared_while_it_runs() {
        let mut example = Example::new();
        example.replicate();
        for side in 0..2 {
            let facts = if side == 0 { example.source() } else { example.target() };
            facts.tables.push(Table { persistence: Persistence::Unlogged, ..fixture::table("cache") });
            facts.large_objects.count = 1;
        }
        let contents = compared(&example);
        assert_eq!(names(&contents), ["orders"]);
        assert!(contents.replication.is_some() && !contents.large_objects);
        let later: Vec<_> = contents.later.iter().map(|later| later.what.as_str()).collect();
        assert_eq!(later, ["table public.cache", "large objects", "values of sequences"]);

        example.target().subscriptions.clear();
        let contents = compared(&example);
        assert_eq!(names(&contents), ["orders", "cache"]);
        assert!(contents.replication.is_none() && contents.large_objects && contents.later.is_empty());
    }
}
