//! The options of `pause`, and the faults.

use clap::ValueEnum;

/// Pause of rooms while a worker is killed, paused or shut down, or NATS is restarted
///
/// A pause is the time from a room's last update before the fault to its first update afterwards, or to the new owner's
/// snapshot, which contains the inputs sent meanwhile. It includes the time without an input: at most
/// `probe_interval_ms` in the probe rooms, whose pauses are reported separately, and `input_interval_ms` in the others.
/// A wait is the longest time from an input's due time to its ack; 0 in a room without inputs meanwhile. Both are of
/// the rooms that got a new owner; for NATS, of all rooms.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of two-player rooms with inputs
    #[arg(long, default_value_t = 1000)]
    pub rooms: u32,
    /// Number of these rooms that are probes: their inputs come at a short interval, so that they show a pause exactly
    #[arg(long, default_value_t = 100)]
    pub probes: u32,
    /// Milliseconds between two inputs of a probe room
    #[arg(long, default_value_t = 20.0, value_parser = interval)]
    pub probe_interval_ms: f64,
    /// Inputs per second, over all rooms except probes
    #[arg(long, default_value_t = 900.0)]
    pub rate: f64,
    /// Number of further stored rooms without players
    #[arg(long, default_value_t = 0)]
    pub idle_rooms: u32,
    /// Number of workers
    #[arg(long, default_value_t = 3)]
    pub workers: usize,
    /// Repetitions of each fault
    #[arg(long, default_value_t = 50)]
    pub kills: u32,
    /// The faults
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Fault::ALL)]
    pub how: Vec<Fault>,
    /// Rooms whose worker dies at once, to measure their rehydration; 0 skips this
    #[arg(long, default_value_t = 10_000)]
    pub takeover_rooms: u32,
    /// Repetitions of the takeover
    #[arg(long, default_value_t = 5)]
    pub takeovers: u32,
}

fn interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ms) if ms.is_finite() && ms > 0.0 => Ok(ms),
        _ => Err("it must be a number of milliseconds above 0".to_owned()),
    }
}

impl Options {
    /// The number of probes and of other rooms.
    pub(super) fn parted(&self) -> (u32, u32) {
        let probes = self.probes.min(self.rooms);
        (probes, self.rooms - probes)
    }

    /// Inputs per second, over all probes.
    pub(super) fn probe_rate(&self) -> f64 {
        f64::from(self.parted().0) * 1000.0 / self.probe_interval_ms
    }
}

/// A fault of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A worker dies (`kill -9`).
    Kill,
    /// A worker is paused (SIGSTOP), and resumed once others own its rooms.
    Stop,
    /// A worker is asked to end and hands its partitions over.
    Handover,
    /// NATS dies and is started again at once.
    Nats,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 4] = [Self::Kill, Self::Stop, Self::Handover, Self::Nats];

    /// The name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Handover => "handover",
            Self::Nats => "nats",
        }
    }

    /// The label in reports.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Kill => "worker killed (kill -9)",
            Self::Stop => "worker paused (SIGSTOP)",
            Self::Handover => "planned handover (SIGTERM)",
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
        line.expect("the command line is valid").options
    }

    #[test]
    fn probes_are_part_of_the_rooms_and_have_their_own_interval() {
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
    fn an_interval_is_above_zero() {
        for wrong in ["0", "-1", "nan", "soon"] {
            let line = ["pause".to_owned(), format!("--probe-interval-ms={wrong}")];
            assert!(Line::try_parse_from(line).is_err(), "{wrong}");
        }
    }
}
