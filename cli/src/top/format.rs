//! Numbers in few characters.

/// The bars of a sparkline.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A number without a value.
pub(super) const NONE: &str = "-";

/// A count: `950`, `12.3k`, `4.5M`.
pub(super) fn count(number: Option<f64>) -> String {
    let Some(number) = number else {
        return NONE.to_owned();
    };
    match number {
        n if n < 10.0 && n.fract() > 0.05 => format!("{n:.1}"),
        n if n < 9_999.5 => format!("{n:.0}"),
        n if n < 999_950.0 => format!("{:.1}k", n / 1e3),
        n if n < 999_950_000.0 => format!("{:.1}M", n / 1e6),
        n => format!("{:.1}G", n / 1e9),
    }
}

/// A time: `850 µs`, `12.3 ms`, `1.25 s`.
pub(super) fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => NONE.to_owned(),
        Some(s) if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        Some(s) if s < 0.009_995 => format!("{:.2} ms", s * 1e3),
        Some(s) if s < 0.099_95 => format!("{:.1} ms", s * 1e3),
        Some(s) if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        Some(s) => format!("{s:.2} s"),
    }
}

/// An amount of bytes: `12 MiB`.
pub(super) fn bytes(bytes: Option<f64>) -> String {
    let Some(bytes) = bytes else {
        return NONE.to_owned();
    };
    let kib = bytes / 1024.0;
    match kib {
        k if k < 1024.0 => format!("{k:.0} KiB"),
        k if k < 1024.0 * 1024.0 => format!("{:.0} MiB", k / 1024.0),
        k => format!("{:.1} GiB", k / (1024.0 * 1024.0)),
    }
}

/// A part of one core, or several: `45 %`.
pub(super) fn cores(cores: Option<f64>) -> String {
    cores.map_or_else(
        || NONE.to_owned(),
        |cores| format!("{:.0} %", cores * 100.0),
    )
}

/// The last values of a history, one character each, in proportion to the highest of them.
pub(super) fn sparkline<'a>(
    history: impl ExactSizeIterator<Item = &'a u64> + Clone,
    width: usize,
) -> String {
    let shown = history.clone().skip(history.len().saturating_sub(width));
    let most = shown.clone().max().copied().unwrap_or(0);
    let bar = |value: &u64| match most {
        0 => ' ',
        most => BARS[usize::try_from(value * 7 / most).unwrap_or(7).min(7)],
    };
    let empty = width.saturating_sub(history.len());
    " ".repeat(empty) + &shown.map(bar).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(count(None), "-");
        assert_eq!(count(Some(0.0)), "0");
        assert_eq!(count(Some(2.5)), "2.5");
        assert_eq!(count(Some(9_999.0)), "9999");
        assert_eq!(count(Some(12_340.0)), "12.3k");
        assert_eq!(count(Some(1_000_000.0)), "1.0M");
        assert_eq!(time(Some(0.000_85)), "850 µs");
        assert_eq!(time(Some(0.001_25)), "1.25 ms");
        assert_eq!(time(Some(0.25)), "250 ms");
        assert_eq!(time(Some(1.5)), "1.50 s");
        assert_eq!(bytes(Some(12.0 * 1024.0 * 1024.0)), "12 MiB");
        assert_eq!(cores(Some(1.25)), "125 %");
    }

    #[test]
    fn a_sparkline_ends_with_the_newest_value() {
        assert_eq!(sparkline([0, 4, 8].iter(), 5), "  ▁▄█");
        assert_eq!(sparkline([8, 4, 0].iter(), 2), "█▁");
        assert_eq!(sparkline([0, 0].iter(), 2), "  ");
        assert_eq!(sparkline([u64::MAX / 8].iter(), 1), "█");
    }
}
