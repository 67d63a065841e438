//! What every session sets before it does anything.

use super::{Client, PgError};
use crate::facts::ServerVersion;

/// Empties `search_path`, switches every timeout off, and makes values and definitions read alike on every server, whatever
/// the role's or database's own settings say.
pub(super) async fn prepare(client: &Client) -> Result<(), PgError> {
    client.run("prepare the session", settings(client.version())).await
}

/// The path comes first and alone names its functions in full: until it is set, a name could mean somebody else's function.
fn settings(version: ServerVersion) -> &'static str {
    macro_rules! settings {
        ($($more:literal),*) => {
            concat!(
                "select pg_catalog.set_config('search_path', '', false);",
                "set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0;",
                "set default_transaction_isolation = 'read committed'; set default_transaction_read_only = off;",
                "set default_transaction_deferrable = off;",
                "set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 3;",
                "set timezone = 'UTC'; set lc_monetary = 'C'; set xmlbinary = 'base64'; set quote_all_identifiers = off;",
                "set bytea_output = 'hex'; set row_security = off; set check_function_bodies = off;",
                // How what we send is read: pg_dump writes definitions for a session like this.
                "set standard_conforming_strings = on; set array_nulls = on; set xmloption = content;",
                // Questions about many objects look costly, and compiling them takes longer than answering.
                "set jit = off;",
                $($more),*
            )
        };
    }
    if version.has_transaction_timeout() {
        settings!("set idle_session_timeout = 0; set transaction_timeout = 0;")
    } else if version.has_idle_session_timeout() {
        settings!("set idle_session_timeout = 0;")
    } else {
        settings!()
    }
}
