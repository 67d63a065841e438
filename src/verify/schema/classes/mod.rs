//! What is asked of the catalogs: one query for each class of objects.
//!
//! Each query gives the object's address (the OIDs of its catalog and of itself, and the number of its column), its identity,
//! and its properties as one JSON object; see [`super::object`] for what that object says. Nothing is asked object by object.
//!
//! Catalogs may be full of what their statistics do not know of yet: the target was filled a moment ago. What is looked up for
//! each object is therefore found by an index that leads to that object's few rows, whatever the planner believes.

mod columns;
mod dependents;
mod foreign;
mod fragments;
mod operators;
mod parts;
mod relations;
mod routines;
mod servers;
mod system;
mod text_search;
mod types;
mod whole;

pub(super) use fragments::Versions;
pub(super) use relations::sequence_names;

use super::Scope;
use super::attached::Attachments;
use crate::sql;
use crate::sql::Sql;

/// A kind of objects, and the query that lists them.
pub(super) struct Class {
    /// In PostgreSQL's words.
    pub name: &'static str,
    /// Gives `classid, objid, objsubid, identity, properties`.
    objects: Sql,
    /// An object that the query does not give exists all the same, with nothing to say of it.
    pub sparse: bool,
}

impl Class {
    /// `objects` gives properties as `jsonb`.
    fn new(name: &'static str, objects: Sql) -> Self {
        Self { name, objects, sparse: false }
    }

    /// Gives `identity, properties, attachments`, in an order of identities that is the same on every server, whatever its
    /// databases' encodings and collations are. Properties travel as text, without what is null: half of them.
    pub(super) fn query(&self, attachments: Attachments) -> Sql {
        sql!(
            "select identity, pg_catalog.jsonb_strip_nulls(properties)::text, {}::text
             from ({}) objects(class, oid, sub, identity, properties)
             order by pg_catalog.convert_to(identity, 'UTF8')",
            attachments.of("class", "oid", "sub"),
            self.objects
        )
    }
}

/// Every class of one database. `alike`: extensions that both sides have alike.
pub(super) fn of_database(versions: Versions, scope: &Scope, alike: &[String]) -> Vec<Class> {
    [
        whole::classes(versions, scope, alike),
        types::classes(versions),
        relations::classes(versions, scope, alike),
        columns::classes(versions),
        parts::classes(versions, alike),
        routines::classes(versions),
        operators::classes(versions),
        text_search::classes(),
        foreign::classes(versions),
        dependents::classes(versions),
        system::classes(versions, scope),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every class of the whole server. `passwords`: both sides let us read verifiers.
pub(super) fn of_server(versions: Versions, scope: &Scope, passwords: bool) -> Vec<Class> {
    servers::classes(versions, scope, passwords)
}
