//! What users have added to operator families that are not theirs.

use tokio_postgres::types::Type;

use super::relations::FIRST_USER_OID;
use crate::facts::FamilyAddition;
use crate::pg::{Client, PgError};

/// What an operator class brought depends on the class, and goes with it. An extension's script may add to any family what is
/// the extension's or the system's: no addition of a user, and of those that a user made of nothing else nobody can tell.
/// Array types of an extension's types are no members of it.
const QUERY: &str = "
with addition(class, oid, family, text, catalog, object, types) as (
    select 'pg_catalog.pg_amop'::pg_catalog.regclass, o.oid, o.amopfamily,
           pg_catalog.concat('OPERATOR ', o.amopstrategy, ' ', o.amopopr::pg_catalog.regoperator,
                (select pg_catalog.format(' FOR ORDER BY %I.%I', n.nspname, s.opfname) from pg_catalog.pg_opfamily s
                 join pg_catalog.pg_namespace n on n.oid = s.opfnamespace where s.oid = o.amopsortfamily)),
           'pg_catalog.pg_operator'::pg_catalog.regclass, o.amopopr, array[o.amoplefttype, o.amoprighttype]
    from pg_catalog.pg_amop o where o.oid >= $1
    union all
    select 'pg_catalog.pg_amproc'::pg_catalog.regclass, p.oid, p.amprocfamily,
           pg_catalog.format('FUNCTION %s (%s, %s) %s', p.amprocnum, p.amproclefttype::pg_catalog.regtype,
                p.amprocrighttype::pg_catalog.regtype, p.amproc::pg_catalog.oid::pg_catalog.regprocedure),
           'pg_catalog.pg_proc'::pg_catalog.regclass, p.amproc::pg_catalog.oid, array[p.amproclefttype, p.amprocrighttype]
    from pg_catalog.pg_amproc p where p.oid >= $1
), member(class, oid) as (
    select classid, objid from pg_catalog.pg_depend where deptype = 'e'
)
select pg_catalog.format('%I.%I USING %I', n.nspname, f.opfname, m.amname), a.text
from addition a
join pg_catalog.pg_opfamily f on f.oid = a.family
join pg_catalog.pg_namespace n on n.oid = f.opfnamespace
join pg_catalog.pg_am m on m.oid = f.opfmethod
where not exists (select from pg_catalog.pg_depend d where d.classid = a.class and d.objid = a.oid
                  and d.refclassid = 'pg_catalog.pg_opclass'::pg_catalog.regclass)
  and (f.oid < $1 or ('pg_catalog.pg_opfamily'::pg_catalog.regclass, f.oid) in (select * from member))
  and (a.object >= $1 and (a.catalog, a.object) not in (select * from member)
       or exists (select from pg_catalog.pg_type t
                  where t.oid = any (a.types) and t.oid >= $1 and t.typcategory <> 'A'
                    and ('pg_catalog.pg_type'::pg_catalog.regclass, t.oid) not in (select * from member)))
order by 1, 2";

/// What users have added to operator families of extensions and of the system, which no dump carries.
pub(super) async fn additions(client: &Client) -> Result<Vec<FamilyAddition>, PgError> {
    let rows = client.query("list additions to operator families", QUERY, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter().map(|row| Ok(FamilyAddition { family: client.get(row, 0)?, member: client.get(row, 1)? })).collect()
}
