//! Objects that come with another one, and what somebody has said of them all the same. No dump carries that.

use super::Class;
use super::fragments::{Versions, granted, identified, only, schema, when};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes(versions: Versions) -> Vec<Class> {
    vec![Class { sparse: true, ..Class::new("dependent object", dependents(versions)) }]
}

/// Row types of tables, arrays, multiranges, the constraint of a constraint trigger, the rule that makes a view, and foreign keys
/// of partitions, as far as they have privileges or a comment of their own.
fn dependents(versions: Versions) -> Sql {
    sql!(
        "with dependent(class, oid, acl, owner) as (
            select t.tableoid, t.oid, t.typacl, t.typowner
            from pg_catalog.pg_type t
            left join pg_catalog.pg_class c on c.oid = t.typrelid
            where c.relkind <> 'c' {} or exists (
                select from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid)
            union all select k.tableoid, k.oid, null, null
            from pg_catalog.pg_constraint k
            where k.contype = 't' or k.contype = 'f' and k.conparentid <> 0
            union all select w.tableoid, w.oid, null, null
            from pg_catalog.pg_rewrite w where w.rulename = '_RETURN'
        ), changed(class, oid, owner, acl, initial) as (
            select d.class, d.oid, d.owner, coalesce(d.acl, pg_catalog.acldefault('T', d.owner)),
                   pg_catalog.acldefault('T', d.owner)
            from dependent d
            where d.oid >= 16384 and (d.acl is not null or exists (
                select from pg_catalog.pg_description s where s.classoid = d.class and s.objoid = d.oid and s.objsubid = 0)
                or exists (select from pg_catalog.pg_seclabel s where s.classoid = d.class and s.objoid = d.oid))
        )
        select c.class, c.oid, 0, {}, pg_catalog.jsonb_build_object(
            'granted to', {}, 'revoked from', {})
        from changed c
        cross join lateral pg_catalog.pg_identify_object(c.class, c.oid, 0) p
        where p.schema is null or {}",
        when(versions.own.has_multiranges(), "or t.typtype = 'm'"),
        identified("p"),
        granted(versions, only("acl", "initial"), "c.owner"),
        granted(versions, only("initial", "acl"), "c.owner"),
        schema("p.schema")
    )
}
