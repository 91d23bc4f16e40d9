//! The terminal: its screen, keys and mouse.

use std::io;
use std::time::Duration;

use grandstand_common::supervisor::Supervisor;
use ratatui::DefaultTerminal;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, DisableMouseCapture, EnableMouseCapture, Event};
use ratatui::crossterm::execute;
use tokio::sync::mpsc;

use super::draw::draw;
use super::fleet::Fleet;
use super::state::State;

/// The events that may wait.
const EVENTS: usize = 64;
/// The time after which the thread of events looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(100);

/// The screen of a terminal. The terminal is as before when this is dropped.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the whole terminal, with the mouse.
    ///
    /// # Errors
    /// If it refuses.
    pub(super) fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let screen = Self(terminal);
        execute!(io::stdout(), EnableMouseCapture)?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, fleet: &Fleet, state: &mut State) -> io::Result<()> {
        self.0.draw(|frame| draw(frame, fleet, state)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        execute!(io::stdout(), DisableMouseCapture).ok();
        ratatui::restore();
    }
}

/// Keys, clicks and new sizes. The terminal blocks, so they come from a thread.
pub(super) fn events(supervisor: &Supervisor) -> io::Result<mpsc::Receiver<Event>> {
    let (sender, receiver) = mpsc::channel(EVENTS);
    supervisor.thread("keys", move || {
        while !sender.is_closed() {
            let event = match event::poll(LOOK) {
                Ok(true) => event::read(),
                Ok(false) => continue,
                Err(why) => Err(why),
            };
            // Without a terminal there are no more events.
            let Ok(event) = event else { return };
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// One screen of this size as text.
pub(super) fn text(
    fleet: &Fleet,
    state: &mut State,
    width: u16,
    height: u16,
) -> io::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(io::Error::other)?;
    let drawn = terminal.draw(|frame| draw(frame, fleet, state));
    let drawn = drawn.map_err(io::Error::other)?;
    Ok(lines(drawn.buffer))
}

/// The characters of a buffer, without spaces at the ends of lines.
pub(super) fn lines(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let mut text = String::new();
    for row in buffer.content.chunks(width) {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}
