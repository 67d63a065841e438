use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::conninfo::keyword::KEYWORDS;
use crate::conninfo::render;

type Pairs = BTreeMap<&'static str, String>;

fn pairs(text: &str) -> Pairs {
    let values = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    values.iter().map(|(key, value)| (key.name(), value.text.clone())).collect()
}

#[track_caller]
fn assert_means(text: &str, expected: &[(&'static str, &str)]) {
    let expected: Pairs = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    assert_eq!(pairs(text), expected, "{text}");
}

#[track_caller]
fn assert_refused(text: &str, message: &str) {
    let Err(error) = parse(text) else { panic!("{text} was accepted") };
    assert!(error.to_string().contains(message), "{text}: {error}");
}

#[test]
fn a_uri_may_leave_out_every_part() {
    assert_means("postgresql://", &[]);
    assert_means("postgres:///", &[]);
    assert_means("postgres://h", &[("host", "h")]);
    assert_means("postgres://h?", &[("host", "h")]);
    assert_means("postgres://:5433", &[("port", "5433")]);
    assert_means("postgres://h:/", &[("host", "h")]);
    assert_means("postgres://u@", &[("user", "u")]);
    assert_means("postgres://@h", &[("host", "h")]);
    assert_means("postgres://:p@", &[("password", "p")]);
    assert_means("postgres:///d", &[("dbname", "d")]);
    assert_means("postgres://u@/d?host=/sockets", &[("user", "u"), ("dbname", "d"), ("host", "/sockets")]);
}

#[test]
fn a_uri_with_every_part() {
    let text = "postgresql://joe:pw@db.example.com:5433/shop?sslmode=require&connect_timeout=10";
    let expected = [
        ("user", "joe"),
        ("password", "pw"),
        ("host", "db.example.com"),
        ("port", "5433"),
        ("dbname", "shop"),
        ("sslmode", "require"),
        ("connect_timeout", "10"),
    ];
    assert_means(text, &expected);
}

#[test]
fn every_part_of_a_uri_is_percent_decoded() {
    assert_means(
        "postgres://j%6fe:p%40%2f%3A%25@%2Fvar%2frun:54%332/my%20d%c3%bc?u%73er=%E2%82%AC&options=-c%20a%3Db",
        &[
            ("user", "€"),
            ("password", "p@/:%"),
            ("host", "/var/run"),
            ("port", "5432"),
            ("dbname", "my dü"),
            ("options", "-c a=b"),
        ],
    );
    // A plus sign is a plus sign.
    assert_means("postgres://h/d?options=-c+a", &[("host", "h"), ("dbname", "d"), ("options", "-c+a")]);
}

#[test]
fn a_password_ends_at_the_first_at_sign_and_may_hold_colons_and_question_marks() {
    assert_means("postgres://u:a:b?c=d#e@h", &[("user", "u"), ("password", "a:b?c=d#e"), ("host", "h")]);
}

#[test]
fn several_hosts_keep_their_order_and_gaps() {
    assert_means("postgres://a,b:1,:2,[::1]:3/d", &[("host", "a,b,,::1"), ("port", ",1,2,3"), ("dbname", "d")]);
}

#[test]
fn ipv6_addresses_stand_in_brackets() {
    assert_means("postgres://[2001:db8::1]/", &[("host", "2001:db8::1")]);
    assert_means("postgres://u@[::1]:5433?port=1", &[("user", "u"), ("host", "::1"), ("port", "1")]);
    for text in ["postgres://[::1", "postgres://[]", "postgres://[::1]z"] {
        assert_refused(text, "IPv6");
    }
}

#[test]
fn jdbc_and_ancient_spellings_of_sslmode_are_understood() {
    assert_means("postgres://?ssl=true", &[("sslmode", "require")]);
    assert_means("postgres://?requiressl=1", &[("sslmode", "require")]);
    assert_means("requiressl=0", &[("sslmode", "prefer")]);
    assert_refused("postgres://?ssl=false", "unknown parameter \"ssl\"");
    assert_refused("ssl=true", "unknown parameter \"ssl\"");
}

#[test]
fn a_later_value_replaces_an_earlier_one() {
    assert_means("host=a host=b", &[("host", "b")]);
    assert_means("postgres://a?host=b&host=c", &[("host", "c")]);
}

#[test]
fn broken_queries_are_refused() {
    for text in ["postgres://h?zzz", "postgres://h?host", "postgres://h?host=a=b", "postgres://h?host=a&&port=1"] {
        assert_refused(text, "not key=value");
    }
    assert_means("postgres://?host=a&", &[("host", "a")]);
    assert_refused("postgres://h?uzer=", "unknown parameter \"uzer\" (number 1)");
}

#[test]
fn broken_percent_encoding_is_refused() {
    for (text, part) in [
        ("postgres://%zz", "host"),
        ("postgres://%1", "host"),
        ("postgres://h/%", "database name"),
        ("postgres://u:%zz@h", "password"),
        ("postgres://h?host=%x0", "query"),
    ] {
        assert_refused(text, &format!("broken percent-encoding in the URI's {part}"));
    }
    assert_refused("postgres://a%00b", "does not stand for UTF-8");
    assert_refused("postgres://h/%ff", "does not stand for UTF-8");
}

#[test]
fn an_unencoded_password_is_recognised_by_its_at_sign() {
    for text in ["postgres://u:p@ss@h/d", "postgres://u:p/ss@h/d", "postgres://u:1/ss@h/d", "postgres://u:p@s/s@h/d"] {
        assert_refused(text, "write @ as %40, / as %2F");
    }
}

#[test]
fn pairs_allow_spaces_quotes_and_escapes() {
    assert_means("", &[]);
    assert_means(" \t\n", &[]);
    assert_means("host=a port = 1", &[("host", "a"), ("port", "1")]);
    assert_means("user='it\\'s me'host=h", &[("user", "it's me"), ("host", "h")]);
    assert_means(r"user=a\ b\\c\'d password='a\\b\c'", &[("user", r"a b\c'd"), ("password", r"a\bc")]);
    assert_means("user='' dbname=a'b'", &[("user", ""), ("dbname", "a'b'")]);
    assert_means("user=a\\", &[("user", "a")]);
    assert_means("options=-c\\ a=b", &[("options", "-c a=b")]);
    // libpq skips spaces behind = too, so what looks like an empty value is not one.
    assert_means("password= host=h", &[("password", "host=h")]);
    assert_means("user=", &[("user", "")]);
}

#[test]
fn broken_pairs_are_refused() {
    assert_refused("host=h port", "missing \"=\" after word 2");
    assert_refused("host=h user joe=1", "missing \"=\" after word 2");
    assert_refused("host=h user='joe", "parameter 2 has no closing quote");
    assert_refused("user='joe\\'", "parameter 1 has no closing quote");
    assert_refused("Host=h", "unknown parameter \"Host\" (number 1)");
    assert_refused("=h", "unknown parameter");
}

#[test]
fn what_is_no_connection_string_is_refused_without_showing_it() {
    assert_refused("shop", "expected postgresql://");
    assert_refused("postgre://u:hidden@h/d?sslmode=require", "starts with postgresql://");
    assert_refused(" postgres://u:hidden@h", "starts with postgresql://");
}

#[test]
fn nothing_behind_a_password_is_quoted() {
    for text in ["password=my hidden=x", "postgres://h?password=my&hidden=x", "postgres://u:@h?hidden=x@h"] {
        let error = parse(text).err().unwrap().to_string();
        assert!(error.contains("unknown parameter (number"), "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_rendered_is_read_back(texts in prop::collection::btree_map(0..KEYWORDS.len(), ".*", 0..8)) {
        let mut values = Values::default();
        for (row, text) in &texts {
            values.write(KEYWORDS[*row].key, text);
        }
        let rendered = render::pairs(&values, |_| true);
        let expected: Pairs = texts.iter().map(|(row, text)| (KEYWORDS[*row].name, text.clone())).collect();
        prop_assert_eq!(pairs(&rendered), expected, "{}", rendered);
    }
}
