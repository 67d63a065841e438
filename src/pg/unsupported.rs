//! Protection that a connection string asks for and that our sessions cannot give.

use crate::conninfo::{Address, ConnInfo};

/// What is asked for in vain, and what to do instead; `None` when nothing is. No connection is better than one that lacks
/// what its user relies on.
pub(super) fn demand(conninfo: &ConnInfo) -> Option<String> {
    let is = |address: fn(&Address) -> bool| conninfo.hosts().iter().any(|host| address(&host.address));
    let tcp = is(|address| matches!(address, Address::Tcp { .. }));
    let socket = is(|address| matches!(address, Address::Unix(_)));
    let given = |keyword| conninfo.get(keyword).is_some_and(|value| !value.is_empty());
    let (keyword, instead) = if given("require_auth") {
        ("require_auth", "sslmode=verify-full keeps the password from the wrong server")
    } else if tcp && given("sslcrl") {
        ("sslcrl", "revoked certificates cannot be told from others")
    } else if tcp && given("sslcrldir") {
        ("sslcrldir", "revoked certificates cannot be told from others")
    } else if tcp && conninfo.get("sslcertmode") == Some("require") {
        ("sslcertmode=require", "sslcert presents a certificate to every server that asks")
    } else if tcp && conninfo.get("gssencmode") == Some("require") {
        ("gssencmode=require", "sslmode=verify-full encrypts with TLS")
    } else if socket && given("requirepeer") {
        ("requirepeer", "a directory that only the server's account can write keeps others from its socket")
    } else {
        return None;
    };
    Some(format!("{keyword} is not supported; leave it out if you can do without: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::Environment;

    fn refused(text: &str) -> bool {
        demand(&ConnInfo::parse(&format!("user=u {text}"), &Environment::default()).unwrap()).is_some()
    }

    #[test]
    fn a_demand_that_cannot_be_met_is_refused_where_it_has_a_meaning() {
        for text in ["require_auth=scram-sha-256", "sslcrl=/crl", "sslcertmode=require", "gssencmode=require"] {
            assert!(refused(&format!("host=db {text}")), "{text}");
        }
        assert!(refused("host=/run requirepeer=postgres"));
        for text in ["host=db", "host=db requirepeer=postgres", "host=/run gssencmode=require", "host=db sslcrl=''"] {
            assert!(!refused(text), "{text}");
        }
    }
}
