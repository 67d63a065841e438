//! How values are written for people, and for scripts that read what is written for people.

use std::time::Duration;

pub(super) use crate::logger::repr;

/// Several quoted names.
pub(super) fn reprs<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(repr).collect::<Vec<_>>().join(", ")
}

/// All whitespace runs as one space: for what has to stay on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `12.3 GB`; a kB is 1000 bytes.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `45 s`, `5 min`, `2 h 10 min`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = (seconds + 30) / 60;
    match (seconds, minutes) {
        (0..90, _) => format!("{seconds} s"),
        (_, 0..90) => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values are what Python 3 prints for `repr()`.
    #[test]
    fn strings_are_quoted_as_python_quotes_them() {
        for (text, expected) in [
            ("app", "'app'"),
            ("it's", r#""it's""#),
            (r#"both ' and ""#, r#"'both \' and "'"#),
            (r#"say "hi""#, r#"'say "hi"'"#),
            ("a\\b\nc\td", r"'a\\b\nc\td'"),
            ("bell\u{7}", r"'bell\x07'"),
            ("Müller", "'Müller'"),
        ] {
            assert_eq!(repr(text), expected);
        }
    }

    #[test]
    fn sizes_have_about_three_digits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_999, "1.0 MB"),
            (450_000_000_000, "450 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn durations_are_rounded_as_a_person_rounds() {
        for (seconds, expected) in [(45, "45 s"), (300, "5 min"), (7_800, "2 h 10 min"), (89, "89 s"), (90, "2 min")] {
            assert_eq!(duration(Duration::from_secs(seconds)), expected);
        }
    }
}
