//! What users have said of objects that are the system's or an extension's: privileges and security labels.

use super::fragments::{Versions, excluded_extensions, granted, identified, member_of, only};
use super::{Class, Scope};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes(versions: Versions, scope: &Scope) -> Vec<Class> {
    [privileges(versions, scope), labels(scope)]
        .map(|objects| Class { sparse: true, ..Class::new("system object", objects) })
        .into_iter()
        .collect()
}

/// What was granted or revoked since the objects were made. How the privileges of the information schema began, `pg_init_privs`
/// does not know: everybody may read what is meant to be read.
fn privileges(versions: Versions, scope: &Scope) -> Sql {
    sql!(
        "with object(class, oid, sub, acl, kind, owner, open) as (
            select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, oid, 0, relacl,
                   (case relkind when 'S' then 's' else 'r' end)::\"char\", relowner,
                   relnamespace = pg_catalog.to_regnamespace('information_schema')
                       and relname !~ '^(_|sql_parts$|transforms$)'
            from pg_catalog.pg_class where relkind in ('r', 'v', 'm', 'S', 'f', 'p')
            union all select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, a.attrelid, a.attnum, a.attacl,
                   'c'::\"char\", c.relowner, false
            from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
            where a.attnum <> 0 and not a.attisdropped
            union all select 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, oid, 0, proacl, 'f', proowner, false
            from pg_catalog.pg_proc
            union all select 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, oid, 0, typacl, 'T', typowner, false
            from pg_catalog.pg_type
            union all select 'pg_catalog.pg_language'::pg_catalog.regclass::pg_catalog.oid, oid, 0, lanacl, 'l', lanowner, false
            from pg_catalog.pg_language
            union all select 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, oid, 0, nspacl, 'n', nspowner,
                   nspname = 'information_schema'
            from pg_catalog.pg_namespace where nspname <> 'public'
            union all select 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass::pg_catalog.oid, oid, 0, fdwacl, 'F',
                   fdwowner, false
            from pg_catalog.pg_foreign_data_wrapper
            union all select 'pg_catalog.pg_foreign_server'::pg_catalog.regclass::pg_catalog.oid, oid, 0, srvacl, 'S', srvowner,
                   false
            from pg_catalog.pg_foreign_server
        ), began(class, oid, sub, owner, acl, usual, initial) as (
            select o.class, o.oid, o.sub, o.owner, o.acl, pg_catalog.acldefault(o.kind, o.owner),
                   case when o.open then pg_catalog.acldefault(o.kind, o.owner) || pg_catalog.makeaclitem(
                       0, o.owner, case o.kind when 'n' then 'USAGE' else 'SELECT' end, false) else i.initprivs end
            from object o
            left join pg_catalog.pg_init_privs i on i.classoid = o.class and i.objoid = o.oid and i.objsubid = o.sub
            where (o.acl is not null or i.initprivs is not null or o.open)
              and (o.oid < 16384 or {})
        ), changed(class, oid, sub, owner, acl, initial) as (
            select class, oid, sub, owner, coalesce(acl, usual), coalesce(initial, usual)
            from began where acl is distinct from initial
        )
        select {}, {}, pg_catalog.jsonb_build_object('granted to', {}, 'revoked from', {})
        from changed c
        cross join lateral pg_catalog.pg_identify_object(c.class, c.oid, c.sub) p",
        member_of_carried("o.class", "o.oid", scope),
        NOWHERE,
        identified("p"),
        granted(versions, only("acl", "initial"), "c.owner"),
        granted(versions, only("initial", "acl"), "c.owner")
    )
}

/// Labels on what is no user's own; the others come with their objects.
fn labels(scope: &Scope) -> Sql {
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object(
            'security label of', pg_catalog.jsonb_object_agg(s.provider, s.label))
        from pg_catalog.pg_seclabel s
        cross join lateral pg_catalog.pg_identify_object(s.classoid, s.objoid, s.objsubid) p
        where s.classoid <> 'pg_catalog.pg_largeobject'::pg_catalog.regclass
          and (s.objoid < 16384 and p.identity <> 'public' or {})
        group by p.type, p.identity",
        NOWHERE,
        identified("p"),
        member_of_carried("s.classoid", "s.objoid", scope)
    )
}

/// Whether it is a member of an extension that a migration carries.
fn member_of_carried(class: &'static str, oid: &'static str, scope: &Scope) -> Sql {
    member_of(class, oid, &sql!("e.extname not in ({})", excluded_extensions(scope)))
}

/// No address: what else is attached to these objects came with them.
const NOWHERE: &str = "0::pg_catalog.oid, 0::pg_catalog.oid, 0";
