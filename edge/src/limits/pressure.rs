//! The steps by which an edge sheds load as its memory runs short.

/// The load that the edge sheds. Each step includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Pressure {
    /// Nothing.
    #[default]
    None,
    /// New connections.
    Connections,
    /// Spectators, and clients that are in no room.
    Spectators,
    /// Players.
    Players,
}

impl Pressure {
    /// The step with this number; the highest one beyond it.
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Connections,
            2 => Self::Spectators,
            _ => Self::Players,
        }
    }
}

/// The points below a step's share at which the step ends, percent.
const HYSTERESIS: f64 = 2.0;

impl Pressure {
    /// The next step: what is shed when so much of the memory is used. `from_percent` is the share from which new
    /// connections are refused; 0 for never. A step ends only when 2 points less are used than at its beginning.
    #[must_use]
    pub fn next(self, used_percent: f64, from_percent: u8) -> Self {
        if from_percent == 0 {
            return Self::None;
        }
        let first = f64::from(from_percent);
        let third = (100.0 - first) / 3.0;
        let step = |step: Self, share: f64| {
            let share = if self >= step {
                share - HYSTERESIS
            } else {
                share
            };
            (used_percent >= share).then_some(step)
        };
        step(Self::Players, first + 2.0 * third)
            .or(step(Self::Spectators, first + third))
            .or(step(Self::Connections, first))
            .unwrap_or(Self::None)
    }

    /// The load that is shed, for people; `None` if none is.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Connections => Some("new connections are refused"),
            Self::Spectators => Some("new connections are refused, and spectators are closed"),
            Self::Players => {
                Some("new connections are refused, and clients are closed, players last")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_begins_at_its_share_and_ends_a_little_below() {
        let mut now = Pressure::None;
        let mut steps = Vec::new();
        for used in [
            84.0, 85.0, 84.0, 82.9, 90.0, 95.0, 93.5, 92.9, 88.5, 87.9, 50.0,
        ] {
            now = now.next(used, 85);
            steps.push(now as u8);
        }
        assert_eq!(steps, [0, 1, 1, 0, 2, 3, 3, 2, 2, 1, 0]);
        assert_eq!(Pressure::Players.next(99.0, 0), Pressure::None);
    }
}
