//! The screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, Wrap};

use super::detail;
use super::fleet::{Fleet, Total};
use super::format::{NONE, bytes, cores, count, sparkline, time};
use super::problems::Weight;
use super::process::{Kind, Process};
use super::rooms::Room;
use super::state::{List, Panel, State};

/// The lines of the sums.
const FLEET_HEIGHT: u16 = 4;
/// The width from which on rooms and problems are side by side.
const WIDE: u16 = 120;
/// The width of a list of processes from which on it has a column with sparklines.
const WITH_SPARKLINE: u16 = 90;
/// The least size of a screen with something to see.
const LEAST: (u16, u16) = (40, 12);

const KEYS: &str = "q quit  ? keys  p pause  s sort rooms  Tab panel  ↑↓ row  Enter details";

const HELP: [&str; 10] = [
    "q, Esc      quit, or close this",
    "Tab ← →     the next panel, the one before",
    "↑ ↓ j k     the next row, the one before",
    "PgUp PgDn   a page; Home End: the ends",
    "Enter       details of the chosen process, or the whole of a problem",
    "s           sort rooms by spectators, players, name",
    "p, Space    pause",
    "mouse       a click chooses a row, a second one opens it; the wheel scrolls",
    "",
    "Numbers are of the last second; p99 is of inputs, from their arrival to the ack.",
];

/// Draws all of it. The lists of `state` get their places.
pub(super) fn draw(frame: &mut Frame<'_>, fleet: &Fleet, state: &mut State) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let text = format!("this needs {width} columns and {height} lines");
        frame.render_widget(Paragraph::new(text).wrap(Wrap::default()), area);
        return;
    }
    let problems = fleet.problems().len().max(1);
    let rest = area.height - FLEET_HEIGHT - 2;
    let most = rest / 3;
    let processes = (fleet.processes.len() as u16 + 3).clamp(4, most.max(4));
    let below = (problems as u16 + 2).clamp(3, most.max(3));
    let is_wide = area.width >= WIDE;
    let [head, sums, upper, middle, lower, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(FLEET_HEIGHT),
        Constraint::Length(processes),
        Constraint::Min(3),
        Constraint::Length(if is_wide { 0 } else { below }),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_head(frame, head, fleet, state);
    draw_sums(frame, sums, fleet);
    draw_processes(frame, upper, fleet, state);
    let (rooms, problems) = if is_wide {
        let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(middle);
        (left, right)
    } else {
        (middle, lower)
    };
    draw_rooms(frame, rooms, fleet, state);
    draw_problems(frame, problems, fleet, state);
    frame.render_widget(Line::from(KEYS).style(dim()), foot);
    if state.is_help {
        let lines = HELP.map(Line::from).to_vec();
        popup(frame, " keys ", lines);
    } else if state.is_detail {
        draw_detail(frame, fleet, state);
    }
}

/// The details of what is chosen.
fn draw_detail(frame: &mut Frame<'_>, fleet: &Fleet, state: &State) {
    let title = |process: &Process| format!(" {} ", name_of(process));
    if state.panel == Panel::Problems {
        if let Some((process, problem)) = fleet.problems().get(state.problems.chosen) {
            let lines = vec![Line::from(problem.text.clone())];
            popup(frame, &title(process), lines);
        }
    } else if let Some(process) = fleet.processes.get(state.processes.chosen) {
        popup(frame, &title(process), detail::lines(process));
    }
}

/// The kind of a process and its address.
fn name_of(process: &Process) -> String {
    let name = format!("{} {}", process.kind.name(), process.url.authority());
    name.trim_start().to_owned()
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, fleet: &Fleet, state: &State) {
    let up = fleet.processes.iter().filter(|process| process.is_up());
    let of = |kind: Kind| up.clone().filter(|process| process.kind == kind).count();
    let mut parts = Vec::new();
    for (kind, name) in [
        (Kind::Dev, "dev"),
        (Kind::Edge, "edges"),
        (Kind::Worker, "workers"),
        (Kind::Other, "others"),
    ] {
        let number = of(kind);
        if number > 0 {
            parts.push(format!("{number} {}", singular(name, number)));
        }
    }
    let problems = fleet.problems();
    let severe = problems.iter().filter(|(_, p)| p.weight == Weight::Severe);
    let severe = severe.count();
    let (word, color) = match (severe, problems.len()) {
        (0, 0) => ("all well".to_owned(), Color::Green),
        (0, odd) => (format!("{odd} to look at"), Color::Yellow),
        (severe, _) => (format!("{severe} wrong"), Color::Red),
    };
    let pause = if state.is_paused { "  paused" } else { "" };
    let line = Line::from(vec![
        Span::styled("grandstand top", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("  {}  ", parts.join(", "))),
        Span::styled(word, Style::new().fg(color)),
        Span::styled(pause, Style::new().fg(Color::Yellow)),
    ]);
    frame.render_widget(line, area);
}

fn singular(name: &str, number: usize) -> &str {
    match number {
        1 => name.trim_end_matches('s'),
        _ => name,
    }
}

fn draw_sums(frame: &mut Frame<'_>, area: Rect, fleet: &Fleet) {
    let block = Block::bordered().title(" fleet ").border_style(dim());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let columns = Layout::horizontal([Constraint::Fill(1); 4]).spacing(2);
    let sums: [(&str, &Total, String); 4] = [
        ("clients", &fleet.connections, count(fleet.connections.now)),
        ("inputs/s", &fleet.inputs, count(fleet.inputs.now)),
        ("writes/s", &fleet.deliveries, count(fleet.deliveries.now)),
        ("p99", &fleet.latency, time(fleet.latency.now)),
    ];
    for (column, (name, total, value)) in columns.split(inner).iter().zip(sums) {
        let width = usize::from(column.width);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let lines = vec![
            Line::from(vec![
                Span::styled(format!("{name} "), dim()),
                Span::styled(value, bold),
            ]),
            Line::from(sparkline(total.history.iter(), width)).style(Style::new().fg(Color::Cyan)),
        ];
        frame.render_widget(Paragraph::new(lines), *column);
    }
}

/// The border of a panel, and the place for its rows.
fn panel(frame: &mut Frame<'_>, area: Rect, title: String, is_focused: bool) -> Rect {
    let style = if is_focused {
        Style::new().fg(Color::Cyan)
    } else {
        dim()
    };
    let block = Block::bordered().title(title).border_style(style);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// The area below the line of names.
fn below_names(inner: Rect) -> Rect {
    Rect {
        y: inner.y + 1,
        height: inner.height.saturating_sub(1),
        ..inner
    }
}

/// The shown rows of a list, with their numbers.
fn shown<T>(list: List, all: &[T]) -> impl Iterator<Item = (usize, &T)> {
    let shown = all.iter().enumerate().skip(list.top);
    shown.take(list.area.height.into())
}

fn row_style(number: usize, list: List, is_focused: bool) -> Style {
    if number == list.chosen && is_focused {
        Style::new().add_modifier(Modifier::REVERSED)
    } else {
        Style::new()
    }
}

fn draw_processes(frame: &mut Frame<'_>, area: Rect, fleet: &Fleet, state: &mut State) {
    let is_focused = state.panel == Panel::Processes;
    let inner = panel(frame, area, " processes ".to_owned(), is_focused);
    state
        .processes
        .place(below_names(inner), fleet.processes.len());
    let list = state.processes;
    let is_wide = inner.width >= WITH_SPARKLINE;
    let spark = usize::from(inner.width.saturating_sub(WITH_SPARKLINE) + 10).min(60);
    let left = ["", "process", "state"].map(Cell::from).into_iter();
    let right = ["clients", "parts", "rooms", "cpu", "memory", "p99"].map(right);
    let header = Row::new(left.chain(right)).style(dim());
    let rows = shown(list, &fleet.processes).map(|(number, process)| {
        let cells = cells_of(process).into_iter();
        let bars = is_wide.then(|| sparkline(process.latencies.iter(), spark));
        let bars = bars.map(|bars| Cell::from(bars).style(Style::new().fg(Color::Cyan)));
        Row::new(cells.chain(bars)).style(row_style(number, list, is_focused))
    });
    let mut widths = vec![
        Constraint::Length(6),
        Constraint::Fill(1),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(5),
        Constraint::Length(6),
        Constraint::Length(5),
        Constraint::Length(7),
        Constraint::Length(7),
    ];
    if is_wide {
        widths.push(Constraint::Length(spark as u16));
    }
    frame.render_widget(Table::new(rows, widths).header(header), inner);
}

/// A cell with a number.
fn right(text: impl Into<String>) -> Cell<'static> {
    Cell::from(Line::from(text.into()).right_aligned())
}

fn cells_of(process: &Process) -> [Cell<'static>; 9] {
    let (state, color) = match (&process.failure, &process.last) {
        (Some(_), _) => ("down", Color::Red),
        (None, None) => ("asked", Color::Yellow),
        (None, Some(reading)) => match reading.ready.0 {
            200 if is_degraded(process) => ("degraded", Color::Yellow),
            200 => ("ready", Color::Green),
            _ => ("unready", Color::Red),
        },
    };
    let now = &process.now;
    [
        Cell::from(process.kind.name()),
        Cell::from(process.url.authority()),
        Cell::from(state).style(Style::new().fg(color)),
        right(count(now.connections)),
        right(count(now.partitions)),
        right(count(now.rooms)),
        right(cores(now.cpu)),
        right(bytes(now.memory)),
        right(time(now.input_p99)),
    ]
}

fn is_degraded(process: &Process) -> bool {
    let problems = super::problems::of(process);
    problems
        .iter()
        .any(|problem| problem.weight == Weight::Severe)
}

fn draw_rooms(frame: &mut Frame<'_>, area: Rect, fleet: &Fleet, state: &mut State) {
    let is_focused = state.panel == Panel::Rooms;
    let (rooms, has_more) = fleet.rooms(state.order);
    let more = if has_more {
        ", of the first listed"
    } else {
        ""
    };
    let title = format!(" busiest rooms ({}{more}) ", state.order.name());
    let inner = panel(frame, area, title, is_focused);
    state.rooms.place(below_names(inner), rooms.len());
    if rooms.is_empty() {
        let why = fleet.no_rooms().unwrap_or("no room is open");
        frame.render_widget(Line::from(why.to_owned()).style(dim()), inner);
        return;
    }
    let list = state.rooms;
    let names = ["players", "spectators", "edges"].map(right);
    let names = [Cell::from("room")].into_iter().chain(names);
    let header = Row::new(names.chain([Cell::from("note")])).style(dim());
    let rows = shown(list, &rooms).map(|(number, room)| {
        let Room {
            name,
            players,
            spectators,
            edges,
            note,
        } = room;
        let edges = edges.map_or_else(|| NONE.to_owned(), |edges| edges.to_string());
        let numbers = [players.to_string(), spectators.to_string(), edges].map(right);
        let cells = [Cell::from(name.clone())].into_iter().chain(numbers);
        Row::new(cells.chain([Cell::from(note.clone())])).style(row_style(number, list, is_focused))
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(7),
        Constraint::Length(10),
        Constraint::Length(5),
        Constraint::Fill(1),
    ];
    frame.render_widget(Table::new(rows, widths).header(header), inner);
}

fn draw_problems(frame: &mut Frame<'_>, area: Rect, fleet: &Fleet, state: &mut State) {
    let is_focused = state.panel == Panel::Problems;
    let inner = panel(frame, area, " what is wrong ".to_owned(), is_focused);
    let problems = fleet.problems();
    state.problems.place(inner, problems.len());
    if problems.is_empty() {
        let line = Line::from("nothing").style(Style::new().fg(Color::Green));
        frame.render_widget(line, inner);
        return;
    }
    let list = state.problems;
    let lines = shown(list, &problems).map(|(number, (process, problem))| {
        let color = match problem.weight {
            Weight::Severe => Color::Red,
            Weight::Odd => Color::Yellow,
        };
        Line::from(vec![
            Span::styled(name_of(process), Style::new().fg(color)),
            Span::raw(format!("  {}", problem.text)),
        ])
        .style(row_style(number, list, is_focused))
    });
    let lines: Vec<_> = lines.collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

/// A window in the middle.
fn popup(frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'_>>) {
    let all = frame.area();
    let width = all.width.saturating_sub(4).min(90);
    let block = Block::bordered()
        .title(title.to_owned())
        .border_style(Style::new().fg(Color::Cyan));
    // Long lines are wrapped, and borders are two lines.
    let inner = usize::from(width.saturating_sub(2)).max(1);
    let heights = lines.iter().map(|line| line.width().div_ceil(inner).max(1));
    let height = (heights.sum::<usize>() + 2) as u16;
    let height = height.min(all.height.saturating_sub(2));
    let text = Paragraph::new(lines).wrap(Wrap { trim: false });
    let area = Rect {
        x: (all.width - width) / 2,
        y: (all.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, area);
    frame.render_widget(text.block(block), area);
}

#[cfg(test)]
mod tests;
