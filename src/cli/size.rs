//! Sizes as PostgreSQL's settings have them.

/// Units of memory, as in `postgresql.conf`.
const UNITS: [(&str, u32); 5] = [("TB", 40), ("GB", 30), ("MB", 20), ("kB", 10), ("B", 0)];

/// Smallest size that can be asked for.
const SMALLEST: u64 = 1 << 20;

/// Reads `512MB`, `2 GB` or a number of bytes; capitals do not matter.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let bytes = UNITS
        .iter()
        .find(|(name, _)| unit.eq_ignore_ascii_case(name) || unit.is_empty() && *name == "B")
        .and_then(|(_, power)| number.parse::<u64>().ok()?.checked_mul(1 << power));
    match bytes {
        Some(bytes) if bytes >= SMALLEST => Ok(bytes),
        Some(_) => Err("it has to be 1MB or more".to_owned()),
        None => Err("it has to be a size such as 512MB or 2GB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_are_bytes() {
        for (text, bytes) in [("512MB", 512 << 20), (" 2 gb", 2 << 30), ("1048576", 1 << 20), ("3TB", 3 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "1.5GB", "2 XB", "-1GB", "99999999999TB", "10 kB", "0"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
