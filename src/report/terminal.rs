//! Standard error and standard output. Whatever is printed goes through here, so that a progress display and log lines do
//! not tear each other, and a reader that went away ends nothing.

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressDrawTarget};

/// The two streams, and the progress display drawn on standard error.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    bars: MultiProgress,
}

impl Terminal {
    /// With `drawing`, lines of the progress display appear on standard error.
    pub(super) fn new(drawing: bool) -> Self {
        let target = if drawing { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target) }
    }

    /// Whether standard error is a terminal.
    pub(super) fn interactive() -> bool {
        io::stderr().is_terminal()
    }

    /// Where the progress display puts its lines.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes `text`, which ends with a newline, to standard error. Nobody listening is no reason to stop.
    pub(super) fn log(&self, text: &str) {
        self.bars.suspend(|| drop(io::stderr().lock().write_all(text.as_bytes())));
    }
}

/// Writes `bytes` to standard output. A reader that closed it has seen what it wanted.
pub(super) fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
