//! Tables and sequences of one database.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::columns::{self, Columns};
use super::identities::{self, Changed, Evidence, Index};
use super::members::Member;
use super::partitions::{self, Partition};
use crate::facts::{DatabaseFacts, Persistence, RowSecurity, Sequence, Table, TableKind, User};
use crate::pg::{Client, PgError, Server};
use crate::sql;
use crate::sql::names::{JOURNAL_SCHEMA, ReplicationNames};
use crate::sql::{QualifiedName, Sql};

/// First OID of what users create (`FirstNormalObjectId`); below are the system's own objects.
pub(super) const FIRST_USER_OID: u32 = 16_384;

const TABLES: &str = "
select c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text,
       c.relrowsecurity, c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner)::text,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') and pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       case when c.relkind = 'r' then coalesce(pg_catalog.pg_relation_size(c.oid), 0) else 0 end,
       case when c.relkind = 'r' then coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0) else 0 end,
       case when c.relam = (select m.oid from pg_catalog.pg_am m where m.amname = 'heap')
            then pg_catalog.current_setting('block_size')::int8 end,
       case when c.reltuples > 0 or c.relpages > 0 and c.reltuples = 0 then c.reltuples::int8 end,
       (select pg_catalog.count(*) from pg_catalog.pg_index i where i.indrelid = c.oid),
       array(select t.tgname::text from pg_catalog.pg_trigger t
             where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('A', 'R') order by 1),
       c.relpersistence = 'p' or not pg_catalog.pg_is_in_recovery(),
       c.oid in (select r.confrelid from pg_catalog.pg_constraint r where r.contype = 'f' and r.conrelid <> r.confrelid),
       c.relispartition,
       c.relkind = 'r' and exists (select from pg_catalog.pg_inherits h where h.inhparent = c.oid)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f') and c.relpersistence in ('p', 'u') and c.oid >= $1
  and n.nspname <> $2 and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 2, 3";

/// What other questions tell of tables, by the tables' OIDs.
struct Known<'a> {
    columns: BTreeMap<u32, Columns>,
    indexes: BTreeMap<u32, Vec<Index>>,
    changed: BTreeMap<u32, Changed>,
    partitions: BTreeMap<u32, Partition>,
    members: &'a BTreeMap<u32, Member>,
    /// Types whose values cannot be compared.
    incomparable: BTreeSet<u32>,
}

/// Tables of every kind, members of extensions included.
///
/// In several questions, each about few catalogs: one about all of it takes the server longer to plan than to answer, and some
/// is worth asking only where there is any.
pub(super) async fn tables(
    client: &Client,
    ours: &ReplicationNames,
    members: &BTreeMap<u32, Member>,
) -> Result<Vec<Table>, PgError> {
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&FIRST_USER_OID, Type::OID), (&JOURNAL_SCHEMA, Type::TEXT)];
    let (rows, columns, indexes, changed) = tokio::try_join!(
        client.query("list tables", TABLES, parameters),
        columns::columns(client),
        identities::unique_indexes(client),
        identities::changed(client, ours),
    )?;
    let (partitions, incomparable) = (BTreeMap::new(), BTreeSet::new());
    let mut known = Known { columns, indexes, changed, partitions, members, incomparable };
    let (mut partitions, mut whole_rows) = (false, false);
    for row in &rows {
        partitions |= client.get::<bool>(row, 19)?;
        whole_rows = whole_rows || known.evidence(client, row)?.asks_for_whole_rows();
    }
    if partitions {
        known.partitions = partitions::partitions(client).await?;
    }
    if whole_rows {
        known.incomparable = identities::incomparable(client).await?;
    }
    rows.iter().map(|row| known.table(client, row)).collect()
}

impl Known<'_> {
    fn evidence<'a>(&'a self, client: &Client, row: &'a Row) -> Result<Evidence<'a>, PgError> {
        let oid = client.get(row, 0)?;
        Ok(Evidence {
            kind: client.get(row, 5)?,
            changed: self.changed.get(&oid),
            columns: self.columns.get(&oid),
            indexes: self.indexes.get(&oid).map_or(&[], Vec::as_slice),
        })
    }

    fn table(&mut self, client: &Client, row: &Row) -> Result<Table, PgError> {
        let oid: u32 = client.get(row, 0)?;
        let evidence = self.evidence(client, row)?;
        let refuses_generated = client.version().refuses_generated_identities();
        let replica_identity = evidence.identity(refuses_generated, &self.incomparable);
        let identity_index = evidence.identity_index();
        let kind: String = client.get(row, 3)?;
        let persistence: String = client.get(row, 4)?;
        let row_security = match (client.get(row, 6)?, client.get(row, 7)?) {
            (false, _) => RowSecurity::Off,
            (true, false) => RowSecurity::Enabled,
            (true, true) => RowSecurity::Forced,
        };
        let (heap, toast): (i64, i64) = (client.get(row, 11)?, client.get(row, 12)?);
        let block: Option<i64> = client.get(row, 13)?;
        let member = self.members.get(&oid);
        let Partition { ancestors, load_through } = self.partitions.remove(&oid).unwrap_or_default();
        Ok(Table {
            oid,
            name: QualifiedName::new(client.get::<String>(row, 1)?, client.get::<String>(row, 2)?),
            kind: match kind.as_str() {
                "p" => TableKind::Partitioned,
                "f" => TableKind::Foreign,
                _ => TableKind::Ordinary,
            },
            persistence: if persistence == "u" { Persistence::Unlogged } else { Persistence::Permanent },
            extension: member.map(|member| member.extension.clone()),
            configuration: member.and_then(|member| member.condition.clone()),
            columns: self.columns.remove(&oid).unwrap_or_default().into_facts(),
            replica_identity,
            row_security,
            owner: client.get(row, 8)?,
            readable: client.get(row, 9)?,
            owned: client.get(row, 10)?,
            bytes: heap + toast,
            blocks: block.and_then(|block| u64::try_from(heap / block).ok()).unwrap_or(0),
            rows: client.get::<Option<i64>>(row, 14)?.and_then(|rows| u64::try_from(rows).ok()),
            indexes: u64::try_from(client.get::<i64>(row, 15)?).unwrap_or(0),
            has_rows: false,
            replica_triggers: client.get(row, 16)?,
            present: client.get(row, 17)?,
            referenced: client.get(row, 18)?,
            identity_index,
            ancestors,
            parent: client.get(row, 20)?,
            load_through,
        })
    }
}

/// Names from a flat list of schema, name, schema, name: arrays of arrays cannot be read.
pub(super) fn names_in_pairs(parts: &[String]) -> Vec<QualifiedName> {
    parts.chunks_exact(2).map(|pair| QualifiedName::new(&pair[0], &pair[1])).collect()
}

const SEQUENCES: &str = "
select c.oid, n.nspname::text, c.relname::text,
       pg_catalog.has_sequence_privilege(c.oid, 'SELECT') and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'S' and (c.relpersistence = 'p' or c.relpersistence = 'u' and not pg_catalog.pg_is_in_recovery())
  and c.oid >= $1 and n.nspname <> $2
order by 2, 3";

/// Sequences, those of serial and identity columns included, but for unlogged ones on a standby, which has no value of theirs.
pub(super) async fn sequences(client: &Client, members: &BTreeMap<u32, Member>) -> Result<Vec<Sequence>, PgError> {
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&FIRST_USER_OID, Type::OID), (&JOURNAL_SCHEMA, Type::TEXT)];
    let rows = client.query("list sequences", SEQUENCES, parameters).await?;
    rows.iter()
        .map(|row| {
            let member = members.get(&client.get(row, 0)?);
            Ok(Sequence {
                name: QualifiedName::new(client.get::<String>(row, 1)?, client.get::<String>(row, 2)?),
                extension: member.map(|member| member.extension.clone()),
                readable: client.get(row, 3)?,
                configuration: member.is_some_and(|member| member.condition.is_some()),
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
