//! Full text search: configurations, dictionaries, parsers, templates.

use super::Class;
use super::fragments::{address, function, qualified, role, schema, users};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class::new("text search parser", parsers()),
        Class::new("text search template", templates()),
        Class::new("text search dictionary", dictionaries()),
        Class::new("text search configuration", configurations()),
    ]
}

fn parsers() -> Sql {
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object(
            'start', {}, 'next token', {}, 'end', {}, 'headline', {}, 'lexeme types', {})
        from pg_catalog.pg_ts_parser p
        join pg_catalog.pg_namespace n on n.oid = p.prsnamespace
        where {} and {}",
        address("pg_ts_parser", "p.oid"),
        qualified("n.nspname", "p.prsname"),
        function("p.prsstart"),
        function("p.prstoken"),
        function("p.prsend"),
        function("p.prsheadline"),
        function("p.prslextype"),
        schema("n.nspname"),
        users("pg_ts_parser", "p.oid")
    )
}

fn templates() -> Sql {
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object('init', {}, 'lexize', {})
        from pg_catalog.pg_ts_template t
        join pg_catalog.pg_namespace n on n.oid = t.tmplnamespace
        where {} and {}",
        address("pg_ts_template", "t.oid"),
        qualified("n.nspname", "t.tmplname"),
        function("t.tmplinit"),
        function("t.tmpllexize"),
        schema("n.nspname"),
        users("pg_ts_template", "t.oid")
    )
}

fn dictionaries() -> Sql {
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object('owner', {}, 'template', {}, 'options', d.dictinitoption)
        from pg_catalog.pg_ts_dict d
        join pg_catalog.pg_namespace n on n.oid = d.dictnamespace
        join pg_catalog.pg_ts_template t on t.oid = d.dicttemplate
        join pg_catalog.pg_namespace tn on tn.oid = t.tmplnamespace
        where {} and {}",
        address("pg_ts_dict", "d.oid"),
        qualified("n.nspname", "d.dictname"),
        role("d.dictowner"),
        qualified("tn.nspname", "t.tmplname"),
        schema("n.nspname"),
        users("pg_ts_dict", "d.oid")
    )
}

/// Token types by the names that the parser gives their numbers.
fn configurations() -> Sql {
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object(
            'owner', {}, 'parser', {},
            'mapping of', (select pg_catalog.jsonb_object_agg(token, dictionaries) from (
                select t.alias, pg_catalog.jsonb_agg(m.mapdict::pg_catalog.regdictionary::text order by m.mapseqno)
                from pg_catalog.pg_ts_config_map m
                join pg_catalog.ts_token_type(c.cfgparser) t on t.tokid = m.maptokentype
                where m.mapcfg = c.oid
                group by t.alias) mapping(token, dictionaries)))
        from pg_catalog.pg_ts_config c
        join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
        join pg_catalog.pg_ts_parser p on p.oid = c.cfgparser
        join pg_catalog.pg_namespace pn on pn.oid = p.prsnamespace
        where {} and {}",
        address("pg_ts_config", "c.oid"),
        qualified("n.nspname", "c.cfgname"),
        role("c.cfgowner"),
        qualified("pn.nspname", "p.prsname"),
        schema("n.nspname"),
        users("pg_ts_config", "c.oid")
    )
}
