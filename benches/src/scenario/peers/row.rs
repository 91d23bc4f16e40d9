//! The figures of a server.

use super::peer::Peer;
use crate::report::Figures;
use crate::scenario::measure::Measured;

/// Deliveries may lag this many seconds behind the messages sent; beyond that, a server has collapsed.
pub(super) const LAG_S: f64 = 3.0;
/// The share of the offered rate that a server must deliver during the measurement.
pub(super) const ENOUGH_PERCENT: f64 = 90.0;
/// The share that must have been delivered in the end.
const DELIVERED_PERCENT: f64 = 99.0;

/// A server's figures at one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fanout {
    pub(super) rate: f64,
    /// Whether it could not deliver the offered rate. Then [`Self::per_second`] is the rate that it reached, and the
    /// other figures are meaningless.
    pub(super) collapsed: bool,
    pub(super) delivered_percent: f64,
    pub(super) per_second: f64,
    pub(super) p99_ms: f64,
    pub(super) cpu_us: f64,
    pub(super) generator_percent: f64,
}

impl Fanout {
    /// Figures of a complete measurement.
    pub(super) fn new(rate: f64, watchers: u32, measured: &Measured) -> Self {
        let watching = &measured.tallies[0];
        let publishing = &measured.tallies[1];
        let due = publishing.sent_in_window + publishing.unsent;
        let offered = (due * u64::from(watchers)).max(1);
        let delivered_percent = watching.in_window as f64 / offered as f64 * 100.0;
        let per_second = measured.received as f64 / measured.seconds;
        let enough = rate * f64::from(watchers) * ENOUGH_PERCENT / 100.0;
        Self {
            rate,
            collapsed: delivered_percent < DELIVERED_PERCENT || per_second < enough,
            delivered_percent,
            per_second,
            p99_ms: watching.latencies.quantile_ms(0.99).unwrap_or(0.0),
            cpu_us: measured.used.edges.cpu_s * 1e6 / measured.received.max(1) as f64,
            generator_percent: measured.generator * 100.0,
        }
    }

    /// Figures of a server that fell behind or died.
    pub(super) fn collapsed(rate: f64, per_second: f64) -> Self {
        Self {
            rate,
            collapsed: true,
            delivered_percent: 0.0,
            per_second,
            p99_ms: 0.0,
            cpu_us: 0.0,
            generator_percent: 0.0,
        }
    }
}

/// The cost of connections.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Connects {
    /// Memory per idle connection in bytes.
    pub(super) bytes: f64,
    /// CPU time per connect. With TLS, the handshake is a full one.
    pub(super) cpu_us: f64,
    /// The same when all connect again, with TLS.
    pub(super) resumed: Option<Resumed>,
}

/// The cost of connects that may resume sessions of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Resumed {
    /// The percentage of the connects that resumed a session.
    pub(super) percent: f64,
    pub(super) cpu_us: f64,
}

impl Resumed {
    /// Whether the server resumes sessions. Some connects may be retried without a ticket.
    pub(super) fn is_real(&self) -> bool {
        self.percent >= ENOUGH_PERCENT
    }
}

impl Connects {
    fn put(&self, name: &str, figures: &mut Figures) {
        figures.put_number(format!("{name}_bytes_per_connection"), self.bytes);
        figures.put_number(format!("{name}_cpu_us_per_connect"), self.cpu_us);
        if let Some(resumed) = self.resumed {
            figures.put_number(format!("{name}_resumed_percent"), resumed.percent);
            figures.put_number(format!("{name}_cpu_us_per_reconnect"), resumed.cpu_us);
        }
    }

    fn median<'a>(rounds: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let resumed = rounds.clone().filter_map(|round| round.resumed);
        Self {
            bytes: middle(rounds.clone().map(|round| round.bytes)),
            cpu_us: middle(rounds.map(|round| round.cpu_us)),
            resumed: resumed.clone().next().map(|_| Resumed {
                percent: middle(resumed.clone().map(|resumed| resumed.percent)),
                cpu_us: middle(resumed.map(|resumed| resumed.cpu_us)),
            }),
        }
    }
}

/// Sent and received messages since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Backlog {
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Backlog {
    pub(super) fn with(mut self, measured: &Measured) -> Self {
        self.received += measured.tallies[0].received;
        self.sent += measured.tallies[1].sent + measured.tallies[1].unsent;
        self
    }

    /// Whether deliveries lag by more than [`LAG_S`].
    pub(super) fn is_hopeless(self, rate: f64, watchers: u32) -> bool {
        let due = self.sent as f64 * f64::from(watchers);
        due - self.received as f64 > rate * f64::from(watchers) * LAG_S
    }
}

/// A server and its figures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) peer: Peer,
    pub(super) connects: Connects,
    pub(super) fanouts: Vec<Fanout>,
}

/// A figure of a [`Fanout`] with its name.
type Field = (&'static str, fn(&mut Fanout) -> &mut f64);

const FIELDS: [Field; 5] = [
    ("delivered_percent", |fanout| &mut fanout.delivered_percent),
    ("deliveries_per_s", |fanout| &mut fanout.per_second),
    ("p99_ms", |fanout| &mut fanout.p99_ms),
    ("cpu_us_per_delivery", |fanout| &mut fanout.cpu_us),
    ("generator_cpu_percent", |fanout| {
        &mut fanout.generator_percent
    }),
];

impl Row {
    /// The figures at this rate.
    pub(super) fn fanout(&self, rate: f64) -> Option<&Fanout> {
        self.fanouts.iter().find(|fanout| fanout.rate == rate)
    }

    /// Adds the figures to a report, except meaningless ones.
    pub(super) fn put(&self, figures: &mut Figures) {
        let name = self.peer.name();
        self.connects.put(name, figures);
        for &(mut fanout) in &self.fanouts {
            let rate = fanout.rate;
            figures.put(
                format!("{name}_{rate}_collapsed"),
                u64::from(fanout.collapsed),
            );
            for (what, field) in FIELDS {
                let value = *field(&mut fanout);
                if !fanout.collapsed || what == "deliveries_per_s" {
                    figures.put_number(format!("{name}_{rate}_{what}"), value);
                }
            }
        }
    }

    /// The medians over rounds. A server collapses if it did in half of the rounds. `None` if there are no rounds.
    pub(super) fn median(rounds: &[Self]) -> Option<Self> {
        let mut row = rounds.first()?.clone();
        row.connects = Connects::median(rounds.iter().map(|row| &row.connects));
        let rates: Vec<_> = rounds.iter().flat_map(|row| &row.fanouts).collect();
        row.fanouts.clear();
        for one in &rates {
            if row.fanout(one.rate).is_some() {
                continue;
            }
            let of_rate = || rates.iter().filter(|other| other.rate == one.rate);
            let fell = of_rate().filter(|fanout| fanout.collapsed).count();
            let collapsed = fell * 2 >= of_rate().count();
            let mut median = **one;
            median.collapsed = collapsed;
            for (_, field) in FIELDS {
                let alike = of_rate().filter(|fanout| fanout.collapsed == collapsed);
                *field(&mut median) = middle(alike.map(|&&(mut fanout)| *field(&mut fanout)));
            }
            row.fanouts.push(median);
        }
        Some(row)
    }
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        len => (values[(len - 1) / 2] + values[len / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Tally;

    fn measured(sent: u64, came: u64, late: u64) -> Measured {
        Measured {
            seconds: 10.0,
            received: came - late,
            tallies: vec![
                Tally {
                    in_window: came,
                    received: came,
                    ..Tally::default()
                },
                Tally {
                    sent,
                    sent_in_window: sent,
                    ..Tally::default()
                },
            ],
            ..Measured::default()
        }
    }

    #[test]
    fn a_server_that_lags_or_loses_messages_collapses() {
        let of = |came, late| Fanout::new(60.0, 100, &measured(600, came, late)).collapsed;
        assert!(!of(60_000, 0));
        assert!(!of(59_500, 5_000));
        assert!(of(60_000, 6_100), "it lags too far behind");
        assert!(of(59_000, 0), "it loses messages");
        let backlog = Backlog::default().with(&measured(600, 42_100, 0));
        assert!(!backlog.is_hopeless(60.0, 100));
        let backlog = Backlog::default().with(&measured(600, 41_900, 0));
        assert!(backlog.is_hopeless(60.0, 100));
    }

    #[test]
    fn medians_are_of_rounds_with_the_same_outcome() {
        let row = |bytes, fanouts: &[Fanout]| Row {
            peer: Peer::Ws,
            connects: Connects {
                bytes,
                cpu_us: bytes * 2.0,
                resumed: Some(Resumed {
                    percent: 100.0,
                    cpu_us: bytes / 2.0,
                }),
            },
            fanouts: fanouts.to_vec(),
        };
        let good = |p99_ms| Fanout {
            p99_ms,
            collapsed: false,
            ..Fanout::collapsed(60.0, 6e5)
        };
        let bad = Fanout::collapsed(60.0, 58e3);
        let rounds = [
            row(3.0, &[good(9.0)]),
            row(1.0, &[bad]),
            row(2.0, &[good(5.0)]),
        ];
        let median = Row::median(&rounds).unwrap();
        assert_eq!(median, row(2.0, &[good(7.0)]));
        let rounds = [row(3.0, &[good(9.0)]), row(1.0, &[bad])];
        assert_eq!(Row::median(&rounds).unwrap().fanouts, [bad]);
        assert_eq!(Row::median(&[]), None);
        let mut figures = Figures::default();
        row(1.0, &[bad]).put(&mut figures);
        assert_eq!(figures.number("ws_60_deliveries_per_s"), Some(58e3));
        assert_eq!(figures.number("ws_60_p99_ms"), None);
        assert_eq!(figures.number("ws_cpu_us_per_reconnect"), Some(0.5));
    }
}
