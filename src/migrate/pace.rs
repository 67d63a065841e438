//! How often to look at something that no server announces: often when it may be there any moment, seldom when it is far.

use std::time::Duration;

/// Pause when the goal may be reached before the next look.
const SHORTEST: Duration = Duration::from_millis(20);

/// The pauses of one wait. What is left may be counted in anything, as long as it is 0 in the end.
#[derive(Debug)]
pub(super) struct Pace {
    longest: Duration,
    last: Option<(Duration, u64)>,
}

impl Pace {
    /// Pauses of at most `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, last: None }
    }

    /// How long to pause when `left` is left: a quarter of the time that the rest takes at the speed since the last look, and
    /// longer from look to look while nothing moves.
    pub(super) fn pause(&mut self, left: u64) -> Duration {
        let pause = match self.last {
            None => SHORTEST,
            Some((pause, before)) if before > left => {
                let rest = left.saturating_mul(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX));
                Duration::from_micros(rest / (before - left) / 4)
            }
            Some((pause, _)) => pause * 2,
        };
        let pause = pause.clamp(SHORTEST, self.longest);
        self.last = Some((pause, left));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(left: &[u64]) -> Vec<u128> {
        let mut pace = Pace::new(Duration::from_secs(1));
        left.iter().map(|left| pace.pause(*left).as_millis()).collect()
    }

    #[test]
    fn the_nearer_the_goal_the_shorter_the_pause() {
        // 1000 of 100,000 in 20 ms: the rest takes 2 s.
        assert_eq!(pauses(&[100_000, 99_000]), [20, 495]);
        assert_eq!(pauses(&[100_000, 99_000, 500, 499]), [20, 495, 20, 1000]);
        assert_eq!(pauses(&[u64::MAX, u64::MAX - 1]), [20, 1000]);
    }

    #[test]
    fn while_nothing_moves_or_the_goal_runs_away_the_pause_grows() {
        assert_eq!(pauses(&[1, 1, 1, 1, 2, 2, 2, 2]), [20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
