//! The metrics of the process itself: what it uses of the machine. They have the names that Prometheus' client libraries
//! give them, without the prefix of all others.

use std::fmt;
use std::fs;
use std::os::linux::fs::MetadataExt as _;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// The statements of the kernel about this process in `/proc/self/stat`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// CPU time, in user mode and in the kernel, in seconds.
    pub cpu_seconds: f64,
    /// Memory in use.
    pub resident_bytes: u64,
    /// Addresses in use.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// The time at which the process started, in seconds after the start of the machine.
    started_seconds: f64,
}

impl Usage {
    /// Asks the kernel; `None` if the process is out of descriptors.
    pub fn of_this_process() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Reads `/proc/[pid]/stat` (proc_pid_stat(5)).
    fn parse(stat: &str) -> Option<Self> {
        // The name of the program, in parentheses, may have spaces.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // The first of them is field 3.
        let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
        let ticks = clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks,
            threads: field(20)?,
            started_seconds: field(22)? as f64 / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page_size() as u64,
        })
    }

    /// The Unix time at which the process started.
    fn started_unix(self) -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        let booted: u64 = line.trim().parse().ok()?;
        Some(booted as f64 + self.started_seconds)
    }
}

/// The open descriptors of the process.
fn open_files() -> Option<u64> {
    const FILES: &str = "/proc/self/fd";
    // Linux counts them in the size of the folder since version 6.2, which needs no descriptor.
    match fs::metadata(FILES).ok()?.st_size() {
        0 => fs::read_dir(FILES).ok().map(|files| files.count() as u64),
        count => Some(count),
    }
}

/// The bytes that all interfaces but `lo` of the network namespace have received and sent.
fn network_bytes() -> Option<(u64, u64)> {
    let table = fs::read_to_string("/proc/self/net/dev").ok()?;
    Some(sum_interfaces(&table))
}

fn sum_interfaces(table: &str) -> (u64, u64) {
    let interfaces = table.lines().filter_map(|line| line.split_once(':'));
    let others = interfaces.filter(|(name, _)| name.trim() != "lo");
    others.fold((0, 0), |(received, sent), (_, counts)| {
        let count = |place| {
            let found = counts.split_whitespace().nth(place);
            found.and_then(|count| count.parse().ok()).unwrap_or(0)
        };
        (received + count(0), sent + count(8))
    })
}

/// A registry with the metrics of the process.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ProcessCollector));
    registry
}

/// Reads the metrics when they are asked for. What the kernel does not tell is missing.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(usage) = Usage::of_this_process() {
            put_usage(&mut encoder, usage)?;
        }
        if let Some(files) = open_files() {
            let help = "Open file descriptors";
            gauge(&mut encoder, "process_open_fds", help, files as f64)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let help = "The most file descriptors that may be open";
            gauge(&mut encoder, "process_max_fds", help, most as f64)?;
        }
        if let Some((received, sent)) = network_bytes() {
            let of = "by all interfaces of the network namespace but the loopback";
            let help = format!("Bytes received {of}");
            counter(
                &mut encoder,
                "process_network_receive_bytes",
                &help,
                received as f64,
            )?;
            let help = format!("Bytes sent {of}");
            counter(
                &mut encoder,
                "process_network_transmit_bytes",
                &help,
                sent as f64,
            )?;
        }
        Ok(())
    }
}

fn put_usage(encoder: &mut DescriptorEncoder<'_>, usage: Usage) -> Result<(), fmt::Error> {
    let help = "CPU time, in user mode and in the kernel";
    counter(encoder, "process_cpu_seconds", help, usage.cpu_seconds)?;
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Memory in use",
            usage.resident_bytes,
        ),
        (
            "process_virtual_memory_bytes",
            "Addresses in use",
            usage.virtual_bytes,
        ),
        ("process_threads", "Threads", usage.threads),
    ] {
        gauge(encoder, name, help, value as f64)?;
    }
    if let Some(started) = usage.started_unix() {
        let help = "The Unix time at which the process started";
        gauge(encoder, "process_start_time_seconds", help, started)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(metric)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let counter = ConstCounter::new(value);
    let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
    counter.encode(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_name_has_spaces_is_read() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1000 4096 3 18446744073709551615 1 1";
        let usage = Usage::parse(stat).unwrap();
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(usage.cpu_seconds, 300.0 / ticks);
        assert_eq!((usage.threads, usage.virtual_bytes), (9, 4096));
        assert_eq!(usage.resident_bytes, 3 * page_size() as u64);
        assert_eq!(usage.started_seconds, 1000.0 / ticks);
        assert_eq!(Usage::parse("7 (a"), None);
    }

    #[test]
    fn the_loopback_does_not_count() {
        let table = "Inter-|   Receive   |  Transmit\n face |bytes packets|bytes packets\n\
                     \u{20}   lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n\
                     \u{20} eth0: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n\
                     \u{20} eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
        assert_eq!(sum_interfaces(table), (15, 26));
    }

    #[test]
    fn the_metrics_of_this_process_are_there() {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry()).unwrap();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_threads",
            "process_start_time_seconds",
            "process_open_fds",
            "process_max_fds",
            "process_network_receive_bytes_total",
            "process_network_transmit_bytes_total",
        ] {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("{name} ")));
            let value: f64 = line.unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            assert!(value >= 0.0, "{name}");
        }
        let files = open_files().unwrap();
        assert!(files >= 3, "{files}");
    }
}
