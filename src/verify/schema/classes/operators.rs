//! What gives types their meaning: casts, operators, their classes and families, collations, conversions; and the languages
//! and access methods behind them.

use super::Class;
use super::fragments::{
    Versions, address, function, independent, privileges, provider, qualified, role, schema, users, when,
};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes(versions: Versions) -> Vec<Class> {
    vec![
        Class::new("cast", casts()),
        Class::new("operator", operators()),
        Class::new("operator family", operator_families()),
        Class { sparse: true, ..Class::new("operator family", family_additions()) },
        Class::new("operator class", operator_classes()),
        Class::new("collation", collations(versions)),
        Class::new("conversion", conversions()),
        Class::new("language", languages(versions)),
        Class::new("transform", transforms()),
        Class::new("access method", access_methods()),
    ]
}

fn casts() -> Sql {
    sql!(
        "select {}, pg_catalog.format('(%s as %s)', k.castsource::pg_catalog.regtype, k.casttarget::pg_catalog.regtype),
               pg_catalog.jsonb_build_object(
            'function', {},
            'context', case k.castcontext when 'e' then 'explicit' when 'a' then 'assignment' else 'implicit' end,
            'method', case k.castmethod when 'f' then 'function' when 'i' then 'inout' else 'binary' end)
        from pg_catalog.pg_cast k
        where {} and {}",
        address("pg_cast", "k.oid"),
        function("k.castfunc"),
        users("pg_cast", "k.oid"),
        independent("pg_cast", "k.oid")
    )
}

fn operators() -> Sql {
    sql!(
        "select {}, o.oid::pg_catalog.regoperator::text, pg_catalog.jsonb_build_object(
            'owner', {}, 'function', {}, 'result', nullif(o.oprresult, 0)::pg_catalog.regtype::text,
            'commutator', nullif(o.oprcom, 0)::pg_catalog.regoperator::text,
            'negator', nullif(o.oprnegate, 0)::pg_catalog.regoperator::text,
            'restriction estimator', {}, 'join estimator', {}, 'hashes', o.oprcanhash, 'merges', o.oprcanmerge)
        from pg_catalog.pg_operator o
        join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
        where {} and {}",
        address("pg_operator", "o.oid"),
        role("o.oprowner"),
        function("o.oprcode"),
        function("o.oprrest"),
        function("o.oprjoin"),
        schema("n.nspname"),
        users("pg_operator", "o.oid")
    )
}

/// What an operator class brings is listed with its family, which is where the catalogs keep it.
fn operator_families() -> Sql {
    sql!(
        "select {}, pg_catalog.format('%s using %I', {}, am.amname), pg_catalog.jsonb_build_object(
            'owner', {}, 'operators', {}, 'functions', {})
        from pg_catalog.pg_opfamily f
        join pg_catalog.pg_namespace n on n.oid = f.opfnamespace
        join pg_catalog.pg_am am on am.oid = f.opfmethod
        where {} and {}",
        address("pg_opfamily", "f.oid"),
        qualified("n.nspname", "f.opfname"),
        role("f.opfowner"),
        family_operators(&Sql::from("true")),
        family_functions(&Sql::from("true")),
        schema("n.nspname"),
        users("pg_opfamily", "f.oid")
    )
}

/// What was added to families of extensions and of the system, as far as it is about something of a user: what their own
/// scripts add differs between versions. Array types of an extension's types are no members of it. Comments on the families
/// are their owners'.
fn family_additions() -> Sql {
    let of_users = |object: Sql, left: &'static str, right: &'static str| {
        sql!(
            "({} or exists (select from pg_catalog.pg_type t where t.oid in ({}, {}) and t.typcategory <> 'A' and {}))",
            object,
            left,
            right,
            users("pg_type", "t.oid")
        )
    };
    let operator = of_users(users("pg_operator", "a.amopopr"), "a.amoplefttype", "a.amoprighttype");
    let function = of_users(users("pg_proc", "a.amproc::pg_catalog.oid"), "a.amproclefttype", "a.amprocrighttype");
    sql!(
        "select 'pg_catalog.pg_opfamily'::pg_catalog.regclass::pg_catalog.oid, 0::pg_catalog.oid, 0,
               pg_catalog.format('%s using %I', {}, am.amname),
               pg_catalog.jsonb_build_object('added operators', {}, 'added functions', {})
        from pg_catalog.pg_opfamily f
        join pg_catalog.pg_namespace n on n.oid = f.opfnamespace
        join pg_catalog.pg_am am on am.oid = f.opfmethod
        where not ({})",
        qualified("n.nspname", "f.opfname"),
        family_operators(&operator),
        family_functions(&function),
        users("pg_opfamily", "f.oid")
    )
}

/// Those operators `a` of family `f` that are `wanted`, in their order.
fn family_operators(wanted: &Sql) -> Sql {
    sql!(
        "(select pg_catalog.jsonb_agg(pg_catalog.concat_ws(' ', a.amopstrategy,
                     a.amopopr::pg_catalog.regoperator, a.amoppurpose,
                     (select {} from pg_catalog.pg_opfamily s join pg_catalog.pg_namespace sn
                        on sn.oid = s.opfnamespace where s.oid = a.amopsortfamily))
                     order by a.amopstrategy, a.amopopr::pg_catalog.regoperator::text collate \"C\")
          from pg_catalog.pg_amop a where a.amopfamily = f.oid and {})",
        qualified("sn.nspname", "s.opfname"),
        wanted
    )
}

/// Those functions `a` of family `f` that are `wanted`, in their order.
fn family_functions(wanted: &Sql) -> Sql {
    sql!(
        "(select pg_catalog.jsonb_agg(pg_catalog.format('%s (%s, %s) %s', a.amprocnum,
                     a.amproclefttype::pg_catalog.regtype, a.amprocrighttype::pg_catalog.regtype,
                     a.amproc::pg_catalog.oid::pg_catalog.regprocedure)
                     order by a.amprocnum, a.amproclefttype::pg_catalog.regtype::text collate \"C\",
                              a.amprocrighttype::pg_catalog.regtype::text collate \"C\")
          from pg_catalog.pg_amproc a where a.amprocfamily = f.oid and {})",
        wanted
    )
}

fn operator_classes() -> Sql {
    sql!(
        "select {}, pg_catalog.format('%s using %I', {}, am.amname), pg_catalog.jsonb_build_object(
            'owner', {}, 'family', {}, 'type', o.opcintype::pg_catalog.regtype::text, 'default', o.opcdefault,
            'storage', nullif(o.opckeytype, 0)::pg_catalog.regtype::text)
        from pg_catalog.pg_opclass o
        join pg_catalog.pg_namespace n on n.oid = o.opcnamespace
        join pg_catalog.pg_opfamily f on f.oid = o.opcfamily
        join pg_catalog.pg_namespace fn on fn.oid = f.opfnamespace
        join pg_catalog.pg_am am on am.oid = o.opcmethod
        where {} and {}",
        address("pg_opclass", "o.oid"),
        qualified("n.nspname", "o.opcname"),
        role("o.opcowner"),
        qualified("fn.nspname", "f.opfname"),
        schema("n.nspname"),
        users("pg_opclass", "o.oid")
    )
}

/// The version that the operating system gave a collation is the target's own affair, and its encoding the database's. ICU's locale moved in 15, and once
/// more in 17.
fn collations(versions: Versions) -> Sql {
    let (collate, ctype, locale) = if versions.own.has_one_locale_column() {
        ("k.collcollate", "k.collctype", "k.colllocale")
    } else if versions.own.has_locale_providers() {
        ("k.collcollate", "k.collctype", "k.colliculocale")
    } else {
        (
            "case when k.collprovider <> 'i' then k.collcollate end",
            "case when k.collprovider <> 'i' then k.collctype end",
            "case when k.collprovider = 'i' then k.collcollate end",
        )
    };
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object(
            'owner', {}, 'provider', {}, 'deterministic', k.collisdeterministic,
            'collate', {}, 'ctype', {}, 'locale', {} {})
        from pg_catalog.pg_collation k
        join pg_catalog.pg_namespace n on n.oid = k.collnamespace
        where {} and {}",
        address("pg_collation", "k.oid"),
        qualified("n.nspname", "k.collname"),
        role("k.collowner"),
        provider("k.collprovider"),
        collate,
        ctype,
        locale,
        when(versions.common().has_icu_rules(), ", 'rules', k.collicurules"),
        schema("n.nspname"),
        users("pg_collation", "k.oid")
    )
}

/// Functions of conversions have one argument more since 14.
fn conversions() -> Sql {
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object(
            'owner', {}, 'from', pg_catalog.pg_encoding_to_char(k.conforencoding),
            'to', pg_catalog.pg_encoding_to_char(k.contoencoding), 'function', k.conproc::pg_catalog.regproc::text,
            'default', k.condefault)
        from pg_catalog.pg_conversion k
        join pg_catalog.pg_namespace n on n.oid = k.connamespace
        where {} and {}",
        address("pg_conversion", "k.oid"),
        qualified("n.nspname", "k.conname"),
        role("k.conowner"),
        schema("n.nspname"),
        users("pg_conversion", "k.oid")
    )
}

fn languages(versions: Versions) -> Sql {
    sql!(
        "select {}, pg_catalog.quote_ident(l.lanname), pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {}, 'trusted', l.lanpltrusted, 'handler', {}, 'inline handler', {}, 'validator', {})
        from pg_catalog.pg_language l
        where {}",
        address("pg_language", "l.oid"),
        role("l.lanowner"),
        privileges(versions, "l.lanacl", "l", "l.lanowner"),
        function("l.lanplcallfoid"),
        function("l.laninline"),
        function("l.lanvalidator"),
        users("pg_language", "l.oid")
    )
}

fn transforms() -> Sql {
    sql!(
        "select {}, pg_catalog.format('for %s language %I', t.trftype::pg_catalog.regtype, l.lanname),
               pg_catalog.jsonb_build_object('from SQL', {}, 'to SQL', {})
        from pg_catalog.pg_transform t
        join pg_catalog.pg_language l on l.oid = t.trflang
        where {}",
        address("pg_transform", "t.oid"),
        function("t.trffromsql"),
        function("t.trftosql"),
        users("pg_transform", "t.oid")
    )
}

fn access_methods() -> Sql {
    sql!(
        "select {}, pg_catalog.quote_ident(a.amname), pg_catalog.jsonb_build_object(
            'handler', {}, 'kind', case a.amtype when 'i' then 'index' else 'table' end)
        from pg_catalog.pg_am a
        where {}",
        address("pg_am", "a.oid"),
        function("a.amhandler"),
        users("pg_am", "a.oid")
    )
}
