//! What needs an extension that is to be left out.

use tokio_postgres::types::Type;

use crate::facts::Dependent;
use crate::pg::{Client, PgError};

/// Array types come with the type that they are of, rules and defaults are part of their relation.
const QUERY: &str = "
with excluded as (
    select oid, extname::text as name from pg_catalog.pg_extension where extname::text = any ($1)
), member(extension, classid, objid) as (
    select x.name, d.classid, d.objid
    from excluded x join pg_catalog.pg_depend d
      on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.refobjid = x.oid and d.deptype = 'e'
), used as (
    select * from member
    union all select m.extension, m.classid, t.oid
    from member m join pg_catalog.pg_type t
      on m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.typelem = m.objid and t.typcategory = 'A'
    union all select name, 'pg_catalog.pg_extension'::pg_catalog.regclass, oid from excluded
), dependent as (
    select distinct u.extension,
           case when d.classid in ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_attrdef'::pg_catalog.regclass)
                then 'pg_catalog.pg_class'::pg_catalog.regclass::oid else d.classid end as classid,
           coalesce(r.ev_class, a.adrelid, d.objid) as objid
    from used u
    join pg_catalog.pg_depend d on d.refclassid = u.classid and d.refobjid = u.objid and d.deptype in ('n', 'a', 'x')
    left join pg_catalog.pg_rewrite r on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
    left join pg_catalog.pg_attrdef a on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and a.oid = d.objid
)
select d.extension, i.type || ' ' || i.identity
from dependent d, pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
where not exists (select from used u where u.classid = d.classid and u.objid = d.objid)
  and i.identity is not null
  -- Parts of operator classes.
  and d.classid not in ('pg_catalog.pg_amop'::pg_catalog.regclass, 'pg_catalog.pg_amproc'::pg_catalog.regclass)
order by 1, 2";

/// Objects outside the extensions `names` that use one of their members.
pub(super) async fn dependents(client: &Client, names: &[String]) -> Result<Vec<Dependent>, PgError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client.query("list what needs extensions", QUERY, &[(&names, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok(Dependent { extension: client.get(row, 0)?, object: client.get(row, 1)? })).collect()
}
