//! Objects of a source database that not every user may create on another server.

use tokio_postgres::types::Type;

use super::relations::FIRST_USER_OID;
use crate::facts::{Reserved, ReservedObject};
use crate::pg::{Client, PgError};

/// Kinds by their names in [`QUERY`].
const KINDS: &[Reserved] = &[
    Reserved::Privileges,
    Reserved::DefaultPrivileges,
    Reserved::SecurityLabels,
    Reserved::Functions,
    Reserved::Types,
    Reserved::Casts,
    Reserved::OperatorClasses,
    Reserved::TextSearch,
    Reserved::Languages,
    Reserved::ForeignDataWrappers,
    Reserved::AccessMethods,
];

/// Members of extensions are left out: they come with it. So are aggregates and what a range type brings: nobody needs a
/// superuser for the functions that the server puts behind them. Privileges only where somebody else than the owner granted them,
/// and of schema `public` when they are not those of every new database.
const QUERY: &str = "
with member as (
    select classid, objid from pg_catalog.pg_depend where deptype = 'e'
), object(kind, classid, oid, role) as (
    select 'functions', 'pg_catalog.pg_proc'::pg_catalog.regclass::oid, p.oid, null::oid
    from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
    where (l.lanname in ('c', 'internal') or p.proleakproof or p.prosupport <> 0) and p.prokind <> 'a'
      and not exists (select from pg_catalog.pg_depend d
                      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'i')
    union all select 'types', 'pg_catalog.pg_type'::pg_catalog.regclass, oid, null from pg_catalog.pg_type
    where typtype = 'b' and typinput >= $1
    union all select 'casts', 'pg_catalog.pg_cast'::pg_catalog.regclass, oid, null from pg_catalog.pg_cast
    where castmethod = 'b' or castsource < $1 and casttarget < $1
    union all select 'operator_classes', 'pg_catalog.pg_opclass'::pg_catalog.regclass, oid, null from pg_catalog.pg_opclass
    union all select 'operator_classes', 'pg_catalog.pg_opfamily'::pg_catalog.regclass, oid, null
    from pg_catalog.pg_opfamily
    union all select 'text_search', 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, oid, null
    from pg_catalog.pg_ts_parser
    union all select 'text_search', 'pg_catalog.pg_ts_template'::pg_catalog.regclass, oid, null
    from pg_catalog.pg_ts_template
    union all select 'languages', 'pg_catalog.pg_language'::pg_catalog.regclass, oid, null from pg_catalog.pg_language
    union all select 'foreign_data_wrappers', 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, null
    from pg_catalog.pg_foreign_data_wrapper
    union all select 'foreign_data_wrappers', 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid, null
    from pg_catalog.pg_foreign_server
    union all select 'access_methods', 'pg_catalog.pg_am'::pg_catalog.regclass, oid, null from pg_catalog.pg_am
    union all select 'default_privileges', 'pg_catalog.pg_default_acl'::pg_catalog.regclass, oid, defaclrole
    from pg_catalog.pg_default_acl
), granted(classid, oid, owner, acl) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, oid, relowner, relacl from pg_catalog.pg_class
    union all select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, c.relowner, a.attacl
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, proowner, proacl from pg_catalog.pg_proc
    union all select 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, nspowner, nspacl from pg_catalog.pg_namespace
    union all select 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typowner, typacl from pg_catalog.pg_type
    union all select 'pg_catalog.pg_language'::pg_catalog.regclass, oid, lanowner, lanacl from pg_catalog.pg_language
    union all select 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, fdwowner, fdwacl
    from pg_catalog.pg_foreign_data_wrapper
    union all select 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid, srvowner, srvacl
    from pg_catalog.pg_foreign_server
)
select o.kind, coalesce(i.identity, ''), pg_catalog.pg_get_userbyid(o.role)::text
from object o, pg_catalog.pg_identify_object(o.classid, o.oid, 0) i
where o.oid >= $1 and not exists (select from member m where m.classid = o.classid and m.objid = o.oid)
union
select 'privileges', coalesce(i.identity, ''), pg_catalog.pg_get_userbyid(a.grantor)::text
from granted g, pg_catalog.aclexplode(g.acl) a, pg_catalog.pg_identify_object(g.classid, g.oid, 0) i
where g.acl is not null and a.grantor <> g.owner and g.oid >= $1
union
select 'privileges', 'public', null
from pg_catalog.pg_namespace n
left join pg_catalog.pg_init_privs p
     on p.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and p.objoid = n.oid and p.objsubid = 0
where n.nspname = 'public' and (n.nspacl is distinct from p.initprivs or n.nspowner >= $1)
order by 1, 2, 3";

/// A superuser, too, needs the provider of a label.
const LABELS: &str = "
with labelled as (
    select classoid, objoid from pg_catalog.pg_seclabel
    where objoid >= $1 or classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass
    union select l.classoid, l.objoid from pg_catalog.pg_shseclabel l
    join pg_catalog.pg_database d on d.oid = l.objoid and d.datname = pg_catalog.current_database()
    where l.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
)
select 'security_labels', coalesce(i.identity, ''), null::text
from labelled l, pg_catalog.pg_identify_object(l.classoid, l.objoid, 0) i
order by 2";

/// Whatever the target's user may not create, by kind and identity. A superuser may create all but labels without a provider.
pub(super) async fn reserved(client: &Client, for_superuser: bool) -> Result<Vec<ReservedObject>, PgError> {
    let mut found = ask(client, LABELS).await?;
    if !for_superuser {
        found.extend(ask(client, QUERY).await?);
    }
    Ok(found)
}

async fn ask(client: &Client, query: &'static str) -> Result<Vec<ReservedObject>, PgError> {
    let rows = client.query("list what only some users may create", query, &[(&FIRST_USER_OID, Type::OID)]).await?;
    let mut found = Vec::new();
    for row in &rows {
        let kind: String = client.get(row, 0)?;
        let Some(kind) = KINDS.iter().copied().find(|known| known.name() == kind) else { continue };
        found.push(ReservedObject { kind, identity: client.get(row, 1)?, role: client.get(row, 2)? });
    }
    Ok(found)
}
