//! Types of every kind, domains, and what constrains domains.

use super::Class;
use super::fragments::{Versions, address, collation, function, privileges, qualified, role, schema, users, when};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes(versions: Versions) -> Vec<Class> {
    vec![
        Class::new("type", types(versions)),
        Class::new("domain", domains(versions)),
        Class::new("domain constraint", domain_constraints(versions)),
    ]
}

/// Neither row types of tables, nor arrays and multiranges that come with a type. A shell type is only announced.
fn types(versions: Versions) -> Sql {
    sql!(
        "select {}, pg_catalog.format_type(t.oid, null), pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {},
            'kind', case when not t.typisdefined then 'shell' else case t.typtype
                when 'e' then 'enum' when 'c' then 'composite' when 'r' then 'range' else 'base' end end,
            'labels', (select pg_catalog.jsonb_agg(e.enumlabel order by e.enumsortorder)
                       from pg_catalog.pg_enum e where e.enumtypid = t.oid),
            'subtype', r.rngsubtype::pg_catalog.regtype::text, 'subtype collation', {},
            'subtype operator class', (select {} from pg_catalog.pg_opclass o
                join pg_catalog.pg_namespace n on n.oid = o.opcnamespace where o.oid = r.rngsubopc),
            'canonical function', {}, 'difference function', {} {})
            || case when t.typtype = 'b' and t.typisdefined then pg_catalog.jsonb_build_object(
                'input', {}, 'output', {}, 'receive', {}, 'send', {}, 'modifier input', {}, 'modifier output', {},
                'analyze', {}, 'length', t.typlen, 'by value', t.typbyval, 'alignment', t.typalign,
                'storage', t.typstorage, 'category', t.typcategory, 'preferred', t.typispreferred,
                'delimiter', t.typdelim, 'default', t.typdefault, 'collatable', t.typcollation <> 0,
                'element', nullif(t.typelem, 0)::pg_catalog.regtype::text {}) else pg_catalog.jsonb_build_object() end
        from pg_catalog.pg_type t
        join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        left join pg_catalog.pg_range r on r.rngtypid = t.oid
        left join pg_catalog.pg_class c on c.oid = t.typrelid
        where t.typtype in ('b', 'c', 'e', 'r', 'p') and (c.oid is null or c.relkind = 'c')
          and not exists (select from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid) and {} and {}",
        address("pg_type", "t.oid"),
        role("t.typowner"),
        privileges(versions, "t.typacl", "T", "t.typowner"),
        collation("r.rngcollation"),
        qualified("n.nspname", "o.opcname"),
        function("r.rngcanonical"),
        function("r.rngsubdiff"),
        when(
            versions.common().has_multiranges(),
            ", 'multirange', nullif(r.rngmultitypid, 0)::pg_catalog.regtype::text"
        ),
        function("t.typinput"),
        function("t.typoutput"),
        function("t.typreceive"),
        function("t.typsend"),
        function("t.typmodin"),
        function("t.typmodout"),
        function("t.typanalyze"),
        when(
            versions.common().has_subscripting_functions(),
            ", 'subscript', nullif(t.typsubscript, 0)::pg_catalog.regproc::text"
        ),
        schema("n.nspname"),
        users("pg_type", "t.oid")
    )
}

fn domains(versions: Versions) -> Sql {
    sql!(
        "select {}, pg_catalog.format_type(t.oid, null), pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {},
            'base type', pg_catalog.format_type(t.typbasetype, t.typtypmod),
            'collation', case when t.typcollation <> b.typcollation then {} end,
            'not null', t.typnotnull, 'default', coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault))
        from pg_catalog.pg_type t
        join pg_catalog.pg_type b on b.oid = t.typbasetype
        join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where t.typtype = 'd' and {} and {}",
        address("pg_type", "t.oid"),
        role("t.typowner"),
        privileges(versions, "t.typacl", "T", "t.typowner"),
        collation("t.typcollation"),
        schema("n.nspname"),
        users("pg_type", "t.oid")
    )
}

/// NOT NULL is the domain's own property, and has a name that is carried from 18 on.
fn domain_constraints(versions: Versions) -> Sql {
    sql!(
        "select {}, pg_catalog.quote_ident(k.conname) || ' on ' || pg_catalog.format_type(t.oid, null),
               pg_catalog.jsonb_build_object(
            '@type', pg_catalog.format_type(t.typbasetype, t.typtypmod),
            'expression', pg_catalog.pg_get_expr(k.conbin, 0), 'validated', k.convalidated)
        from pg_catalog.pg_constraint k
        join pg_catalog.pg_type t on t.oid = k.contypid
        join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where (k.contype = 'c' {}) and {} and {}",
        address("pg_constraint", "k.oid"),
        when(versions.common().has_named_not_null_constraints(), "or k.contype = 'n'"),
        schema("n.nspname"),
        users("pg_type", "t.oid")
    )
}
