//! The choices of the user, by keys and mouse.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect};

use super::rooms::Order;

/// A part of the screen with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Panel {
    #[default]
    Processes,
    Rooms,
    Problems,
}

impl Panel {
    const ALL: [Self; 3] = [Self::Processes, Self::Rooms, Self::Problems];

    fn next(self) -> Self {
        match self {
            Self::Processes => Self::Rooms,
            Self::Rooms => Self::Problems,
            Self::Problems => Self::Processes,
        }
    }

    fn previous(self) -> Self {
        self.next().next()
    }
}

/// A list: its place on the screen, its length, and the chosen row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct List {
    /// The rows, without borders and the line of names.
    pub(super) area: Rect,
    pub(super) len: usize,
    /// The first row that is shown.
    pub(super) top: usize,
    pub(super) chosen: usize,
}

impl List {
    /// Takes the place and the length of this second.
    pub(super) fn place(&mut self, area: Rect, len: usize) {
        self.area = area;
        self.len = len;
        self.choose(self.chosen);
    }

    fn choose(&mut self, row: usize) {
        self.chosen = row.min(self.len.saturating_sub(1));
        let height = usize::from(self.area.height).max(1);
        let least = (self.chosen + 1).saturating_sub(height);
        let most = self.len.saturating_sub(height);
        self.top = self.top.clamp(least, self.chosen.max(least)).min(most);
    }

    fn step(&mut self, rows: isize) {
        self.choose(self.chosen.saturating_add_signed(rows));
    }
}

/// The wish behind an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Draw again.
    Draw,
    /// End.
    Quit,
    Nothing,
}

/// The choices.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) panel: Panel,
    pub(super) order: Order,
    pub(super) is_paused: bool,
    pub(super) is_help: bool,
    /// Whether the chosen process, or the whole text of the chosen problem, is shown.
    pub(super) is_detail: bool,
    pub(super) processes: List,
    pub(super) rooms: List,
    pub(super) problems: List,
}

impl State {
    /// The list of a part.
    pub(super) fn list(&mut self, panel: Panel) -> &mut List {
        match panel {
            Panel::Processes => &mut self.processes,
            Panel::Rooms => &mut self.rooms,
            Panel::Problems => &mut self.problems,
        }
    }

    /// Handles a key, a click or a new size.
    pub(super) fn handle(&mut self, event: &Event) -> Wish {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.on_key(*key),
            Event::Mouse(mouse) => self.on_mouse(*mouse),
            Event::Resize(..) => Wish::Draw,
            _ => Wish::Nothing,
        }
    }

    fn on_key(&mut self, key: KeyEvent) -> Wish {
        let page = isize::try_from(self.list(self.panel).area.height).unwrap_or(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Wish::Quit;
            }
            KeyCode::Esc if self.is_help || self.is_detail => {
                (self.is_help, self.is_detail) = (false, false);
            }
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Char('?' | 'h') => self.is_help = !self.is_help,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Enter if self.panel != Panel::Rooms => self.is_detail = !self.is_detail,
            KeyCode::Tab | KeyCode::Right => self.panel = self.panel.next(),
            KeyCode::BackTab | KeyCode::Left => self.panel = self.panel.previous(),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(page),
            KeyCode::PageUp => self.step(-page),
            KeyCode::Home => self.step(isize::MIN),
            KeyCode::End => self.step(isize::MAX),
            _ => return Wish::Nothing,
        }
        Wish::Draw
    }

    fn step(&mut self, rows: isize) {
        self.list(self.panel).step(rows);
    }

    /// A click chooses a row, and a second one on it opens it. The wheel moves the list under the pointer.
    fn on_mouse(&mut self, mouse: MouseEvent) -> Wish {
        let at = Position::new(mouse.column, mouse.row);
        let mut panels = Panel::ALL.into_iter();
        let Some(panel) = panels.find(|panel| self.list(*panel).area.contains(at)) else {
            return Wish::Nothing;
        };
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                let is_same_panel = self.panel == panel;
                self.panel = panel;
                let list = self.list(panel);
                let row = list.top + usize::from(mouse.row - list.area.y);
                let is_chosen = list.chosen == row && row < list.len;
                list.choose(row);
                if panel != Panel::Rooms && is_chosen && is_same_panel {
                    self.is_detail = !self.is_detail;
                }
            }
            MouseEventKind::ScrollDown => self.list(panel).step(1),
            MouseEventKind::ScrollUp => self.list(panel).step(-1),
            _ => return Wish::Nothing,
        }
        Wish::Draw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> Event {
        Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Event {
        let modifiers = KeyModifiers::NONE;
        Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers,
        })
    }

    fn state() -> State {
        let mut state = State::default();
        state.processes.place(Rect::new(1, 7, 78, 3), 5);
        state.rooms.place(Rect::new(1, 14, 78, 4), 100);
        state
    }

    #[test]
    fn keys_move_within_the_list_and_scroll_it() {
        let mut state = state();
        for _ in 0..9 {
            assert_eq!(state.handle(&key(KeyCode::Down)), Wish::Draw);
        }
        assert_eq!((state.processes.chosen, state.processes.top), (4, 2));
        state.handle(&key(KeyCode::Up));
        state.handle(&key(KeyCode::Up));
        state.handle(&key(KeyCode::Up));
        assert_eq!((state.processes.chosen, state.processes.top), (1, 1));
        state.handle(&key(KeyCode::Tab));
        state.handle(&key(KeyCode::PageDown));
        assert_eq!((state.rooms.chosen, state.rooms.top), (4, 1));
        state.handle(&key(KeyCode::End));
        assert_eq!((state.rooms.chosen, state.rooms.top), (99, 96));
        state.handle(&key(KeyCode::Home));
        assert_eq!((state.rooms.chosen, state.rooms.top), (0, 0));
        // The list becomes shorter.
        state.handle(&key(KeyCode::End));
        state.rooms.place(Rect::new(1, 14, 78, 4), 2);
        assert_eq!((state.rooms.chosen, state.rooms.top), (1, 0));
    }

    #[test]
    fn keys_open_and_close_and_end() {
        let mut state = state();
        state.handle(&key(KeyCode::Enter));
        assert!(state.is_detail);
        assert_eq!(state.handle(&key(KeyCode::Esc)), Wish::Draw);
        assert!(!state.is_detail);
        state.handle(&key(KeyCode::Char('s')));
        assert_eq!(state.order, Order::Players);
        state.handle(&key(KeyCode::Char('p')));
        assert!(state.is_paused);
        assert_eq!(state.handle(&key(KeyCode::Char('x'))), Wish::Nothing);
        assert_eq!(state.handle(&key(KeyCode::Char('q'))), Wish::Quit);
        let control = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(state.handle(&control), Wish::Quit);
    }

    #[test]
    fn a_click_chooses_a_row_and_a_second_one_opens_it() {
        let mut state = state();
        let click = |row| mouse(MouseEventKind::Down(MouseButton::Left), 5, row);
        state.handle(&click(15));
        assert_eq!((state.panel, state.rooms.chosen), (Panel::Rooms, 1));
        state.handle(&click(8));
        assert_eq!((state.panel, state.processes.chosen), (Panel::Processes, 1));
        assert!(!state.is_detail);
        state.handle(&click(8));
        assert!(state.is_detail);
        state.handle(&mouse(MouseEventKind::ScrollDown, 5, 15));
        assert_eq!(state.rooms.chosen, 2);
        assert_eq!(state.handle(&click(0)), Wish::Nothing);
    }
}
