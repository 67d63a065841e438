//! What can be attached to an object of any class: comments and security labels.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::Side;
use super::object::{Kind, Mismatch, Properties, Property};
use crate::pg::PgError;
use crate::sql::Sql;

/// Whose attachments.
#[derive(Clone, Copy)]
pub(super) enum Objects {
    /// Of the database that the session is in.
    OfDatabase,
    /// Of the whole server.
    OfServer,
}

impl Objects {
    /// Comments on the system's own objects come with it, but for that on the schema `public`. Large objects have whatever
    /// number somebody gave them.
    fn query(self) -> &'static str {
        match self {
            Objects::OfDatabase => {
                "select classoid, objoid, objsubid, 'comment', description from pg_catalog.pg_description
                 where objoid >= 16384 or classoid in ('pg_catalog.pg_namespace'::pg_catalog.regclass,
                                                       'pg_catalog.pg_largeobject'::pg_catalog.regclass)
                 union all
                 select classoid, objoid, objsubid, 'security label of ' || provider, label from pg_catalog.pg_seclabel"
            }
            Objects::OfServer => {
                "select classoid, objoid, 0, 'comment', description from pg_catalog.pg_shdescription
                 union all
                 select classoid, objoid, 0, 'security label of ' || provider, label from pg_catalog.pg_shseclabel"
            }
        }
    }
}

/// Class, identity and name of the property.
type Key<'a> = (&'static str, &'a str, String);

/// What differs, of the objects that both sides have.
pub(super) async fn compare(source: &Side<'_>, target: &Side<'_>, objects: Objects) -> Result<Vec<Mismatch>, PgError> {
    let (on_source, on_target) = tokio::try_join!(read(source, objects), read(target, objects))?;
    let exists = [source, target].map(|side| {
        side.identities.values().map(|(class, identity)| (*class, identity.as_str())).collect::<HashSet<_>>()
    });
    let mut keys: Vec<&Key<'_>> = on_source.keys().chain(on_target.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut found = Vec::new();
    for key @ (class, identity, name) in keys {
        let [here, there] = [on_source.get(key), on_target.get(key)];
        if here == there || !exists.iter().all(|side| side.contains(&(*class, *identity))) {
            continue;
        }
        let properties = |text: Option<&String>| -> Properties {
            text.into_iter().map(|text| (name.clone(), Property::Plain(Value::String(text.clone())))).collect()
        };
        let kind = Kind::Property { name: name.clone(), source: properties(here), target: properties(there) };
        found.push(Mismatch { class, object: (*identity).to_owned(), kind });
    }
    Ok(found)
}

/// Attachments of objects that are compared.
async fn read<'a>(side: &'a Side<'_>, objects: Objects) -> Result<BTreeMap<Key<'a>, String>, PgError> {
    let client = side.client;
    let rows = client.query("read comments and labels", Sql::from(objects.query()), &[]).await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let address = (client.get(row, 0)?, client.get(row, 1)?, client.get(row, 2)?);
        if let Some((class, identity)) = side.identities.get(&address) {
            found.insert((*class, identity.as_str(), client.get(row, 3)?), client.get(row, 4)?);
        }
    }
    Ok(found)
}
