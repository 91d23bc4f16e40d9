//! The targets of a load, and what it reached.

use crate::load::tally::Tally;

/// The figures that a load must reach to pass.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Targets {
    /// Most milliseconds until 95 % of the players are connected and in their rooms
    #[arg(long, value_name = "MS", default_value_t = 2_000.0)]
    connect_p95_ms: f64,
    /// Most milliseconds until 95 % of the inputs are acked
    #[arg(long, value_name = "MS", default_value_t = 1_000.0)]
    ack_p95_ms: f64,
    /// Least share of the inputs that are acked, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 95.0)]
    success_percent: f64,
    /// Most errors, as a share of all connects and inputs, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    error_percent: f64,
}

/// The figures that a load has reached.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reached {
    connect_p95_ms: Option<f64>,
    ack_p95_ms: Option<f64>,
    /// Players that connected, and failed attempts.
    connects: u64,
    /// Inputs that were due, also those that could not be sent.
    pub(super) inputs: u64,
    pub(super) acked: u64,
    pub(super) errors: u64,
}

impl Reached {
    /// The figures of the connects and of the play. Inputs count once all players are there (`at_last`), because a
    /// generator that is given another window forgets which acks are missing in the one before.
    pub(super) fn of(connects: &Tally, played: &Tally, at_last: &Tally) -> Self {
        let inputs = at_last.sent_in_window + at_last.unsent;
        Self {
            connect_p95_ms: connects.entries.quantile_ms(0.95),
            ack_p95_ms: played.acks.quantile_ms(0.95),
            connects: connects.entered + connects.retries,
            inputs,
            acked: at_last.acks.count().min(inputs),
            errors: [connects, played]
                .map(|tally| tally.errors + tally.retries + tally.rejected)
                .iter()
                .sum(),
        }
    }

    /// The share of the inputs that are acked.
    pub(super) fn success_percent(&self) -> f64 {
        percent(self.acked, self.inputs)
    }

    /// The errors as a share of connects and inputs.
    pub(super) fn error_percent(&self) -> f64 {
        percent(self.errors, self.connects + self.inputs)
    }
}

/// A share in percent; 0 of nothing.
fn percent(part: u64, all: u64) -> f64 {
    part as f64 / all.max(1) as f64 * 100.0
}

impl Targets {
    /// The targets that were missed, a text for each.
    pub(super) fn missed(&self, reached: &Reached) -> Vec<String> {
        let over = |name: &str, value: Option<f64>, most: f64| match value {
            Some(ms) if ms <= most => None,
            Some(ms) => Some(format!(
                "{name} p95 is {ms:.0} ms, and {most:.0} ms are allowed"
            )),
            None => Some(format!("{name} was never seen")),
        };
        let success = reached.success_percent();
        let errors = reached.error_percent();
        [
            over("connect", reached.connect_p95_ms, self.connect_p95_ms),
            over("ack", reached.ack_p95_ms, self.ack_p95_ms),
            (success < self.success_percent).then(|| {
                let wanted = self.success_percent;
                format!("{success:.2} % of the inputs are acked, and {wanted} % are wanted")
            }),
            (errors > self.error_percent).then(|| {
                let allowed = self.error_percent;
                format!("{errors:.2} % are errors, and {allowed} % are allowed")
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: Targets = Targets {
        connect_p95_ms: 2_000.0,
        ack_p95_ms: 1_000.0,
        success_percent: 95.0,
        error_percent: 1.0,
    };

    fn good() -> Reached {
        Reached {
            connect_p95_ms: Some(20.0),
            ack_p95_ms: Some(5.0),
            connects: 100,
            inputs: 1_000,
            acked: 1_000,
            errors: 0,
        }
    }

    #[test]
    fn each_target_can_be_missed() {
        assert!(TARGETS.missed(&good()).is_empty());
        let slow = |connect, ack| Reached {
            connect_p95_ms: connect,
            ack_p95_ms: ack,
            ..good()
        };
        let failing = |acked, errors| Reached {
            acked,
            errors,
            ..good()
        };
        let bad = [
            (slow(Some(2_001.0), Some(5.0)), "connect p95"),
            (slow(Some(20.0), Some(1_500.0)), "ack p95"),
            (slow(Some(20.0), None), "ack was never seen"),
            (failing(940, 0), "are acked"),
            (failing(1_000, 12), "are errors"),
        ];
        for (reached, text) in bad {
            let missed = TARGETS.missed(&reached);
            assert_eq!(missed.len(), 1, "{missed:?}");
            assert!(missed[0].contains(text), "{missed:?}");
        }
    }

    #[test]
    fn nothing_that_happens_is_no_success() {
        assert_eq!(TARGETS.missed(&Reached::default()).len(), 3);
    }
}
