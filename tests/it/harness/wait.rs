//! Waiting for something that another process brings about.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a test waits for anything that normally takes a moment, on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `condition` gives `Ok`; its `Err` says how things stand. After `limit`, gives the last `Err`.
pub(crate) fn wait_for<T>(limit: Duration, mut condition: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + limit;
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(status) if Instant::now() >= deadline => return Err(format!("after {limit:?} still: {status}")),
            // The only sleep in the tests: what we wait for lives in another process and cannot wake us.
            Err(_) => sleep(INTERVAL),
        }
    }
}
