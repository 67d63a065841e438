//! What belongs to the whole server: roles, memberships, databases, and settings of all of them.

use super::fragments::{Versions, address, granted, guarded_options, hash, names, privileges, provider, role, when};
use super::{Class, Scope};
use crate::sql;
use crate::sql::Sql;

/// `passwords`: both sides let us read the verifiers.
pub(super) fn classes(versions: Versions, scope: &Scope, passwords: bool) -> Vec<Class> {
    let (roles_in_scope, databases_in_scope) = (names(&scope.roles), names(&scope.databases));
    let mut classes = vec![
        Class::new("role", roles(&roles_in_scope, &names(&scope.given_passwords), passwords)),
        Class::new("membership", memberships(versions, &roles_in_scope)),
        Class::new("database", databases(versions, &databases_in_scope, &names(&scope.replicating_databases))),
        Class { sparse: true, ..Class::new("settings", settings(&roles_in_scope, &databases_in_scope)) },
    ];
    if versions.common().grants_parameters() {
        classes.push(Class { sparse: true, ..Class::new("parameter", parameters(versions, &roles_in_scope)) });
    }
    classes
}

fn roles(scope: &Sql, given_passwords: &Sql, passwords: bool) -> Sql {
    let (catalog, password) = if passwords {
        let hash = hash("r.rolpassword");
        let password = sql!(", '#password', case when not (r.rolname = any ({})) then {} end", given_passwords, hash);
        ("pg_authid", password)
    } else {
        ("pg_roles", Sql::from(""))
    };
    sql!(
        "select {}, pg_catalog.quote_ident(r.rolname), pg_catalog.jsonb_build_object(
            'superuser', r.rolsuper, 'inherit', r.rolinherit, 'create role', r.rolcreaterole,
            'create database', r.rolcreatedb, 'login', r.rolcanlogin, 'replication', r.rolreplication,
            'bypass row security', r.rolbypassrls, 'connection limit', nullif(r.rolconnlimit, -1),
            'valid until', nullif(r.rolvaliduntil, 'infinity')::text,
            'setting', (select {} from pg_catalog.pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0) {})
        from pg_catalog.{} r
        where r.rolname = any ({})",
        address("pg_authid", "r.oid"),
        guarded_options("s.setconfig"),
        password,
        catalog,
        scope
    )
}

/// Who granted a membership is not compared: where several did, the options add up.
fn memberships(versions: Versions, scope: &Sql) -> Sql {
    sql!(
        "select 'pg_catalog.pg_auth_members'::pg_catalog.regclass::pg_catalog.oid, 0::pg_catalog.oid, 0,
               pg_catalog.format('of %I in %I', m.rolname, g.rolname), pg_catalog.jsonb_build_object(
            '@own', m.rolname = current_user, 'admin', pg_catalog.bool_or(a.admin_option) {})
        from pg_catalog.pg_auth_members a
        join pg_catalog.pg_roles g on g.oid = a.roleid
        join pg_catalog.pg_roles m on m.oid = a.member
        where (m.rolname = any ({}) or m.rolname ~ '^pg_') and (g.rolname = any ({}) or g.rolname ~ '^pg_')
          and not (m.rolname ~ '^pg_' and g.rolname ~ '^pg_')
        group by m.rolname, g.rolname",
        when(
            versions.common().qualifies_memberships(),
            ", 'inherit', pg_catalog.bool_or(a.inherit_option), 'set', pg_catalog.bool_or(a.set_option)"
        ),
        scope,
        scope
    )
}

/// Locales of the C library are the same whether their encoding is written `UTF-8` or `utf8`. What the library's version was
/// when the database was made is the server's own affair.
fn databases(versions: Versions, scope: &Sql, replicating: &Sql) -> Sql {
    let locale = if !versions.common().has_locale_providers() {
        Sql::from("")
    } else {
        let locale = if versions.own.has_one_locale_column() { "d.datlocale" } else { "d.daticulocale" };
        sql!(", 'provider', {}, 'locale', {}", provider("d.datlocprovider"), locale)
    };
    sql!(
        "select {}, pg_catalog.quote_ident(d.datname), pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', case when not r.replicates then {} end, 'encoding', pg_catalog.pg_encoding_to_char(d.encoding),
            'collate', pg_catalog.regexp_replace(d.datcollate, '[.]utf-?8$', '.UTF-8', 'i'),
            'ctype', pg_catalog.regexp_replace(d.datctype, '[.]utf-?8$', '.UTF-8', 'i'),
            'connection limit', case when not r.replicates then nullif(d.datconnlimit, -1) end, 'template', d.datistemplate, 'connectable', d.datallowconn,
            'setting', (select {} from pg_catalog.pg_db_role_setting s where s.setdatabase = d.oid and s.setrole = 0)
            {} {})
        from pg_catalog.pg_database d, lateral (select d.datname = any ({})) r(replicates)
        where d.datname = any ({})",
        address("pg_database", "d.oid"),
        role("d.datdba"),
        privileges(versions, "d.datacl", "d", "d.datdba"),
        guarded_options("s.setconfig"),
        locale,
        when(versions.common().has_icu_rules(), ", 'ICU rules', d.daticurules"),
        replicating,
        scope
    )
}

/// Settings of one role in one database, and those of every role in every database (`ALTER ROLE ALL`), which no migration
/// carries: they are the server's own.
fn settings(roles: &Sql, databases: &Sql) -> Sql {
    sql!(
        "select 'pg_catalog.pg_db_role_setting'::pg_catalog.regclass::pg_catalog.oid, 0::pg_catalog.oid, 0,
               case when s.setrole = 0 then 'of every role in every database'
                    else pg_catalog.format('of %I in %I', r.rolname, d.datname) end,
               pg_catalog.jsonb_build_object('@everywhere', nullif(s.setrole = 0, false), 'setting', {})
        from pg_catalog.pg_db_role_setting s
        left join pg_catalog.pg_roles r on r.oid = s.setrole
        left join pg_catalog.pg_database d on d.oid = s.setdatabase
        where s.setrole = 0 and s.setdatabase = 0 or r.rolname = any ({}) and d.datname = any ({})",
        guarded_options("s.setconfig"),
        roles,
        databases
    )
}

/// What was granted on configuration parameters. They belong to the superuser (10).
fn parameters(versions: Versions, roles: &Sql) -> Sql {
    let rows = sql!(
        "(select e.* from pg_catalog.aclexplode(p.paracl) e
          where e.grantee = 0 or pg_catalog.pg_get_userbyid(e.grantee) = any ({}) and e.grantee <> 10)",
        roles
    );
    sql!(
        "select {}, pg_catalog.quote_ident(p.parname), pg_catalog.jsonb_build_object('privileges of', {})
        from pg_catalog.pg_parameter_acl p",
        address("pg_parameter_acl", "p.oid"),
        granted(versions, rows, "10")
    )
}
