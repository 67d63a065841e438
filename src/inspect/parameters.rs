//! Privileges on configuration parameters.

use crate::facts::ParameterPrivilege;
use crate::pg::{Client, PgError};

const PRIVILEGES: &str = "
select p.parname, pg_catalog.pg_get_userbyid(nullif(a.grantee, 0))::text, a.privilege_type, a.is_grantable
from pg_catalog.pg_parameter_acl p, pg_catalog.aclexplode(p.paracl) a
where a.grantee <> a.grantor
order by 1, 2, 3";

/// What somebody has been granted; none where the server knows no such privileges.
pub(super) async fn privileges(client: &Client) -> Result<Vec<ParameterPrivilege>, PgError> {
    if !client.version().grants_parameters() {
        return Ok(Vec::new());
    }
    let rows = client.query("list privileges on parameters", PRIVILEGES, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(ParameterPrivilege {
                parameter: client.get(row, 0)?,
                grantee: client.get(row, 1)?,
                privilege: client.get(row, 2)?,
                grantable: client.get(row, 3)?,
            })
        })
        .collect()
}
