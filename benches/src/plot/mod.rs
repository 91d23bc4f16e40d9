//! SVG plots of figures over time and of latency distributions.

mod style;

mod line;

mod bars;

use std::path::Path;

use plotters::prelude::*;

use crate::error::BenchError;
pub use line::Line;
pub use style::short;
use style::{Area, COLOURS, fault};

const WIDTH: u32 = 1000;
const TITLE: u32 = 64;
const PANEL: u32 = 300;
/// A plot: panels below each other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// The title.
    pub title: String,
    /// The conditions of the measurement.
    pub subtitle: String,
    /// The panels.
    pub panels: Vec<Panel>,
}

/// One pair of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The horizontal axis.
    pub x: Axis,
    /// The label of the vertical axis, with its unit.
    pub y: &'static str,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A horizontal axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Axis {
    /// Seconds since the start.
    Seconds,
    /// Percentiles on a logarithmic scale: 0, 90, 99, 99.9 and 99.99 % are evenly spaced.
    Percentile,
    /// One bar for each of these names. Each line has a point for each.
    Names(Vec<String>),
}

impl Chart {
    /// Writes the plot to a file.
    ///
    /// # Errors
    /// If it cannot be drawn or written.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        let svg = self.svg()?;
        std::fs::write(path, svg).map_err(|source| BenchError::File {
            path: path.display().to_string(),
            source,
        })
    }

    /// Draws the plot.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn svg(&self) -> Result<String, BenchError> {
        let mut svg = String::new();
        let heights: Vec<_> = self.panels.iter().map(Panel::height).collect();
        let height = TITLE + heights.iter().sum::<u32>();
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            root.fill(&WHITE).map_err(fault)?;
            let (title, mut rest) = root.split_vertically(TITLE);
            let black = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
            title
                .draw_text(&self.title, &black(22), (24, 12))
                .map_err(fault)?;
            title
                .draw_text(&self.subtitle, &black(14), (24, 40))
                .map_err(fault)?;
            for (panel, height) in self.panels.iter().zip(heights) {
                let (area, below) = rest.split_vertically(height);
                panel.draw(&area)?;
                rest = below;
            }
            root.present().map_err(fault)?;
        }
        Ok(svg)
    }
}

impl Panel {
    fn height(&self) -> u32 {
        match &self.x {
            Axis::Names(names) => bars::height(names.len(), self.lines.len()),
            Axis::Seconds | Axis::Percentile => PANEL,
        }
    }

    fn draw(&self, area: &Area<'_>) -> Result<(), BenchError> {
        if let Axis::Names(names) = &self.x {
            return bars::draw(area, names, self.y, &self.lines);
        }
        let (width, height) = self.extent();
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .margin_right(44)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..width, 0.0..height)
            .map_err(fault)?;
        let label = |x: &f64| self.x_label(*x);
        let labels = match &self.x {
            Axis::Seconds => 11,
            Axis::Percentile => 5,
            Axis::Names(_) => 0,
        };
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .x_labels(labels)
            .x_label_formatter(&label)
            .y_labels(6)
            .y_label_formatter(&|y| short(*y))
            .x_desc(match self.x {
                Axis::Seconds => "seconds",
                Axis::Percentile => "percentile",
                Axis::Names(_) => "",
            })
            .y_desc(self.y)
            .label_style(("sans-serif", 13))
            .axis_desc_style(("sans-serif", 14))
            .draw()
            .map_err(fault)?;
        for (at, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let points = line.points.iter().copied();
            let drawn = chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                .map_err(fault)?;
            drawn.label(&line.name).legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled())
            });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(("sans-serif", 13))
            .draw()
            .map_err(fault)
    }

    fn extent(&self) -> (f64, f64) {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let highest = all().map(|point| point.1).fold(0.0, f64::max);
        let width = match &self.x {
            Axis::Seconds => all().map(|point| point.0).fold(1.0, f64::max),
            Axis::Percentile => 4.0,
            Axis::Names(_) => 1.0,
        };
        // The legend stands above the lines.
        (width, if highest > 0.0 { highest * 1.25 } else { 1.0 })
    }

    fn x_label(&self, x: f64) -> String {
        match &self.x {
            Axis::Seconds => short(x),
            Axis::Percentile => match x.round() as i64 {
                0 => "0 %".to_owned(),
                1 => "90 %".to_owned(),
                2 => "99 %".to_owned(),
                3 => "99.9 %".to_owned(),
                _ => "99.99 %".to_owned(),
            },
            Axis::Names(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Latencies;

    #[test]
    fn a_plot_shows_its_titles_lines_and_names() {
        let mut latencies = Latencies::default();
        (1..=10_000).for_each(|us| latencies.record_us(us, 1));
        let chart = Chart {
            title: "fanout".to_owned(),
            subtitle: "10,000 spectators <&>".to_owned(),
            panels: vec![
                Panel {
                    x: Axis::Seconds,
                    y: "deliveries / s",
                    lines: vec![Line::new("offered", vec![(0.0, 1.0), (9.0, 2e6)])],
                },
                Panel {
                    x: Axis::Percentile,
                    y: "ms",
                    lines: vec![Line::spread("latency", &latencies)],
                },
                Panel {
                    x: Axis::Names(vec!["ours".to_owned(), "theirs".to_owned()]),
                    y: "KiB",
                    lines: vec![Line {
                        notes: vec![(1.0, "collapses".to_owned())],
                        ..Line::new("user", vec![(0.0, 1.5), (1.0, 2.0)])
                    }],
                },
            ],
        };
        let svg = chart.svg().unwrap();
        for part in [
            "fanout",
            "&lt;&amp;&gt;",
            "offered",
            "deliveries / s",
            "99.9 %",
            "theirs",
            ">\n1.5\n<",
            "collapses",
            "seconds",
        ] {
            assert!(svg.contains(part), "{part} is not in the plot");
        }
        let empty = Chart {
            panels: vec![Panel {
                x: Axis::Seconds,
                y: "",
                lines: Vec::new(),
            }],
            ..Chart::default()
        };
        assert!(empty.svg().unwrap().ends_with("</svg>\n"));
    }

    #[test]
    fn large_numbers_are_abbreviated_with_a_unit_prefix() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (42.0, "42"),
            (2e6, "2 M"),
            (15_000.0, "15 k"),
            (1234.0, "1234"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
