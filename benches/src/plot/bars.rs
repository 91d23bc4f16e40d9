//! Horizontal bars with names, so that names have space and each value stands at the end of its bar.

use plotters::prelude::*;

use super::line::Line;
use super::style::{Area, COLOURS, fault, short};
use crate::error::BenchError;

/// Width of the names in pixels.
const NAMES: u32 = 250;
/// Height of a group of bars, and of everything else, in pixels.
const GROUP: u32 = 26;
const REST: u32 = 76;

/// The height of a panel with this many names.
pub(super) fn height(names: usize, lines: usize) -> u32 {
    let bars = GROUP.max(17 * lines as u32 + 8);
    REST + bars * names.max(1) as u32
}

/// Draws one bar of each line for each name.
pub(super) fn draw(
    area: &Area<'_>,
    names: &[String],
    y: &str,
    lines: &[Line],
) -> Result<(), BenchError> {
    let values = lines.iter().flat_map(|line| &line.points);
    let longest = values.map(|point| point.1).fold(0.0, f64::max);
    // The value stands at the end of the longest bar.
    let end = if longest > 0.0 { longest * 1.2 } else { 1.0 };
    let last = names.len().max(1) as f64 - 1.0;
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .margin_right(44)
        .x_label_area_size(44)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..end, -0.5..last + 0.5)
        .map_err(fault)?;
    // The first name is on top.
    let place = |at: f64| last - at;
    let name = |y: &f64| {
        let at = place(*y).round();
        let whole = (place(*y) - at).abs() < 0.01 && at >= 0.0;
        let name = whole.then(|| names.get(at as usize)).flatten();
        name.cloned().unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_labels(6)
        .x_label_formatter(&|x| short(*x))
        .y_labels(names.len() * 2 + 1)
        .y_label_formatter(&name)
        .x_desc(y)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .draw()
        .map_err(fault)?;
    let each = 0.8 / lines.len().max(1) as f64;
    for (at, line) in lines.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let top = |x: f64| place(x) + 0.4 - each * at as f64;
        let bars = line.points.iter().map(|&(x, value)| {
            let corners = [(0.0, top(x) - each * 0.92), (value, top(x))];
            Rectangle::new(corners, colour.filled())
        });
        let drawn = chart.draw_series(bars).map_err(fault)?;
        if lines.len() > 1 {
            drawn.label(&line.name).legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled())
            });
        }
        let texts = line.points.iter().map(|&(x, value)| {
            let note = line.notes.iter().find(|(at, _)| *at == x);
            let text = note.map_or_else(|| short(value), |(_, note)| note.clone());
            let style = ("sans-serif", 13).into_font().color(&BLACK);
            let middle = top(x) - each / 2.0;
            EmptyElement::at((value, middle)) + Text::new(text, (6, -7), style)
        });
        chart.draw_series(texts).map_err(fault)?;
    }
    if lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(("sans-serif", 13))
            .draw()
            .map_err(fault)?;
    }
    Ok(())
}
