//! What needs an extension that is to be left out, or is said of its members.

use tokio_postgres::types::Type;

use crate::facts::{Dependent, GrantedMember};
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

/// Of relations their columns, too. What the extension granted itself is in `pg_init_privs`.
const GRANTED: &str = "
with object(classid, oid, subid, acl, name) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, c.oid, 0, c.relacl,
           pg_catalog.concat(case c.relkind when 'S' then 'SEQUENCE ' else 'TABLE ' end, n.nspname, '.', c.relname)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    union all
    select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, a.attnum, a.attacl,
           pg_catalog.concat('TABLE ', n.nspname, '.', c.relname)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid
    union all
    select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0, p.proacl,
           pg_catalog.concat(case p.prokind when 'p' then 'PROCEDURE ' else 'FUNCTION ' end, n.nspname, '.', p.proname, '(',
               (select pg_catalog.string_agg(pg_catalog.format_type(t.oid, null), ', ' order by t.place)
                from pg_catalog.unnest(p.proargtypes) with ordinality t(oid, place)), ')')
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 0, t.typacl,
           pg_catalog.concat('TYPE ', n.nspname, '.', t.typname)
    from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    union all
    select 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, 0, nspacl, pg_catalog.concat('SCHEMA ', nspname)
    from pg_catalog.pg_namespace
    union all
    select 'pg_catalog.pg_language'::pg_catalog.regclass, oid, 0, lanacl, pg_catalog.concat('LANGUAGE ', lanname)
    from pg_catalog.pg_language
    union all
    select 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, 0, fdwacl,
           pg_catalog.concat('FOREIGN DATA WRAPPER ', fdwname)
    from pg_catalog.pg_foreign_data_wrapper
    union all
    select 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid, 0, srvacl,
           pg_catalog.concat('FOREIGN SERVER ', srvname)
    from pg_catalog.pg_foreign_server
)
select distinct x.extname::text, o.name
from pg_catalog.pg_extension x
join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.refobjid = x.oid
                           and d.deptype = 'e'
join object o on o.classid = d.classid and o.oid = d.objid
left join pg_catalog.pg_init_privs p on p.classoid = o.classid and p.objoid = o.oid and p.objsubid = o.subid
where x.extname::text = any ($1) and o.acl is distinct from p.initprivs
order by 1, 2";

/// Members of the extensions `names` whose privileges somebody has changed.
pub(super) async fn granted_members(client: &Client, names: &[String]) -> Result<Vec<GrantedMember>, PgError> {
    let doing = "list privileges on members of extensions";
    let rows = client.query(doing, GRANTED, &[(&names, Type::TEXT_ARRAY)]).await?;
    let unquoted = |name: String| name.replace('"', "");
    rows.iter()
        .map(|row| Ok(GrantedMember { extension: client.get(row, 0)?, object: unquoted(client.get(row, 1)?) }))
        .collect()
}
