//! Formats times for people.

/// `2026-11-22T07:01:12.345Z`.
pub(super) fn utc(unix_ms: u64) -> String {
    let (date, clock) = parts(unix_ms);
    format!("{date}T{clock}Z")
}

/// `2026-11-22 07:01:12.345`.
pub(super) fn readable(unix_ms: u64) -> String {
    let (date, clock) = parts(unix_ms);
    format!("{date} {clock}")
}

/// `07:01:12.345`.
pub(super) fn clock(unix_ms: u64) -> String {
    parts(unix_ms).1
}

/// `345 ms`, `4.2 s`, `4 min 28 s`, `3 h 5 min`, `2 days 3 h`.
pub(super) fn span(ms: u64) -> String {
    let s = ms / 1000;
    let min = ms / 60_000;
    let h = ms / 3_600_000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{s}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{min} min {} s", s % 60),
        3_600_000..172_800_000 => format!("{h} h {} min", min % 60),
        _ => format!("{} days {} h", h / 24, h % 24),
    }
}

fn parts(unix_ms: u64) -> (String, String) {
    let days = unix_ms / 86_400_000;
    let ms = unix_ms % 86_400_000;
    let (year, month, day) = date(days);
    let h = ms / 3_600_000;
    let min = ms / 60_000 % 60;
    let s = ms / 1000 % 60;
    let ms = ms % 1000;
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{h:02}:{min:02}:{s:02}.{ms:03}"),
    )
}

/// The date of a day after 1970-01-01, in the Gregorian calendar (Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_gregorian_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
        let _ = utc(u64::MAX);
    }

    #[test]
    fn spans_use_the_two_largest_units() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (4_250, "4.2 s"),
            (268_000, "4 min 28 s"),
            (11_100_000, "3 h 5 min"),
            (183_600_000, "2 days 3 h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
