//! Entry point: what we were started with, a runtime, an exit code.

use std::process::ExitCode;
use std::time::Duration;

use pg_migrate::error::{Error, Kind};
use pg_migrate::hiding::Invocation;

fn main() -> ExitCode {
    let invocation = match Invocation::take() {
        Ok(invocation) => invocation,
        Err(error) => return pg_migrate::report::refuse(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            return pg_migrate::report::refuse(&Error::new(Kind::Failed, "cannot start threads").caused_by(cause));
        }
    };
    let code = runtime.block_on(pg_migrate::run(invocation));
    // Ends what a second signal left behind: tasks are dropped, and child processes with them.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}
