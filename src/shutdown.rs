//! SIGINT, SIGTERM and SIGHUP.
//!
//! The first signal asks: whoever works stops at the next safe point and cleans up. The second one, of whatever kind,
//! means at once.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{self, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind};
use crate::logger;

/// A signal that ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

impl Signal {
    /// Its kind of error, which has its exit code.
    pub fn kind(self) -> Kind {
        match self {
            Signal::Interrupt => Kind::Interrupted,
            Signal::Terminate => Kind::Terminated,
            Signal::HangUp => Kind::HungUp,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
            Signal::HangUp => "SIGHUP",
        })
    }
}

/// Tells everybody that a signal came.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: CancellationToken,
    forced: CancellationToken,
    signal: Arc<OnceLock<Signal>>,
}

impl Shutdown {
    /// Listens from now on; must be called inside a runtime.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn install() -> io::Result<Self> {
        let shutdown = Self {
            asked: CancellationToken::new(),
            forced: CancellationToken::new(),
            signal: Arc::new(OnceLock::new()),
        };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())?) };
        let listener = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let signal = tokio::select! {
                    Some(()) = interrupt.recv() => Signal::Interrupt,
                    Some(()) = terminate.recv() => Signal::Terminate,
                    Some(()) = next(&mut hang_up) => Signal::HangUp,
                    else => return,
                };
                listener.received(signal);
            }
        });
        Ok(shutdown)
    }

    fn received(&self, signal: Signal) {
        if self.signal.set(signal).is_ok() {
            tracing::warn!(target: logger::MIGRATE, "{signal}: stopping and cleaning up; a second one stops at once, without cleaning up");
            self.asked.cancel();
        } else {
            self.forced.cancel();
        }
    }

    /// Cancelled by the first signal.
    pub fn token(&self) -> CancellationToken {
        self.asked.clone()
    }

    /// The first signal, once one came.
    pub fn signal(&self) -> Option<Signal> {
        self.signal.get().copied()
    }

    /// Ends with the second signal: nothing may be waited for any more.
    pub async fn forced(&self) {
        self.forced.cancelled().await;
    }

    /// Why work ended that the first signal stopped.
    pub fn error(&self) -> Error {
        let signal = self.signal().unwrap_or(Signal::Interrupt);
        Error::new(signal.kind(), format!("stopped by {signal}"))
    }
}

async fn next(signal: &mut Option<unix::Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => None,
    }
}

/// Whether SIGHUP was ignored when we were started, as nohup does: a handler would undo that. Where the system does not tell,
/// SIGHUP is left as it is.
fn ignores_hang_up() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| ignored(&status))
        .is_none_or(|mask| mask & 1 == 1)
}

/// The set of ignored signals in a `/proc/PID/status`, SIGHUP (1) in the lowest bit.
fn ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_asks_and_the_second_forces() {
        let shutdown = Shutdown {
            asked: CancellationToken::new(),
            forced: CancellationToken::new(),
            signal: Arc::new(OnceLock::new()),
        };
        shutdown.received(Signal::Terminate);
        assert!(shutdown.token().is_cancelled());
        assert!(!shutdown.forced.is_cancelled());
        shutdown.received(Signal::Interrupt);
        assert!(shutdown.forced.is_cancelled());
        assert_eq!(shutdown.signal(), Some(Signal::Terminate), "the first one decides the exit code");
    }
}
