//! `grandstand metrics`: prints the page of the documentation about metrics, which is made from the metrics themselves.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use grandstand_common::exit::Failure;
use grandstand_common::process::described::{Described, describe, table};
use grandstand_common::process::metrics::{self, Build, registry};
use grandstand_common::process::{reload, telemetry};
use grandstand_edge::shard::metrics::EdgeMetrics;
use grandstand_worker::process::metrics::WorkerMetrics;

use crate::print::{cannot_print, ignore_closed_pipe};

/// The beginning of the page.
const INTRODUCTION: &str = include_str!("metrics/introduction.txt");

/// The end of the page.
const END: &str = "\nNext: [Replay and quarantine](replay.md)\n";

/// Prints the metrics of all components as a page of Markdown
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// Print Markdown; there is no other format
    #[arg(long, required = true)]
    markdown: bool,
}

/// Prints the page.
pub(crate) fn run(_: &Args) -> Result<(), Failure> {
    let printed = io::stdout().lock().write_all(page().as_bytes());
    printed.or_else(ignore_closed_pipe).map_err(cannot_print)
}

/// A part of the page: the metrics whose names have one of these beginnings.
struct Section {
    title: &'static str,
    beginnings: &'static [&'static str],
}

const SECTIONS: [Section; 6] = [
    Section {
        title: "Every process",
        beginnings: &[
            "process_",
            "grandstand_build_",
            "grandstand_log_",
            "grandstand_config_",
        ],
    },
    Section {
        title: "Rooms",
        beginnings: &["grandstand_room_"],
    },
    Section {
        title: "Edges",
        beginnings: &["grandstand_edge_"],
    },
    Section {
        title: "Workers",
        beginnings: &["grandstand_worker_"],
    },
    Section {
        title: "The archive",
        beginnings: &["grandstand_archive_"],
    },
    Section {
        title: "The outlet",
        beginnings: &["grandstand_outlet_"],
    },
];

/// The page. Sections of features with which the program is not built are missing.
fn page() -> String {
    let metrics = all();
    let mut page = INTRODUCTION.to_owned();
    for Section { title, beginnings } in SECTIONS {
        let is_of = |metric: &&Described| beginnings.iter().any(|b| metric.name.starts_with(b));
        let of: Vec<_> = metrics.iter().filter(is_of).cloned().collect();
        if !of.is_empty() {
            // Writing to a string does not fail.
            write!(page, "\n## {title}\n\n{}", table(&of)).ok();
        }
    }
    page + END
}

/// The metrics of all components.
fn all() -> Vec<Described> {
    let mut registry = registry(Build {
        service: "",
        version: "",
    });
    telemetry::describe(&mut registry);
    reload::describe(&mut registry);
    EdgeMetrics::register(&mut registry).touch();
    let worker = WorkerMetrics::default();
    worker.register(&mut registry);
    worker.touch();
    #[cfg(feature = "archive")]
    crate::archive::describe(&mut registry);
    #[cfg(feature = "outlet")]
    crate::outlet::describe(&mut registry);
    describe(&metrics::render(&registry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(feature = "archive", feature = "outlet", feature = "quic"))]
    fn the_page_is_that_of_the_code() {
        let stored = include_str!("../../docs/metrics.md");
        assert!(
            page() == stored,
            "docs/metrics.md differs from the code: run `grandstand metrics --markdown > docs/metrics.md`"
        );
    }

    #[test]
    fn every_metric_is_in_one_section_and_says_what_it_means() {
        for metric in all() {
            let beginnings = SECTIONS.iter().flat_map(|section| section.beginnings);
            let count = beginnings.filter(|b| metric.name.starts_with(**b)).count();
            assert_eq!(count, 1, "{}", metric.name);
            assert!(!metric.help.is_empty(), "{}", metric.name);
        }
    }
}
