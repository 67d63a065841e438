//! Passwords that the target would write down, although we take care that it does not.

use super::roles::created;
use super::{Case, Check, Found};
use crate::facts::Side;
use crate::sql::Ident;

pub(super) const CHECKS: &[Check] = &[Check::new("passwords-logged", logged)];

/// What a password is for, as a finding names it. Stored verifiers are secrets, too: who has one can pass for the server, or
/// guess the password without asking it.
const VERIFIERS: &str = "verifiers of roles' passwords";
const SUBSCRIPTIONS: &str = "the password of the source in subscriptions";

fn logged(case: &Case<'_>) -> Vec<Found> {
    let secrets = secrets(case);
    if secrets.is_empty() {
        Vec::new()
    } else {
        [log(case, &secrets), statistics(case, &secrets), audit(case, &secrets)].concat()
    }
}

/// Those that the run sends to the target.
fn secrets(case: &Case<'_>) -> Vec<&'static str> {
    let has_password = created(case).any(|plan| {
        plan.password.is_some() || plan.role.verifier.is_some() || plan.role.login && !plan.role.without_password
    });
    let verifiers = has_password.then_some(VERIFIERS);
    let subscriptions = case.replications().next().map(|_| SUBSCRIPTIONS);
    verifiers.into_iter().chain(subscriptions).collect()
}

/// The server's own log, where it shows parameters of statements.
fn log(case: &Case<'_>, secrets: &[&str]) -> Vec<Found> {
    let target = &case.facts.target;
    let forbidden = |name: &String| target.user.forbidden_settings.contains(name);
    let logging: Vec<_> = target.settings.log_parameters.iter().filter(|(name, _)| forbidden(name)).collect();
    if logging.is_empty() {
        return Vec::new();
    }
    let off = logging.iter().map(|(name, _)| {
        let value = match name.as_str() {
            "log_statement" => "'none'",
            "log_transaction_sample_rate" => "0",
            _ => "-1",
        };
        (name.as_str(), value)
    });
    let settings: Vec<_> = logging.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    vec![found(case, "its log", secrets, &settings.join(", "), off)]
}

/// pg_stat_statements, where it keeps what other statements run: our block with the password as its parameter, for one.
fn statistics(case: &Case<'_>, secrets: &[&str]) -> Vec<Found> {
    let target = &case.facts.target;
    let off = ("pg_stat_statements.track_utility", "off");
    if !target.settings.watchers.keeps_nested || !target.user.forbidden_settings.contains(off.0) {
        return Vec::new();
    }
    vec![found(case, "its pg_stat_statements", secrets, "pg_stat_statements.track = all", [off])]
}

/// pgaudit. It hides passwords of roles, but neither that of a subscription nor parameters. We leave it on also where we could
/// switch it off: whoever audits does not want us to.
fn audit(case: &Case<'_>, secrets: &[&str]) -> Vec<Found> {
    let target = &case.facts.target;
    let watchers = &target.settings.watchers;
    let Some(classes) = &watchers.audited else { return Vec::new() };
    let parameters = watchers.audits_parameters && watchers.audits("read") && !target.user.superuser;
    let shown = |secret: &&&str| parameters || **secret == SUBSCRIPTIONS && watchers.audits("ddl");
    let shown: Vec<_> = secrets.iter().filter(shown).copied().collect();
    if shown.is_empty() {
        return Vec::new();
    }
    vec![found(case, "its audit log", &shown, &format!("pgaudit.log = {classes}"), [("pgaudit.log", "'none'")])]
}

fn found<'a>(
    case: &Case<'_>,
    place: &str,
    secrets: &[&str],
    cause: &str,
    off: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Found {
    let user = Ident::new(&case.facts.target.user.name);
    let names: Vec<_> = off.into_iter().collect();
    let allowed = |(name, _): &(&str, &str)| !case.facts.target.user.forbidden_settings.contains(*name);
    let who = if names.iter().all(allowed) { String::new() } else { format!(", which user {user} may not change") };
    let message = format!("{place} will show {}, because of {cause}{who}", secrets.join(" and "));
    let off: Vec<_> = names.iter().map(|(name, value)| format!("ALTER ROLE {user} SET {name} = {value}")).collect();
    Found::warning(Side::Target, message).fix(format!(
        "let a superuser type for as long as the migration lasts, target: {}; or change those passwords afterwards",
        off.join("; ")
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use crate::plan::example::Example;
    use crate::validate::tests::{Change, ids};

    fn audit(example: &mut Example, classes: &str) {
        example.facts.target.settings.watchers.audited = Some(classes.to_owned());
    }

    pub(in crate::validate) const CHANGES: &[Change] = &[
        ("passwords-logged", |it| {
            it.facts.target.user.forbidden_settings.insert("log_statement".to_owned());
            it.facts.target.settings.log_parameters.insert("log_statement".to_owned(), "all".to_owned());
        }),
        ("passwords-logged", |it| {
            it.facts.target.user.forbidden_settings.insert("pg_stat_statements.track_utility".to_owned());
            it.facts.target.settings.watchers.keeps_nested = true;
        }),
        ("passwords-logged", |it| audit(it, "role, ddl")),
        ("passwords-logged", |it| {
            audit(it, "read");
            Example::demote(&mut it.facts.target);
            it.facts.target.settings.watchers.audits_parameters = true;
        }),
    ];

    #[test]
    fn whoever_may_switch_statistics_off_does_and_an_audit_of_roles_hides_their_passwords() {
        let mut example = Example::new();
        example.facts.target.settings.watchers.keeps_nested = true;
        audit(&mut example, "all, -ddl");
        example.facts.target.settings.watchers.audits_parameters = true;
        assert!(ids(&example).is_empty());
    }
}
