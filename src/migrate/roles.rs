//! Roles: created with what the source says of them; those that exist are left alone.

use postgres_protocol::password::scram_sha_256;
use rand::RngExt;

use super::steady::{Manner, Steady};
use super::{Context, setting};
use crate::conninfo::Secret;
use crate::events::{Event, RolePassword, RoleResult, RoleStatus};
use crate::facts::{Membership, Reserved, Role, ServerVersion};
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::{Plan, RolePlan};
use crate::sql;
use crate::sql::{Ident, Literal, Sql};

/// Creates the plan's roles and grants their memberships. Whatever fails is an event of its own, and the rest goes on.
pub(super) async fn create(context: &Context, plan: &Plan) {
    if plan.roles.is_empty() || context.check().is_err() {
        return;
    }
    let mut session = Steady::new(context, context.target.maintenance_database(), Manner::Discreet);
    for name in &plan.skipped_roles {
        let message = "belongs to the source's managed service".to_owned();
        report(context, name, RolePassword::None, RoleStatus::Skipped, message);
    }
    for name in &plan.joined_roles {
        if let Err(error) = session.run(async |client| client.run("become a member", join(client, name)).await).await {
            tracing::warn!(target: logger::TARGET, "no member of role {name:?}, to give it what it owns: {}", error.words());
        }
    }
    // A server that cannot be reached is not asked again for each role.
    let mut unreachable = None;
    for role in &plan.roles {
        let name = &role.role.name;
        if role.exists {
            report(context, name, RolePassword::None, RoleStatus::Exists, "role already exists".to_owned());
            continue;
        }
        let outcome = match &unreachable {
            None => session.run(async |client| create_one(context, client, role).await).await,
            Some(words) => {
                report(context, name, RolePassword::None, RoleStatus::Failed, String::clone(words));
                continue;
            }
        };
        match outcome {
            Ok(created) => created.report(context, name),
            Err(error) => {
                report(context, name, RolePassword::None, RoleStatus::Failed, error.words());
                unreachable = error.is_unreachable().then(|| error.words());
            }
        }
    }
    if unreachable.is_none() {
        grant_memberships(context, &mut session, &plan.memberships).await;
    }
}

/// Grants them; those that the target refuses are left to an administrator.
async fn grant_memberships(context: &Context, session: &mut Steady<'_>, memberships: &[Membership]) {
    for membership in memberships {
        let (role, member) = (Ident::new(&membership.role), Ident::new(&membership.member));
        let Some(statement) = grant(membership, context.target_version) else {
            tracing::warn!(
                target: logger::TARGET,
                "membership of {member} in {role} is not granted: it has neither INHERIT nor SET, which the target does not know"
            );
            continue;
        };
        let grant = async |client: &Client| client.try_run("grant a membership", statement.clone()).await;
        match session.run(grant).await {
            Ok(None) => {}
            Ok(Some(refusal)) => context.leave(None, Reserved::Memberships, &statement, refusal.words()),
            Err(error) => {
                let message = format!("not made a member of {role}: {}", error.words());
                report(context, &membership.member, RolePassword::None, RoleStatus::Failed, message);
                return;
            }
        }
    }
}

fn report(context: &Context, name: &str, password: RolePassword, status: RoleStatus, message: String) {
    context.events.send(Event::Role(RoleResult { name: name.to_owned(), password, status, message }));
}

/// Makes our user a member of a role, to give it what it owned. From 16 on whoever creates a role is only its administrator.
fn join(client: &Client, role: &str) -> Sql {
    let options = if client.version().qualifies_memberships() { " with inherit true, set true" } else { "" };
    sql!("grant {} to current_user{}", Ident::new(role), options)
}

/// A role that has been created.
struct Created {
    password: RolePassword,
    /// What it lacks.
    missing: Vec<String>,
    /// What is left to an administrator, with the reason.
    left: Vec<(Reserved, Sql, String)>,
}

impl Created {
    fn report(self, context: &Context, name: &str) {
        for (kind, statement, reason) in self.left {
            context.leave(None, kind, &statement, reason);
        }
        let message = match self.missing.as_slice() {
            [] => "role created".to_owned(),
            missing => format!("role created without {}", missing.join(", ")),
        };
        report(context, name, self.password, RoleStatus::Created, message);
    }
}

/// Creates a role with all that belongs to it, or nothing: a later run leaves a role alone that is there.
async fn create_one(context: &Context, client: &Client, plan: &RolePlan) -> Result<Created, PgError> {
    let name = Ident::new(&plan.role.name);
    let doing = format!("create role {name}");
    client.run(&*doing, "begin").await?;
    match create_in_transaction(context, client, plan).await {
        Ok(created) => client.run(doing, "commit").await.map(|()| created),
        Err(error) if error.is_refusal() => client.run(doing, "rollback").await.and(Err(error)),
        Err(error) => Err(error),
    }
}

async fn create_in_transaction(context: &Context, client: &Client, plan: &RolePlan) -> Result<Created, PgError> {
    let role = &plan.role;
    let name = Ident::new(&role.name);
    let (password, verifier) = password(plan);
    let (doing, statement) = (format!("create role {name}"), create_statement(role));
    match &verifier {
        None => client.run(doing, statement).await?,
        Some(verifier) => {
            let before = sql!("{} password ", statement);
            if !context.target_superuser && client.can_run_unlogged().await? {
                client.run_unlogged(doing, &before, verifier, &Sql::from("")).await?;
            } else {
                client.run(doing, sql!("{}{}", before, Literal::secret(verifier))).await?;
            }
        }
    }
    let mut missing: Vec<String> = plan.left_out.iter().map(|attribute| (*attribute).to_owned()).collect();
    let mut left = Vec::new();
    if !plan.left_out.is_empty() {
        let attributes = Sql::join(plan.left_out.iter().copied(), " ");
        let reason = "the target user may not give these attributes".to_owned();
        left.push((Reserved::RoleAttributes, sql!("alter role {} {}", name, attributes), reason));
    }
    if !context.target_superuser
        && client.try_in_transaction("become a member", &join(client, &role.name)).await?.is_some()
    {
        missing.push("our membership".to_owned());
    }
    for (kind, what, statement) in additions(role) {
        if let Some(refusal) = client.try_in_transaction(&format!("{what} of role {name}"), &statement).await? {
            missing.push(what);
            left.push((kind, statement, refusal.words()));
        }
    }
    Ok(Created { password, missing, left })
}

/// What is said of a role after its creation.
fn additions(role: &Role) -> Vec<(Reserved, String, Sql)> {
    let name = Ident::new(&role.name);
    let settings = role.settings.iter().map(|(setting, value)| {
        let statement = setting::set(&sql!("alter role {}", name), setting, value);
        (Reserved::Settings, format!("setting {setting}"), statement)
    });
    let comment = role.comment.iter().map(|comment| {
        let statement = sql!("comment on role {} is {}", name, Literal::new(comment));
        (Reserved::Comments, "its comment".to_owned(), statement)
    });
    let labels = role.labels.iter().map(|it| {
        let (provider, label) = (Ident::new(&it.provider), Literal::new(&it.label));
        let statement = sql!("security label for {} on role {} is {}", provider, name, label);
        (Reserved::SecurityLabels, format!("security label of {}", it.provider), statement)
    });
    settings.chain(comment).chain(labels).collect()
}

/// What the user gave, else what the source has, where we may read it; else a placeholder for a role that logs in. What is
/// sent is a verifier in any case: no password in clear reaches the target or its log.
fn password(plan: &RolePlan) -> (RolePassword, Option<Secret>) {
    match (&plan.password, &plan.role.verifier) {
        (Some(given), _) => (RolePassword::Given, Some(as_verifier(given))),
        (None, Some(verifier)) => (RolePassword::Carried, Some(verifier.clone())),
        (None, None) if plan.role.login && !plan.role.without_password => {
            let letters: String = rand::rng()
                .sample_iter(rand::distr::Alphanumeric)
                .map(char::from)
                .filter(char::is_ascii_alphabetic)
                .take(16)
                .collect();
            let placeholder = format!("placeholder_{letters}");
            let verifier = scram_sha_256(placeholder.as_bytes());
            (RolePassword::Placeholder(Secret::new(placeholder)), Some(Secret::new(verifier)))
        }
        (None, None) => (RolePassword::None, None),
    }
}

/// A password as SCRAM stores it; what the server would take for a verifier stays as it is.
fn as_verifier(given: &Secret) -> Secret {
    let text = given.expose();
    let is_md5 = text
        .strip_prefix("md5")
        .is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    if is_md5 || is_scram_verifier(text) { given.clone() } else { Secret::new(scram_sha_256(text.as_bytes())) }
}

/// Whether `text` is of the form `SCRAM-SHA-256$4096:salt$stored:server`.
fn is_scram_verifier(text: &str) -> bool {
    let Some((head, keys)) = text.strip_prefix("SCRAM-SHA-256$").and_then(|rest| rest.split_once('$')) else {
        return false;
    };
    let counted = head.split_once(':').is_some_and(|(iterations, _)| iterations.parse::<u32>().is_ok());
    counted && keys.contains(':') && !keys.contains('$')
}

/// Without its password.
fn create_statement(role: &Role) -> Sql {
    let mut statement = sql!("create role {} with", Ident::new(&role.name));
    let attributes = [
        (role.superuser, "superuser", "nosuperuser"),
        (role.inherit, "inherit", "noinherit"),
        (role.create_role, "createrole", "nocreaterole"),
        (role.create_database, "createdb", "nocreatedb"),
        (role.login, "login", "nologin"),
        (role.replication, "replication", "noreplication"),
        (role.bypass_rls, "bypassrls", "nobypassrls"),
    ];
    // Denying an attribute that we may not give is refused as well: what is false anyway is not said.
    for (has, yes, no) in attributes {
        match (has, no) {
            (true, _) => statement = sql!("{} {}", statement, yes),
            (false, "noinherit") => statement = sql!("{} {}", statement, no),
            (false, _) => {}
        }
    }
    if role.connection_limit != -1 {
        statement = sql!("{} connection limit {}", statement, role.connection_limit);
    }
    if let Some(until) = &role.valid_until {
        statement = sql!("{} valid until {}", statement, Literal::new(until));
    }
    statement
}

/// `None` for one that a target below 16 would make a full membership.
fn grant(membership: &Membership, version: ServerVersion) -> Option<Sql> {
    let (role, member) = (Ident::new(&membership.role), Ident::new(&membership.member));
    let word = |yes: bool| if yes { "true" } else { "false" };
    match (membership.inherit, membership.set) {
        (Some(inherit), Some(set)) if version.qualifies_memberships() => Some(sql!(
            "grant {} to {} with admin {}, inherit {}, set {}",
            role,
            member,
            word(membership.admin),
            word(inherit),
            word(set)
        )),
        (Some(false), Some(false)) => None,
        _ if membership.admin => Some(sql!("grant {} to {} with admin option", role, member)),
        _ => Some(sql!("grant {} to {}", role, member)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture;

    fn role() -> Role {
        Role { verifier: None, ..fixture::role("app") }
    }

    fn plan(given: Option<&str>) -> RolePlan {
        RolePlan { role: role(), exists: false, left_out: Vec::new(), password: given.map(Secret::new) }
    }

    #[test]
    fn a_login_role_gets_a_placeholder_that_is_sent_as_a_verifier() {
        let (password, verifier) = password(&plan(None));
        let RolePassword::Placeholder(shown) = password else { panic!("no placeholder") };
        let letters = shown.expose().strip_prefix("placeholder_").unwrap();
        assert!(letters.len() == 16 && letters.chars().all(|c| c.is_ascii_alphabetic()), "{letters}");
        let verifier = verifier.unwrap();
        assert!(is_scram_verifier(verifier.expose()) && !verifier.expose().contains(letters), "{}", verifier.expose());
    }

    #[test]
    fn a_given_password_is_sent_as_a_verifier_and_a_given_verifier_as_it_is() {
        let sent = |given: &str| password(&plan(Some(given))).1.unwrap().expose().to_owned();
        for given in ["hunter2", "md5 is old", "SCRAM-SHA-256$hunter2"] {
            let sent = sent(given);
            assert!(is_scram_verifier(&sent) && !sent.contains("hunter2"), "{sent}");
        }
        for given in ["md5a3556571e93b0d20722ba62be61e8c2d", "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"] {
            assert_eq!(sent(given), given);
        }
    }

    #[test]
    fn a_membership_says_what_the_target_understands() {
        let membership =
            |inherit, set, admin| Membership { role: "r".to_owned(), member: "m".to_owned(), admin, inherit, set };
        let text =
            |membership: &Membership, version| grant(membership, ServerVersion(version)).map(|sql| sql.to_string());
        let expected = |text: &str| Some(text.to_owned());
        let creator = membership(Some(false), Some(false), true);
        assert_eq!(text(&creator, 160_000), expected(r#"grant "r" to "m" with admin true, inherit false, set false"#));
        assert_eq!(text(&creator, 150_000), None, "it would be a full member");
        let plain = membership(None, None, true);
        assert_eq!(text(&plain, 170_000), expected(r#"grant "r" to "m" with admin option"#));
    }

    #[test]
    fn attributes_limits_and_dates_are_carried() {
        let role = Role {
            create_database: true,
            inherit: false,
            connection_limit: 3,
            valid_until: Some("2030-01-01 00:00:00.000001+00".to_owned()),
            ..role()
        };
        assert_eq!(
            create_statement(&role).text(),
            "create role \"app\" with noinherit createdb login connection limit 3 valid until '2030-01-01 00:00:00.000001+00'"
        );
    }
}
