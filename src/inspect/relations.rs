//! Tables and sequences of one database.

use std::collections::BTreeSet;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::facts::{
    CandidateIndex, Column, DatabaseFacts, IdentityFlaw, Persistence, ReplicaIdentity, RowSecurity, Sequence, Table,
    TableKind, User,
};
use crate::pg::{Client, PgError, Server};
use crate::sql;
use crate::sql::names::{IDENTITY_RECORD, JOURNAL_SCHEMA, ReplicationNames};
use crate::sql::{Ident, QualifiedName, Sql};

/// First OID of what users create (`FirstNormalObjectId`); below are the system's own objects.
pub(super) const FIRST_USER_OID: u32 = 16_384;

/// Rows are compared as a whole by the default equality of each column's type, which json, xml and point do not have, nor
/// what is made of them. A subscriber that has a primary key looks for rows by it even when it is sent the whole row, and
/// stops when the key holds a generated column, which is not sent.
///
/// Columns are collected table by table, and types sorted before: how many rows a recursive query gives nobody can estimate,
/// and a join with one makes plans that take minutes where there are ten thousand tables.
///
/// A replica identity that a run of ours has changed for a while is shown as it was: that run, or whoever cleans up after
/// it, restores it.
const TABLES: &str = "
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
), configuration(oid, condition) as (
    select c.oid, c.condition
    from pg_catalog.pg_extension e, unnest(e.extconfig, e.extcondition) as c(oid, condition)
), changed as (
    select r.oid, r.identity, r.index
    from pg_catalog.json_to_recordset($4::text::json) r(oid oid, identity text, index text)
), kind(oid, incomparable) as materialized (
    select t.oid, t.oid = any (array(select i.oid from incomparable i))
    from (select distinct atttypid from pg_catalog.pg_attribute where attnum > 0 and not attisdropped) t(oid)
)
select n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, e.extname::text, f.condition,
       coalesce(k.names, '{}'), coalesce(k.types, '{}'), coalesce(k.generated, '{}'), coalesce(k.type_ids, '{}'),
       case
           when own.identity = 'n' then 'missing'
           when own.identity <> 'f' then coalesce((
               select case when exists (
                   select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attgenerated <> ''
                     and a.attnum = any (i.indkey[0:i.indnkeyatts - 1])) then 'generated' else 'key' end
               from pg_catalog.pg_index i
               where i.indrelid = c.oid and i.indimmediate and i.indisvalid and case own.identity
                   when 'd' then i.indisprimary
                   else i.indexrelid = own.index and i.indisunique and i.indpred is null end), 'missing')
           when $3 and k.some_generated or k.generated_key then 'generated'
           when k.some_incomparable and not exists (
               select from pg_catalog.pg_index i
               where i.indrelid = c.oid and i.indisprimary and i.indimmediate and i.indisvalid) then 'incomparable'
           else 'full'
       end,
       candidate.name,
       c.relrowsecurity, c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner)::text,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') and pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       case when c.relkind = 'r' then coalesce(pg_catalog.pg_relation_size(c.oid), 0)
           + coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0) else 0 end,
       array(select t.tgname::text from pg_catalog.pg_trigger t
             where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('A', 'R') order by 1),
       case when c.relispartition then array(
           select part.name
           from pg_catalog.pg_partition_ancestors(c.oid) with ordinality p(relid, distance)
           join pg_catalog.pg_class a on a.oid = p.relid
           join pg_catalog.pg_namespace s on s.oid = a.relnamespace,
                unnest(array[s.nspname::text, a.relname::text]) with ordinality part(name, position)
           where a.oid <> c.oid order by p.distance, part.position) else '{}' end,
       case when own.identity = 'i' then own.index end,
       c.relpersistence = 'p' or not pg_catalog.pg_is_in_recovery(),
       not coalesce(k.some_incomparable or $3 and k.some_generated or k.generated_key, false),
       c.oid in (select r.confrelid from pg_catalog.pg_constraint r where r.contype = 'f' and r.conrelid <> r.confrelid),
       case when c.relispartition then (
           select array[s.nspname::text, a.relname::text]
           from pg_catalog.pg_partition_ancestors(c.oid) with ordinality p(relid, distance)
           join pg_catalog.pg_partitioned_table h on h.partrelid = p.relid and h.partstrat = 'h'
           join pg_catalog.pg_class a on a.oid = p.relid
           join pg_catalog.pg_namespace s on s.oid = a.relnamespace
           where exists (
               select from pg_catalog.pg_opclass o
               where o.oid = any (h.partclass) and (o.opcname = 'enum_ops' or o.opcname ~ '^(array|record|(multi)?range)_ops$'
                     and exists (select from pg_catalog.pg_attribute k
                                 where k.attrelid = h.partrelid and k.attnum = any (h.partattrs) and k.atttypid >= $1)))
           order by p.distance desc limit 1) end,
       candidate.oid,
       case when c.reltuples > 0 or c.relpages > 0 and c.reltuples = 0 then c.reltuples::int8 end,
       (select pg_catalog.count(*) from pg_catalog.pg_index i where i.indrelid = c.oid),
       case when c.relkind = 'r' and m.amname = 'heap' then coalesce(pg_catalog.pg_relation_size(c.oid), 0)
           / pg_catalog.current_setting('block_size')::int8 else 0 end,
       c.relkind = 'r' and exists (select from pg_catalog.pg_inherits h where h.inhparent = c.oid),
       coalesce(k.type_modifiers, '{}')
from pg_catalog.pg_class c
left join pg_catalog.pg_am m on m.oid = c.relam
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join changed g on g.oid = c.oid
cross join lateral (
    select coalesce(g.identity, c.relreplident::text) as identity,
           (select i.indexrelid from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
            where i.indrelid = c.oid
              and case when g.oid is null then i.indisreplident else x.relname = g.index end) as index) own
left join lateral (
    select x.relname::text as name, x.oid
    from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
    where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
      and i.indexprs is null and not exists (
          select from pg_catalog.pg_attribute a
          where a.attrelid = c.oid and (not a.attnotnull or a.attgenerated <> '')
            and a.attnum = any (i.indkey[0:i.indnkeyatts - 1]))
    order by not i.indisprimary, 1 limit 1) candidate on true
cross join lateral (
    select pg_catalog.array_agg(a.attname::text order by a.attnum) as names,
           pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) order by a.attnum) as types,
           pg_catalog.array_agg(a.attgenerated <> '' order by a.attnum) as generated,
           pg_catalog.array_agg(a.atttypid order by a.attnum) as type_ids,
           pg_catalog.array_agg(a.atttypmod order by a.attnum) as type_modifiers,
           pg_catalog.bool_or(a.attgenerated <> '') as some_generated,
           pg_catalog.bool_or(t.incomparable and a.attgenerated = '') as some_incomparable,
           pg_catalog.bool_or(a.attgenerated <> '' and p.indexrelid is not null) as generated_key
    from pg_catalog.pg_attribute a
    join kind t on t.oid = a.atttypid
    left join pg_catalog.pg_index p on p.indrelid = c.oid and p.indisprimary
         and a.attnum = any (p.indkey[0:p.indnkeyatts - 1])
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) k
left join configuration f on f.oid = c.oid
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
     and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
left join pg_catalog.pg_extension e on e.oid = d.refobjid
where c.relkind in ('r', 'p', 'f') and c.relpersistence in ('p', 'u') and c.oid >= $1
  and n.nspname <> $2 and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 1, 2";

const CHANGED: &str = "
select pg_catalog.obj_description(oid, 'pg_publication') from pg_catalog.pg_publication where pubname = $1";

/// Tables of every kind, members of extensions included.
pub(super) async fn tables(client: &Client, ours: &ReplicationNames) -> Result<Vec<Table>, PgError> {
    let refuses_generated = client.version().refuses_generated_identities();
    let publication = ours.publication.as_str();
    let rows = client.query("look for changed replica identities", CHANGED, &[(&publication, Type::TEXT)]).await?;
    let comment: Option<String> = rows.first().map(|row| client.get(row, 0)).transpose()?.flatten();
    let changed = comment.as_deref().and_then(|comment| comment.strip_prefix(IDENTITY_RECORD)).unwrap_or("[]");
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[
        (&FIRST_USER_OID, Type::OID),
        (&JOURNAL_SCHEMA, Type::TEXT),
        (&refuses_generated, Type::BOOL),
        (&changed, Type::TEXT),
    ];
    let rows = client.query("list tables", TABLES, parameters).await?;
    rows.iter().map(|row| table(client, row)).collect()
}

fn table(client: &Client, row: &Row) -> Result<Table, PgError> {
    let kind: String = client.get(row, 2)?;
    let persistence: String = client.get(row, 3)?;
    let names: Vec<String> = client.get(row, 6)?;
    let types: Vec<String> = client.get(row, 7)?;
    let generated: Vec<bool> = client.get(row, 8)?;
    let type_ids: Vec<u32> = client.get(row, 9)?;
    let type_modifiers: Vec<i32> = client.get(row, 30)?;
    let identity: String = client.get(row, 10)?;
    let candidate = match (client.get::<Option<String>>(row, 11)?, client.get(row, 25)?) {
        (Some(name), Some(oid)) => Some(CandidateIndex { name: Ident::new(name), oid }),
        _ => None,
    };
    let row_security = match (client.get(row, 12)?, client.get(row, 13)?) {
        (false, _) => RowSecurity::Off,
        (true, false) => RowSecurity::Enabled,
        (true, true) => RowSecurity::Forced,
    };
    Ok(Table {
        name: QualifiedName::new(client.get::<String>(row, 0)?, client.get::<String>(row, 1)?),
        kind: match kind.as_str() {
            "p" => TableKind::Partitioned,
            "f" => TableKind::Foreign,
            _ => TableKind::Ordinary,
        },
        persistence: if persistence == "u" { Persistence::Unlogged } else { Persistence::Permanent },
        extension: client.get(row, 4)?,
        configuration: client.get(row, 5)?,
        columns: names
            .into_iter()
            .zip(types)
            .zip(generated.into_iter().zip(type_ids.into_iter().zip(type_modifiers)))
            .map(|((name, type_name), (generated, (type_id, type_modifier)))| Column {
                name: Ident::new(name),
                type_name,
                type_id,
                type_modifier,
                generated,
            })
            .collect(),
        replica_identity: match identity.as_str() {
            "key" => ReplicaIdentity::Key,
            "full" => ReplicaIdentity::Full,
            "generated" => ReplicaIdentity::Unusable { flaw: IdentityFlaw::Generated, candidate },
            "incomparable" => ReplicaIdentity::Unusable { flaw: IdentityFlaw::Incomparable, candidate },
            _ => ReplicaIdentity::Missing { candidate, full_serves: client.get(row, 22)? },
        },
        row_security,
        owner: client.get(row, 14)?,
        readable: client.get(row, 15)?,
        owned: client.get(row, 16)?,
        bytes: client.get(row, 17)?,
        blocks: u64::try_from(client.get::<i64>(row, 28)?).unwrap_or(0),
        rows: client.get::<Option<i64>>(row, 26)?.and_then(|rows| u64::try_from(rows).ok()),
        indexes: u64::try_from(client.get::<i64>(row, 27)?).unwrap_or(0),
        has_rows: false,
        replica_triggers: client.get(row, 18)?,
        present: client.get(row, 21)?,
        referenced: client.get(row, 23)?,
        identity_index: client.get(row, 20)?,
        ancestors: names_in_pairs(&client.get::<Vec<String>>(row, 19)?),
        parent: client.get(row, 29)?,
        load_through: client
            .get::<Option<Vec<String>>>(row, 24)?
            .and_then(|parts| names_in_pairs(&parts).into_iter().next()),
    })
}

/// Names from a flat list of schema, name, schema, name: arrays of arrays cannot be read.
pub(super) fn names_in_pairs(parts: &[String]) -> Vec<QualifiedName> {
    parts.chunks_exact(2).map(|pair| QualifiedName::new(&pair[0], &pair[1])).collect()
}

const SEQUENCES: &str = "
select n.nspname::text, c.relname::text, e.extname::text,
       pg_catalog.has_sequence_privilege(c.oid, 'SELECT') and pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       coalesce(c.oid = any (e.extconfig), false)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
     and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
left join pg_catalog.pg_extension e on e.oid = d.refobjid
where c.relkind = 'S' and (c.relpersistence = 'p' or c.relpersistence = 'u' and not pg_catalog.pg_is_in_recovery())
  and c.oid >= $1 and n.nspname <> $2
order by 1, 2";

/// Sequences, those of serial and identity columns included, but for unlogged ones on a standby, which has no value of theirs.
pub(super) async fn sequences(client: &Client) -> Result<Vec<Sequence>, PgError> {
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&FIRST_USER_OID, Type::OID), (&JOURNAL_SCHEMA, Type::TEXT)];
    let rows = client.query("list sequences", SEQUENCES, parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(Sequence {
                name: QualifiedName::new(client.get::<String>(row, 0)?, client.get::<String>(row, 1)?),
                extension: client.get(row, 2)?,
                readable: client.get(row, 3)?,
                configuration: client.get(row, 4)?,
            })
        })
        .collect()
}

/// Tables asked in one statement.
const TABLES_AT_ONCE: usize = 500;

/// Sets [`Table::has_rows`] of the target's tables that the source has too. Foreign partitions are left out.
pub(super) async fn look_for_rows(
    target: &Server,
    user: &User,
    database: &str,
    on_source: &DatabaseFacts,
    on_target: &mut DatabaseFacts,
) -> Result<(), PgError> {
    // To look into a foreign partition means to ask the server that has it, if there is one.
    let partly_foreign: BTreeSet<QualifiedName> = on_target
        .tables
        .iter()
        .filter(|table| table.kind == TableKind::Foreign)
        .flat_map(|table| table.ancestors.iter().cloned())
        .collect();
    let common: BTreeSet<&QualifiedName> = on_source.tables.iter().map(|table| &table.name).collect();
    let mut asked: Vec<&mut Table> = on_target
        .tables
        .iter_mut()
        .filter(|table| match table.kind {
            TableKind::Ordinary => {
                common.contains(&table.name) || table.ancestors.iter().any(|it| partly_foreign.contains(it))
            }
            TableKind::Partitioned => common.contains(&table.name) && !partly_foreign.contains(&table.name),
            TableKind::Foreign => false,
        })
        .filter(|table| table.readable && !table.hides_rows_from(user))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let client = target.connect(database).await?;
    super::limit_locks(&client).await?;
    for some in asked.chunks_mut(TABLES_AT_ONCE) {
        let questions = some.iter().map(|table| {
            let only = if table.kind == TableKind::Partitioned { "" } else { "only" };
            sql!("exists (select from {} {})", only, table.name)
        });
        let questions = Sql::join(questions, ", ");
        let question = sql!("select array[{}]", questions);
        let row = client.one("look for rows", question, &[]).await?;
        let answers: Vec<bool> = client.get(&row, 0)?;
        for (table, answer) in some.iter_mut().zip(answers) {
            table.has_rows = answer;
        }
    }
    let filled = on_target.tables.iter().filter(|table| table.has_rows).flat_map(|table| table.ancestors.clone());
    let filled: BTreeSet<QualifiedName> = filled.collect();
    for table in on_target.tables.iter_mut().filter(|table| partly_foreign.contains(&table.name)) {
        table.has_rows = filled.contains(&table.name);
    }
    Ok(())
}
