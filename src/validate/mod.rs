//! Facts and settings judged: what stands in the way, and what cures it. Pure.

/// One thing that validation found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Stable name of the check, in kebab-case.
    pub id: &'static str,
    /// Whether the run may go on.
    pub severity: Severity,
    /// What it is about: `source`, `target`, `database "app"`, `table "app" public.orders`.
    pub subject: String,
    /// What is wrong and what follows from it.
    pub message: String,
    /// The SQL, setting or option that cures it.
    pub fix: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The run goes on, and something is not as the user may expect.
    Warning,
    /// The run does not start.
    Error,
}
