//! Tables, views, materialized views and sequences.

use super::fragments::{
    Versions, address, depends_on_extensions, guarded_options, members, options, privileges, relations, role, schema,
    users, when,
};
use super::{Class, Scope};
use crate::sql;
use crate::sql::{Literal, Sql};

/// `alike`: extensions that both sides have alike.
pub(super) fn classes(versions: Versions, scope: &Scope, alike: &[String]) -> Vec<Class> {
    vec![
        Class::new("table", tables(versions, scope)),
        Class { sparse: true, ..Class::new("table", tables_of_extensions(alike)) },
        Class::new("view", views(versions)),
        Class::new("materialized view", materialized_views(versions, scope)),
        Class::new("sequence", sequences(versions)),
    ]
}

/// Partitioned tables have an access method from 17 on; that one is unlogged has never meant anything, and cannot be said from 18
/// on. Row level security that binds a table's owner may come at the finish of replication. Rows of a partition whose detaching
/// was broken off are not found through its parent. Triggers that check a foreign key, or that check again at the end, can be
/// switched off with all others.
fn tables(versions: Versions, scope: &Scope) -> Sql {
    sql!(
        "with {}
        select {}, r.name, pg_catalog.jsonb_build_object(
            '@name', r.name,
            'kind', case r.kind when 'r' then 'ordinary' when 'p' then 'partitioned' else 'foreign' end,
            'persistence', case when r.kind = 'p' then null when c.relpersistence = 'u' then 'unlogged' else 'permanent' end,
            'owner', {}, 'privileges of', {},
            'partition key', pg_catalog.pg_get_partkeydef(c.oid),
            'partition bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
            'constraint triggers of', (
                select pg_catalog.jsonb_object_agg(k.conname, case g.tgenabled when 'D' then 'disabled' when 'R' then 'replica'
                           else 'always' end order by g.tgenabled)
                from pg_catalog.pg_trigger g join pg_catalog.pg_constraint k on k.oid = g.tgconstraint
                where g.tgrelid = c.oid and g.tgisinternal and g.tgenabled <> 'O' and k.contype <> 't'),
            'parents', (select pg_catalog.jsonb_agg(i.inhparent::pg_catalog.regclass::text order by i.inhseqno)
                        from pg_catalog.pg_inherits i where i.inhrelid = c.oid),
            'option', {}, 'TOAST option', {},
            'access method', case when r.kind = 'r' {} then
                (select am.amname from pg_catalog.pg_am am where am.oid = c.relam) end,
            'replica identity', case c.relreplident
                when 'd' then null when 'n' then 'nothing' when 'f' then 'full'
                else (select 'index ' || i.indexrelid::pg_catalog.regclass
                      from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisreplident) end,
            'row security', nullif(c.relrowsecurity {}, false),
            'row security for the owner', nullif(c.relforcerowsecurity, false),
            'row type', nullif(c.reloftype, 0)::pg_catalog.regtype::text,
            'server', (select s.srvname from pg_catalog.pg_foreign_table f
                       join pg_catalog.pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid),
            'foreign table option', (select {} from pg_catalog.pg_foreign_table f where f.ftrelid = c.oid) {})
        from relation r
        join pg_catalog.pg_class c on c.oid = r.oid
        left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
        where r.kind in ('r', 'p', 'f')",
        relations(),
        address("pg_class", "c.oid"),
        role("c.relowner"),
        privileges(versions, "c.relacl", "r", "c.relowner"),
        options("c.reloptions"),
        options("t.reloptions"),
        when(versions.common().has_access_method_of_partitioned_tables(), "or r.kind = 'p'"),
        when(scope.replicating, "and not c.relforcerowsecurity"),
        guarded_options("f.ftoptions"),
        when(
            versions.common().detaches_concurrently(),
            ", 'detach pending', nullif((select pg_catalog.bool_or(i.inhdetachpending)
                                         from pg_catalog.pg_inherits i where i.inhrelid = c.oid), false)"
        )
    )
}

/// What guards the rows of a member, besides privileges: no dump carries it.
fn tables_of_extensions(alike: &[String]) -> Sql {
    sql!(
        "with {}
        select 0::pg_catalog.oid, 0::pg_catalog.oid, 0, r.name, pg_catalog.jsonb_build_object(
            'row security', nullif(c.relrowsecurity, false),
            'row security for the owner', nullif(c.relforcerowsecurity, false))
        from relation r
        join pg_catalog.pg_class c on c.oid = r.oid
        where r.kind in ('r', 'p')",
        members(alike)
    )
}

fn views(versions: Versions) -> Sql {
    sql!(
        "with {}
        select {}, r.name, pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {}, 'option', {}, 'query', pg_catalog.pg_get_viewdef(c.oid))
        from relation r join pg_catalog.pg_class c on c.oid = r.oid
        where r.kind = 'v'",
        relations(),
        address("pg_class", "c.oid"),
        role("c.relowner"),
        privileges(versions, "c.relacl", "r", "c.relowner"),
        options("c.reloptions")
    )
}

fn materialized_views(versions: Versions, scope: &Scope) -> Sql {
    sql!(
        "with {}
        select {}, r.name, pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {}, 'option', {}, 'TOAST option', {},
            'query', pg_catalog.pg_get_viewdef(c.oid),
            'access method', (select am.amname from pg_catalog.pg_am am where am.oid = c.relam),
            'depends on extension', {} {})
        from relation r
        join pg_catalog.pg_class c on c.oid = r.oid
        left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
        where r.kind = 'm'",
        relations(),
        address("pg_class", "c.oid"),
        role("c.relowner"),
        privileges(versions, "c.relacl", "r", "c.relowner"),
        options("c.reloptions"),
        options("t.reloptions"),
        depends_on_extensions("pg_class", "c.oid"),
        when(!scope.replicating, ", 'populated', c.relispopulated")
    )
}

/// An identity column's sequence depends on the column internally (`i`), an owned one automatically (`a`).
fn sequences(versions: Versions) -> Sql {
    sql!(
        "select {}, c.oid::pg_catalog.regclass::text, pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {},
            'type', s.seqtypid::pg_catalog.regtype::text, 'start', s.seqstart, 'increment', s.seqincrement,
            'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
            'owned by', (select d.refobjid::pg_catalog.regclass::text || '.' || pg_catalog.quote_ident(a.attname)
                       from pg_catalog.pg_depend d
                       join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                       where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
                         and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjsubid > 0
                         and d.deptype in ('a', 'i')) {})
        from pg_catalog.pg_sequence s
        join pg_catalog.pg_class c on c.oid = s.seqrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relpersistence <> 't' and {} and {}",
        address("pg_class", "c.oid"),
        role("c.relowner"),
        privileges(versions, "c.relacl", "s", "c.relowner"),
        when(
            versions.common().has_unlogged_sequences(),
            ", 'persistence', case c.relpersistence when 'u' then 'unlogged' else 'permanent' end"
        ),
        schema("n.nspname"),
        users("pg_class", "c.oid")
    )
}

/// Schema, name and identity of the sequences that are compared: users' own, and those of extensions that count for rows
/// which users write.
pub(in crate::verify::schema) fn sequence_names(scope: &Scope) -> Sql {
    let configuration = if scope.extension_tables {
        let excluded = scope.excluded_extensions.iter().map(Literal::new);
        sql!("e.extname::text <> all (array[{}]::text[])", Sql::join(excluded, ", "))
    } else {
        Sql::from("false")
    };
    sql!(
        "select n.nspname::text, c.relname::text, c.oid::pg_catalog.regclass::text
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'S' and c.relpersistence <> 't' and {} and ({} or exists (
            select from pg_catalog.pg_extension e where c.oid = any (e.extconfig) and {}))",
        schema("n.nspname"),
        users("pg_class", "c.oid"),
        configuration
    )
}
