//! Columns of everything that has some, composite types included.

use super::Class;
use super::fragments::{Versions, collation, granted, guarded_options, options, relations, schema, users, when};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes(versions: Versions) -> Vec<Class> {
    vec![
        Class::new("column", columns(versions)),
        Class { sparse: true, ..Class::new("column", unnamed_columns(versions)) },
    ]
}

/// Positions count live columns only: dropped ones are not carried. Where columns are inherited, pg_dump writes them in the
/// parent's order. What is as the type says is left out: it makes the
/// answer small. An unset statistics target is null from 17 on and -1 before.
fn columns(versions: Versions) -> Sql {
    sql!(
        "with {}
        select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, a.attrelid, a.attnum::int4,
               r.name || '.' || pg_catalog.quote_ident(a.attname),
               pg_catalog.jsonb_build_object(
            'position', pg_catalog.row_number() over (partition by a.attrelid order by a.attnum),
            'incomparable', case when not c.relispartition and exists (
                select from pg_catalog.pg_inherits i where i.inhrelid = c.oid) then '[\"position\"]'::jsonb end,
            'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'collation', case when a.attcollation <> t.typcollation then {} end,
            'not null', nullif(a.attnotnull, false),
            'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end,
            'generated', case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end,
            '@table', r.name,
            case when a.attgenerated = '' then 'default' else 'generation expression' end,
            case when a.atthasdef then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
            'statistics target', nullif(a.attstattarget, -1),
            'storage', case when a.attstorage <> t.typstorage then case a.attstorage
                when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end,
            'option', {}, 'foreign table option', {},
            'inherited only', nullif(not a.attislocal, false),
            'privileges of', {} {})
        from relation r
        join pg_catalog.pg_class c on c.oid = r.oid
        join pg_catalog.pg_attribute a on a.attrelid = r.oid
        join pg_catalog.pg_type t on t.oid = a.atttypid
        left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attnum > 0 and not a.attisdropped",
        relations(),
        collation("a.attcollation"),
        options("a.attoptions"),
        guarded_options("a.attfdwoptions"),
        granted(versions, Sql::from("pg_catalog.aclexplode(a.attacl)"), "r.owner"),
        when(
            versions.common().compresses_columns(),
            ", 'compression', case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end"
        )
    )
}

/// Columns that nobody has defined, where somebody was granted something on them: system columns, and those of sequences.
fn unnamed_columns(versions: Versions) -> Sql {
    sql!(
        "select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid, a.attnum::int4,
               c.oid::pg_catalog.regclass::text || '.' || pg_catalog.quote_ident(a.attname),
               pg_catalog.jsonb_build_object('privileges of', {})
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_class c on c.oid = a.attrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where a.attacl is not null and (a.attnum < 0 or c.relkind = 'S') and c.relpersistence <> 't' and {} and {}",
        granted(versions, Sql::from("pg_catalog.aclexplode(a.attacl)"), "c.relowner"),
        schema("n.nspname"),
        users("pg_class", "c.oid")
    )
}
