//! Materialized views of one database, and what they read.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::{ToSql, Type};

use super::relations::FIRST_USER_OID;
use crate::facts::MaterializedView;
use crate::pg::{Client, PgError};
use crate::sql::QualifiedName;

const MATERIALIZED_VIEWS: &str = "
select c.oid, n.nspname::text, c.relname::text, c.relispopulated, e.extname::text
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
     and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
left join pg_catalog.pg_extension e on e.oid = d.refobjid
where c.relkind = 'm' order by 2, 3";

/// Who reads whom, among views and materialized views.
const READS: &str = "
select distinct w.ev_class, d.refobjid
from pg_catalog.pg_rewrite w
join pg_catalog.pg_class reader on reader.oid = w.ev_class and reader.relkind in ('v', 'm')
join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
     and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('v', 'm')
where w.ev_class <> d.refobjid and w.ev_class >= $1";

/// Views and materialized views that call functions which the system did not bring, or those of the system that run a query
/// which they are given as text. On the latter nothing depends in the catalog.
const CALLERS: &str = "
select w.ev_class
from pg_catalog.pg_rewrite w
join pg_catalog.pg_class reader on reader.oid = w.ev_class and reader.relkind in ('v', 'm')
where w.ev_class >= $1 and (
    exists (select from pg_catalog.pg_depend d
            where d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid and d.refobjid >= $1
              and d.refclassid in ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))
    or pg_catalog.pg_get_viewdef(w.ev_class) ~ '_to_xml|ts_stat|ts_rewrite')";

/// Materialized views, each after those it reads, directly or through views.
pub(super) async fn materialized_views(client: &Client) -> Result<Vec<MaterializedView>, PgError> {
    let first: &[(&(dyn ToSql + Sync), Type)] = &[(&FIRST_USER_OID, Type::OID)];
    let rows = client.query("list materialized views", MATERIALIZED_VIEWS, &[]).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (edges, callers) = tokio::try_join!(
        client.query("list what views read", READS, first),
        client.query("list views that call functions", CALLERS, first),
    )?;
    let mut views = BTreeMap::new();
    let mut listed = Vec::new();
    for row in &rows {
        let oid: u32 = client.get(row, 0)?;
        listed.push(oid);
        views.insert(
            oid,
            MaterializedView {
                name: QualifiedName::new(client.get::<String>(row, 1)?, client.get::<String>(row, 2)?),
                populated: client.get(row, 3)?,
                needed: false,
                opaque: false,
                extension: client.get(row, 4)?,
            },
        );
    }
    let mut reads: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for row in &edges {
        reads.entry(client.get(row, 0)?).or_default().push(client.get(row, 1)?);
    }
    let callers = callers.iter().map(|row| client.get(row, 0)).collect::<Result<BTreeSet<u32>, _>>()?;
    let order = in_order(&listed, &reads);
    let opaque = opaque(&order, &reads, callers);
    let populated: Vec<_> = views.iter().filter(|(_, view)| view.populated).map(|(oid, _)| *oid).collect();
    let read: BTreeSet<_> = in_order(&populated, &reads).into_iter().collect();
    let ordered = order.iter().filter_map(|oid| {
        let view = views.remove(oid)?;
        let needed = !view.populated && read.contains(oid);
        Some(MaterializedView { opaque: opaque.contains(oid), needed, ..view })
    });
    Ok(ordered.collect())
}

/// `relations` and all they read, each after what it reads.
fn in_order(relations: &[u32], reads: &BTreeMap<u32, Vec<u32>>) -> Vec<u32> {
    fn visit(relation: u32, reads: &BTreeMap<u32, Vec<u32>>, seen: &mut BTreeSet<u32>, order: &mut Vec<u32>) {
        if seen.insert(relation) {
            for &read in reads.get(&relation).into_iter().flatten() {
                visit(read, reads, seen, order);
            }
            order.push(relation);
        }
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for &relation in relations {
        visit(relation, reads, &mut seen, &mut order);
    }
    order
}

/// `callers`, and whatever of `order`, in which each comes after what it reads, reads one of them.
fn opaque(order: &[u32], reads: &BTreeMap<u32, Vec<u32>>, callers: BTreeSet<u32>) -> BTreeSet<u32> {
    let mut opaque = callers;
    for relation in order {
        if reads.get(relation).into_iter().flatten().any(|read| opaque.contains(read)) {
            opaque.insert(*relation);
        }
    }
    opaque
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_come_after_what_they_read_through_other_views() {
        // 1 reads view 9, which reads 2; 3 reads nothing.
        let reads = BTreeMap::from([(1, vec![9]), (9, vec![2])]);
        assert_eq!(in_order(&[1, 2, 3], &reads), [2, 9, 1, 3]);
    }

    #[test]
    fn whoever_reads_a_caller_is_opaque_too() {
        let reads = BTreeMap::from([(1, vec![9]), (9, vec![2]), (4, vec![3])]);
        assert_eq!(opaque(&[2, 9, 1, 3, 4], &reads, BTreeSet::from([9])), BTreeSet::from([1, 9]));
    }
}
