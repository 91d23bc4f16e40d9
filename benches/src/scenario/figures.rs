//! Figures of several scenarios.

use crate::report::Report;
use crate::scenario::measure::Measured;

/// Adds offered and delivered messages. The first load receives, the second publishes.
pub fn put_deliveries(report: &mut Report, measured: &Measured, watchers: u32) {
    let watching = &measured.tallies[0];
    let publishing = &measured.tallies[1];
    let offered = publishing.sent_in_window * u64::from(watchers);
    let figures = &mut report.figures;
    figures.put("offered", offered);
    figures.put("delivered", watching.in_window);
    let share = watching.in_window as f64 / offered.max(1) as f64;
    figures.put_number("delivered_percent", share * 100.0);
    figures.put_number(
        "deliveries_per_s",
        measured.received as f64 / measured.seconds,
    );
    figures.put_latencies("", &watching.latencies);
    let us = |cpu_s: f64| cpu_s * 1e6 / measured.received.max(1) as f64;
    figures.put_number("edge_cpu_us_per_delivery", us(measured.used.edges.cpu_s));
    let bytes = watching.bytes as f64 / watching.received.max(1) as f64;
    figures.put_number("bytes_per_delivery", bytes);
    figures.put_number(
        "deliveries_per_read",
        watching.received as f64 / watching.reads.max(1) as f64,
    );
    figures.put("snapshots", watching.snapshots);
    figures.put("errors", watching.errors + publishing.errors);
    if publishing.unsent > 0 {
        report.warn(format!("{} inputs could not be sent", publishing.unsent));
    }
    if let Some(error) = watching.error.as_ref().or(publishing.error.as_ref()) {
        report.warn(error.clone());
    }
}

/// Adds the CPU usage of the servers.
pub fn put_servers(report: &mut Report, measured: &Measured) {
    let percent = |cpu_s: f64| cpu_s / measured.seconds * 100.0;
    let used = &measured.used;
    let figures = &mut report.figures;
    figures.put_number("edge_cpu_percent", percent(used.edges.cpu_s));
    figures.put_number("worker_cpu_percent", percent(used.workers.cpu_s));
    figures.put_number("nats_cpu_percent", percent(used.nats.cpu_s));
    let memory = measured
        .samples
        .iter()
        .map(|sample| sample.edge_memory)
        .max();
    figures.put("edge_memory_bytes", memory.unwrap_or(0));
}
