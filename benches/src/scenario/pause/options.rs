//! The options of `pause`, and what can be done to servers.

use clap::ValueEnum;

/// How long rooms stand still: a worker is killed, stopped or ended, or NATS restarted, while inputs flow
///
/// A pause is the time from a room's last update before to the first one after, or to the new owner's snapshot, which has
/// what was sent meanwhile. A part of it is no pause but the time in which nobody played: `probe_interval_ms` at most in
/// the probe rooms, whose pauses are reported by themselves, and `input_interval_ms` in the others. A wait is the longest
/// from when an input was due to its ack; 0 in a room in which nobody played meanwhile. Both are of the rooms that got a new owner; for NATS, of all.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Two-player rooms with inputs flowing
    #[arg(long, default_value_t = 1000)]
    pub rooms: u32,
    /// How many of the rooms are probes: their inputs come at a short interval, so that they show a pause exactly
    #[arg(long, default_value_t = 100)]
    pub probes: u32,
    /// Milliseconds from one input of a probe room to its next
    #[arg(long, default_value_t = 20.0, value_parser = interval)]
    pub probe_interval_ms: f64,
    /// Inputs per second, over all rooms that are no probes
    #[arg(long, default_value_t = 900.0)]
    pub rate: f64,
    /// Workers
    #[arg(long, default_value_t = 3)]
    pub workers: usize,
    /// How often each is done
    #[arg(long, default_value_t = 50)]
    pub kills: u32,
    /// What is done
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = How::ALL)]
    pub how: Vec<How>,
    /// Rooms whose worker dies at once, to see how fast they are rehydrated; 0: leave that out
    #[arg(long, default_value_t = 10_000)]
    pub takeover_rooms: u32,
    /// How often that is done
    #[arg(long, default_value_t = 5)]
    pub takeovers: u32,
}

fn interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ms) if ms.is_finite() && ms > 0.0 => Ok(ms),
        _ => Err("it is to be a number of milliseconds above 0".to_owned()),
    }
}

impl Options {
    /// How many rooms are probes, and how many are others.
    pub(super) fn parted(&self) -> (u32, u32) {
        let probes = self.probes.min(self.rooms);
        (probes, self.rooms - probes)
    }

    /// Inputs per second, over all probes.
    pub(super) fn probe_rate(&self) -> f64 {
        f64::from(self.parted().0) * 1000.0 / self.probe_interval_ms
    }
}

/// What is done to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// A worker dies (`kill -9`).
    Kill,
    /// A worker stands still (SIGSTOP), and goes on once others have its rooms.
    Stop,
    /// A worker is asked to end, and hands over.
    Handover,
    /// NATS dies and is started again at once.
    Nats,
}

impl How {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kill, Self::Stop, Self::Handover, Self::Nats];

    /// As in figures' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Handover => "handover",
            Self::Nats => "nats",
        }
    }

    /// For people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Kill => "worker killed (kill -9)",
            Self::Stop => "worker stopped (SIGSTOP)",
            Self::Handover => "planned handover (TERM)",
            Self::Nats => "NATS restarted",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        let line = Line::try_parse_from(["pause"].into_iter().chain(line.split_whitespace()));
        line.expect("it is a command line").options
    }

    #[test]
    fn probes_are_a_part_of_the_rooms_with_an_interval_of_their_own() {
        let usual = options("");
        assert_eq!(usual.parted(), (100, 900));
        assert_eq!(usual.probe_rate(), 5000.0);
        assert!(usual.probe_rate() + usual.rate <= 6000.0);
        let few = options("--rooms 10 --probes 4 --probe-interval-ms 50");
        assert_eq!((few.parted(), few.probe_rate()), ((4, 6), 80.0));
        assert_eq!(options("--rooms 10").parted(), (10, 0), "all are probes");
        let none = options("--probes 0");
        assert_eq!((none.parted(), none.probe_rate()), ((0, 1000), 0.0));
    }

    #[test]
    fn an_interval_is_above_nothing() {
        for wrong in ["0", "-1", "nan", "soon"] {
            let line = ["pause".to_owned(), format!("--probe-interval-ms={wrong}")];
            assert!(Line::try_parse_from(line).is_err(), "{wrong}");
        }
    }
}
