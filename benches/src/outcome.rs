//! The options of every scenario, and its result.

use std::path::PathBuf;

use crate::plot::Chart;
use crate::report::Report;

/// The options of every scenario.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunOptions {
    /// Print one line of JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Draw a plot into this file, as SVG
    #[arg(long, global = true, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Duration of each phase that is measured
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 20.0)]
    pub seconds: f64,
}

/// The result of a scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The figures.
    pub report: Report,
    /// The plot.
    pub chart: Chart,
}
