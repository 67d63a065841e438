//! What can be attached to an object of any class: comments and security labels.

use super::object::{Mismatch, Object, properties, read};
use crate::sql;
use crate::sql::Sql;

/// Whose attachments.
#[derive(Clone, Copy)]
pub(super) enum Attachments {
    /// Of the database that the session is in.
    OfDatabase,
    /// Of the whole server.
    OfServer,
}

impl Attachments {
    /// Those of one object, as one JSON object: null where there are none. Comments on the system's own objects come with it,
    /// but for that on the schema `public`, and on extensions: `plpgsql` is the system's own unless pg_upgrade or somebody else has
    /// made it anew. Large objects have whatever number somebody gave them.
    pub(super) fn of(self, class: &'static str, oid: &'static str, sub: &'static str) -> Sql {
        let all = match self {
            Attachments::OfDatabase => sql!(
                "select 'comment', description from pg_catalog.pg_description
                 where objoid = {} and classoid = {} and objsubid = {}
                   and (objoid >= 16384 or classoid in ('pg_catalog.pg_namespace'::pg_catalog.regclass,
                                                        'pg_catalog.pg_extension'::pg_catalog.regclass,
                                                        'pg_catalog.pg_largeobject'::pg_catalog.regclass))
                 union all
                 select 'security label of ' || provider, label from pg_catalog.pg_seclabel
                 where objoid = {} and classoid = {} and objsubid = {}",
                oid,
                class,
                sub,
                oid,
                class,
                sub
            ),
            Attachments::OfServer => sql!(
                "select 'comment', description from pg_catalog.pg_shdescription where objoid = {} and classoid = {}
                 union all
                 select 'security label of ' || provider, label from pg_catalog.pg_shseclabel
                 where objoid = {} and classoid = {}",
                oid,
                class,
                oid,
                class
            ),
        };
        sql!("(select pg_catalog.jsonb_object_agg(name, text) from ({}) attached(name, text))", all)
    }
}

/// What differs of the attachments of an object, which at least one side lists. `sparse`: one that is not listed has none.
pub(super) fn differences(
    class: &'static str,
    sparse: bool,
    source: Option<&Object>,
    target: Option<&Object>,
) -> Vec<Mismatch> {
    let Some(Object { identity, .. }) = source.or(target) else { return Vec::new() };
    let texts = [source, target].map(|side| side.and_then(|object| object.attached.as_deref()));
    if texts[0] == texts[1] || !sparse && (source.is_none() || target.is_none()) {
        return Vec::new();
    }
    let [here, there] = texts.map(|text| text.map(read).unwrap_or_default());
    properties(class, identity, &here, &there)
}
