//! A finding about the machine or the cluster.

use serde::Serialize;

/// The judgement of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// The target cannot be reached like this.
    Fault,
    /// The target can be reached, but worse than it could be.
    Advice,
    /// The facts cannot be read.
    Unknown,
    /// All is as it should be.
    Well,
}

/// The part that a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Area {
    Machine,
    Cluster,
}

/// One check: what is, what should be, why, and how to get there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) area: Area,
    pub(super) verdict: Verdict,
    pub(super) is: String,
    pub(super) should: String,
    pub(super) why: String,
    /// The way to set it; empty if it is as it should be.
    pub(super) fix: String,
    /// The setting of the kernel that it is about, and the value that the target needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sysctl: Option<(String, String)>,
}

impl Finding {
    /// A finding about the machine that is well so far.
    pub(super) fn machine(check: &'static str, is: impl Into<String>) -> Self {
        Self {
            check,
            area: Area::Machine,
            verdict: Verdict::Well,
            is: is.into(),
            should: String::new(),
            why: String::new(),
            fix: String::new(),
            sysctl: None,
        }
    }

    /// A finding about the cluster that is well so far.
    pub(super) fn cluster(check: &'static str, is: impl Into<String>) -> Self {
        Self {
            area: Area::Cluster,
            ..Self::machine(check, is)
        }
    }

    /// The value that should be, and the reason.
    #[must_use]
    pub(super) fn should(mut self, should: impl Into<String>, why: impl Into<String>) -> Self {
        self.should = should.into();
        self.why = why.into();
        self
    }

    /// A finding whose facts cannot be read, with the reason.
    #[must_use]
    pub(super) fn unknown(mut self, why: impl Into<String>) -> Self {
        self.verdict = Verdict::Unknown;
        self.is = why.into();
        self
    }

    /// The judgement if this is so, and how to set it right.
    #[must_use]
    pub(super) fn unless(
        mut self,
        is_well: bool,
        verdict: Verdict,
        fix: impl Into<String>,
    ) -> Self {
        if !is_well {
            self.verdict = verdict;
            self.fix = fix.into();
        }
        self
    }

    /// A setting of the kernel with the value that the target needs. If the finding is not well, this is how to set it.
    #[must_use]
    pub(super) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if matches!(self.verdict, Verdict::Fault | Verdict::Advice) {
            let text = format!("sysctl -w {name}={}", quoted(&value));
            self.fix = match self.fix.as_str() {
                "" => text,
                other => format!("{text}; {other}"),
            };
        }
        self.sysctl = Some((name.to_owned(), value));
        self
    }
}

fn quoted(value: &str) -> String {
    if value.contains(' ') {
        format!("'{value}'")
    } else {
        value.to_owned()
    }
}

/// A number with commas between its thousands.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount of bytes with one digit after the point.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.into_iter().find(|(_, unit)| bytes >= *unit);
    match unit {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!((thousands(999), thousands(0)), ("999".into(), "0".into()));
        assert_eq!(size(3 << 29), "1.5 GiB");
        assert_eq!(size(100), "100 bytes");
    }

    #[test]
    fn only_what_is_not_well_says_how_to_set_it() {
        let well = Finding::machine("a", "1").unless(true, Verdict::Fault, "");
        assert_eq!(well.clone().set("a.b", "2").fix, "");
        let low = Finding::machine("a", "1").unless(false, Verdict::Fault, "");
        assert_eq!(low.set("a.b", "1 2").fix, "sysctl -w a.b='1 2'");
    }
}
