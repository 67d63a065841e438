//! What belongs to the database as a whole: schemas, extensions, event triggers, publications, large objects, default
//! privileges.

use super::fragments::{
    Versions, address, excluded_extensions, firing, granted, identified, independent, names, not_ours, privileges,
    role, schema, users, when,
};
use super::{Class, Scope};
use crate::sql;
use crate::sql::Sql;

/// `alike`: extensions that both sides have alike.
pub(super) fn classes(versions: Versions, scope: &Scope, alike: &[String]) -> Vec<Class> {
    let mut classes = vec![
        Class::new("schema", schemas(versions)),
        Class::new("extension", extensions(versions, scope, alike)),
        Class::new("event trigger", event_triggers()),
        Class::new("default privileges", default_privileges(versions)),
    ];
    if !scope.replicating {
        classes.push(Class::new("publication", publications(versions)));
        classes.push(Class::new("large object", large_objects(versions)));
    }
    classes
}

/// `public` came with the database: up to 14 the superuser (10) owns it and everybody may create in it, from 15 on whoever owns
/// the database does, and nobody else creates. `@initial` says that it is still like that, which is equal whatever it means.
fn schemas(versions: Versions) -> Sql {
    let owner = if versions.own.gives_public_to_database_owner() {
        "(select r.oid from pg_catalog.pg_roles r where r.rolname = 'pg_database_owner')"
    } else {
        "10"
    };
    sql!(
        "select {}, pg_catalog.quote_ident(n.nspname), pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {},
            '@initial owner', n.nspname = 'public' and n.nspowner = {},
            '@initial', n.nspname = 'public' and n.nspowner = {} and n.nspacl is not distinct from (
                select i.initprivs from pg_catalog.pg_init_privs i
                where i.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and i.objoid = n.oid))
        from pg_catalog.pg_namespace n
        where {} and (n.nspname = 'public' or {})",
        address("pg_namespace", "n.oid"),
        role("n.nspowner"),
        privileges(versions, "n.nspacl", "n", "n.nspowner"),
        owner,
        owner,
        schema("n.nspname"),
        users("pg_namespace", "n.oid")
    )
}

/// A newer server brings newer versions of extensions: the version that it installs unasked is none to compare. Types that come
/// with another one are members of an extension in some majors only.
fn extensions(versions: Versions, scope: &Scope, alike: &[String]) -> Sql {
    let newer = versions.own.major() > versions.other.major();
    sql!(
        "select {}, pg_catalog.quote_ident(e.extname), pg_catalog.jsonb_build_object(
            'schema', pg_catalog.quote_ident(n.nspname), 'version', e.extversion,
            'member', case when e.extname::text = any ({}) then (
                select pg_catalog.jsonb_object_agg({}, true)
                from pg_catalog.pg_depend m
                cross join lateral pg_catalog.pg_identify_object(m.classid, m.objid, m.objsubid) i
                where m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and m.refobjid = e.oid
                  and m.deptype = 'e' and i.identity is not null
                  and not (m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and not ({}))) end,
            'incomparable', case when {} and e.extversion = (
                select a.default_version from pg_catalog.pg_available_extensions() a(name, default_version, comment)
                where a.name = e.extname) then '[\"version\"]'::jsonb end)
        from pg_catalog.pg_extension e
        join pg_catalog.pg_namespace n on n.oid = e.extnamespace
        where e.extname not in ({})",
        address("pg_extension", "e.oid"),
        names(alike),
        identified("i"),
        independent("pg_type", "m.objid"),
        if newer { "true" } else { "false" },
        excluded_extensions(scope)
    )
}

fn event_triggers() -> Sql {
    sql!(
        "select {}, pg_catalog.quote_ident(t.evtname), pg_catalog.jsonb_build_object(
            'owner', {}, 'event', t.evtevent, 'function', t.evtfoid::pg_catalog.regprocedure::text,
            'enabled', {}, 'tags', pg_catalog.to_jsonb(t.evttags))
        from pg_catalog.pg_event_trigger t
        where {}",
        address("pg_event_trigger", "t.oid"),
        role("t.evtowner"),
        firing("t.evtenabled"),
        users("pg_event_trigger", "t.oid")
    )
}

/// Schemas, column lists and row filters came with 15.
fn publications(versions: Versions) -> Sql {
    let tables = if versions.common().filters_publications() {
        "pg_catalog.concat_ws(' ', t.prrelid::pg_catalog.regclass,
            (select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attname)
             from pg_catalog.pg_attribute a where a.attrelid = t.prrelid and a.attnum = any (t.prattrs::int2[])),
            'where ' || pg_catalog.pg_get_expr(t.prqual, t.prrelid))"
    } else {
        "t.prrelid::pg_catalog.regclass::text"
    };
    sql!(
        "select {}, pg_catalog.quote_ident(p.pubname), pg_catalog.jsonb_build_object(
            'owner', {}, 'all tables', p.puballtables, 'insert', p.pubinsert, 'update', p.pubupdate,
            'delete', p.pubdelete, 'truncate', p.pubtruncate,
            'tables', (select pg_catalog.jsonb_agg({} order by t.prrelid::pg_catalog.regclass::text collate \"C\")
                       from pg_catalog.pg_publication_rel t where t.prpubid = p.oid) {} {} {})
        from pg_catalog.pg_publication p
        where {} and {}",
        address("pg_publication", "p.oid"),
        role("p.pubowner"),
        tables,
        when(versions.common().publishes_via_root(), ", 'via partition root', p.pubviaroot"),
        when(
            versions.common().filters_publications(),
            ", 'schemas', (select pg_catalog.jsonb_agg(s.pnnspid::pg_catalog.regnamespace::text
                               order by s.pnnspid::pg_catalog.regnamespace::text collate \"C\")
                           from pg_catalog.pg_publication_namespace s where s.pnpubid = p.oid)"
        ),
        when(versions.common().publishes_generated_columns(), ", 'generated columns', p.pubgencols"),
        not_ours("p.pubname"),
        users("pg_publication", "p.oid")
    )
}

/// Who they belong to. Contents are rows.
fn large_objects(versions: Versions) -> Sql {
    sql!(
        "select {}, o.oid::text, pg_catalog.jsonb_build_object('owner', {}, 'privileges of', {})
        from pg_catalog.pg_largeobject_metadata o",
        // Comments and labels refer to the catalog of the contents.
        address("pg_largeobject", "o.oid"),
        role("o.lomowner"),
        privileges(versions, "o.lomacl", "L", "o.lomowner")
    )
}

fn default_privileges(versions: Versions) -> Sql {
    sql!(
        "select {}, pg_catalog.concat_ws(' ', 'for role', {}, 'in schema ' || pg_catalog.quote_ident(n.nspname), 'on',
                    case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                        when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end),
               pg_catalog.jsonb_build_object('privileges of', {})
        from pg_catalog.pg_default_acl d
        left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
        where (n.oid is null or {})",
        address("pg_default_acl", "d.oid"),
        role("d.defaclrole"),
        granted(versions, Sql::from("pg_catalog.aclexplode(d.defaclacl)"), "d.defaclrole"),
        schema("n.nspname")
    )
}
