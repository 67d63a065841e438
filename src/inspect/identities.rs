//! How UPDATE and DELETE find rows of tables on a subscriber.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;

use super::columns::Columns;
use super::relations::FIRST_USER_OID;
use crate::facts::{CandidateIndex, IdentityFlaw, ReplicaIdentity};
use crate::pg::{Client, PgError};
use crate::sql::Ident;
use crate::sql::names::{IDENTITY_RECORD, ReplicationNames};

/// A unique index.
#[derive(Debug)]
pub(super) struct Index {
    oid: u32,
    name: String,
    primary: bool,
    immediate: bool,
    valid: bool,
    /// It was named with REPLICA IDENTITY USING INDEX.
    chosen: bool,
    partial: bool,
    of_expressions: bool,
    /// Numbers of the columns that are unique; 0 for an expression.
    key: Vec<i16>,
}

/// Columns that an index only carries are no part of its key.
const UNIQUE_INDEXES: &str = "
select i.indrelid, x.oid, x.relname::text, i.indisprimary, i.indimmediate, i.indisvalid, i.indisreplident,
       i.indpred is not null, i.indexprs is not null, i.indkey[0:i.indnkeyatts - 1]::int2[]
from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
where i.indisunique and i.indrelid >= $1";

/// Unique indexes by the OID of their table.
pub(super) async fn unique_indexes(client: &Client) -> Result<BTreeMap<u32, Vec<Index>>, PgError> {
    let mut indexes: BTreeMap<u32, Vec<Index>> = BTreeMap::new();
    for row in client.query("list unique indexes", UNIQUE_INDEXES, &[(&FIRST_USER_OID, Type::OID)]).await? {
        indexes.entry(client.get(&row, 0)?).or_default().push(Index {
            oid: client.get(&row, 1)?,
            name: client.get(&row, 2)?,
            primary: client.get(&row, 3)?,
            immediate: client.get(&row, 4)?,
            valid: client.get(&row, 5)?,
            chosen: client.get(&row, 6)?,
            partial: client.get(&row, 7)?,
            of_expressions: client.get(&row, 8)?,
            key: client.get(&row, 9)?,
        });
    }
    Ok(indexes)
}

/// What the replica identity of a table was before a run of ours changed it, from that run's record.
#[derive(Debug)]
pub(super) struct Changed {
    /// `relreplident`
    kind: String,
    index: Option<String>,
}

const CHANGED: &str = "
select r.oid, r.identity, r.index
from pg_catalog.pg_publication p, pg_catalog.obj_description(p.oid, 'pg_publication') comment,
     pg_catalog.json_to_recordset(case when pg_catalog.starts_with(comment, $2)
         then pg_catalog.substr(comment, pg_catalog.length($2) + 1)::json end) r(oid oid, identity text, index text)
where p.pubname = $1";

/// What a run of ours has changed for a while, by the OID of the table: that run, or whoever cleans up after it, restores it.
pub(super) async fn changed(client: &Client, ours: &ReplicationNames) -> Result<BTreeMap<u32, Changed>, PgError> {
    let publication = ours.publication.as_str();
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&publication, Type::TEXT), (&IDENTITY_RECORD, Type::TEXT)];
    let rows = client.query("look for changed replica identities", CHANGED, parameters).await?;
    rows.iter()
        .map(|row| Ok((client.get(row, 0)?, Changed { kind: client.get(row, 1)?, index: client.get(row, 2)? })))
        .collect()
}

/// Rows are compared as a whole by the default equality of each column's type, which json, xml and point do not have, nor
/// what is made of them.
const INCOMPARABLE: &str = "
with recursive part(whole, type) as (
    select oid, typbasetype from pg_catalog.pg_type where typtype = 'd'
    union all select oid, typelem from pg_catalog.pg_type where typcategory = 'A' and typlen = -1 and typelem <> 0
    union all select t.oid, a.atttypid
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind = 'c'
    join pg_catalog.pg_type t on t.typrelid = c.oid
    where a.attnum > 0 and not a.attisdropped
), incomparable(oid) as (
    select t.oid from pg_catalog.pg_type t
    where t.typtype = 'b' and t.typcategory <> 'A' and not exists (
        select from pg_catalog.pg_opclass o join pg_catalog.pg_am m on m.oid = o.opcmethod
        where m.amname in ('btree', 'hash') and o.opcdefault and (o.opcintype = t.oid or exists (
            select from pg_catalog.pg_cast k
            where k.castsource = t.oid and k.casttarget = o.opcintype and k.castmethod = 'b' and k.castcontext = 'i')))
    union
    select p.whole from incomparable i join part p on p.type = i.oid
)
select oid from incomparable";

/// Types whose values cannot be compared for equality, by their OIDs.
pub(super) async fn incomparable(client: &Client) -> Result<BTreeSet<u32>, PgError> {
    let rows = client.query("list types without equality", INCOMPARABLE, &[]).await?;
    rows.iter().map(|row| client.get(row, 0)).collect()
}

/// What is known of one table.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    /// `relreplident`
    pub(super) kind: &'a str,
    pub(super) changed: Option<&'a Changed>,
    /// `None`: there are none.
    pub(super) columns: Option<&'a Columns>,
    /// All that are unique.
    pub(super) indexes: &'a [Index],
}

impl Evidence<'_> {
    /// `relreplident`, as it was before a run of ours.
    fn own_kind(&self) -> &str {
        self.changed.map_or(self.kind, |changed| &changed.kind)
    }

    /// The index of REPLICA IDENTITY USING INDEX, as it was before a run of ours.
    fn own_index(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| match self.changed {
            Some(changed) => changed.index.as_deref() == Some(&index.name),
            None => index.chosen,
        })
    }

    /// Its OID, where the replica identity is by an index.
    pub(super) fn identity_index(&self) -> Option<u32> {
        self.own_index().filter(|_| self.own_kind() == "i").map(|index| index.oid)
    }

    /// The index that identifies rows.
    fn key(&self) -> Option<&Index> {
        let usable = |index: &&Index| index.immediate && index.valid;
        match self.own_kind() {
            "n" | "f" => None,
            "d" => self.indexes.iter().filter(|index| index.primary).find(usable),
            _ => self.own_index().filter(|index| !index.partial).filter(usable),
        }
    }

    /// Whether it matters if whole rows can be compared.
    pub(super) fn asks_for_whole_rows(&self) -> bool {
        self.key().is_none()
    }

    fn has_generated(&self, index: &Index) -> bool {
        self.columns.is_some_and(|columns| columns.any_of(&index.key, |column, _| column.generated))
    }

    /// What finds the rows. A subscriber that has a primary key looks for rows by it even when it is sent the whole row, and
    /// stops when the key holds a generated column, which is not sent; some versions refuse whole rows that have one anywhere,
    /// which is `refuses_generated`.
    pub(super) fn identity(&self, refuses_generated: bool, incomparable: &BTreeSet<u32>) -> ReplicaIdentity {
        if let Some(key) = self.key() {
            return if self.has_generated(key) { self.unusable(IdentityFlaw::Generated) } else { ReplicaIdentity::Key };
        }
        let all = self.columns.map_or(&[][..], |columns| &columns.columns);
        let generated = refuses_generated && all.iter().any(|column| column.generated)
            || self.indexes.iter().any(|index| index.primary && self.has_generated(index));
        let compares = all.iter().all(|column| column.generated || !incomparable.contains(&column.type_id));
        if self.own_kind() != "f" {
            return ReplicaIdentity::Missing { candidate: self.candidate(), full_serves: compares && !generated };
        }
        let by_primary_key = self.indexes.iter().any(|index| index.primary && index.immediate && index.valid);
        match (generated, compares || by_primary_key) {
            (true, _) => self.unusable(IdentityFlaw::Generated),
            (false, false) => self.unusable(IdentityFlaw::Incomparable),
            (false, true) => ReplicaIdentity::Full,
        }
    }

    fn unusable(&self, flaw: IdentityFlaw) -> ReplicaIdentity {
        ReplicaIdentity::Unusable { flaw, candidate: self.candidate() }
    }

    /// The index that could be the replica identity: the primary key's, or else the first by name.
    fn candidate(&self) -> Option<CandidateIndex> {
        let unfit = |columns: &Columns, index: &Index| {
            columns.any_of(&index.key, |column, not_null| !not_null || column.generated)
        };
        let serves = |index: &&Index| {
            index.immediate
                && index.valid
                && !index.partial
                && !index.of_expressions
                && self.columns.is_none_or(|columns| !unfit(columns, index))
        };
        let best = self.indexes.iter().filter(serves).min_by_key(|index| (!index.primary, &index.name))?;
        Some(CandidateIndex { name: Ident::new(&best.name), oid: best.oid })
    }
}
