//! The shapes of the load: how many players are there at which time.

/// The parts in which players of a ramp connect.
const STEPS: u32 = 8;
/// The seconds for which the first players of a spike play alone.
const BEFORE_SPIKE_S: f64 = 15.0;
/// The players of a spike that are there before it: one of so many.
const SPIKE_SHARE: u32 = 10;

/// The shape of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Players come one after the other.
    Ramp,
    /// More than usual, for long.
    Stress,
    /// Most players come at once.
    Spike,
    /// A usual number for very long.
    Soak,
}

/// The players of a load over time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) players: u32,
    /// The time for which all of them play.
    pub(super) minutes: f64,
    pub(super) steps: Vec<Step>,
}

/// Players that connect at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// The time since the start at which they may connect, seconds.
    pub(super) at_s: f64,
    pub(super) players: u32,
}

impl Profile {
    /// The name of the subcommand.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Stress => "stress",
            Self::Spike => "spike",
            Self::Soak => "soak",
        }
    }

    /// The players, the minutes of their play, and the seconds in which they connect, unless others are wanted.
    fn defaults(self) -> (u32, f64, f64) {
        match self {
            Self::Ramp => (1_000, 1.0, 60.0),
            Self::Stress => (2_000, 10.0, 60.0),
            Self::Spike => (5_000, 1.0, BEFORE_SPIKE_S),
            Self::Soak => (500, 60.0, 30.0),
        }
    }

    /// The plan with these numbers, or the profile's own.
    pub(super) fn plan(
        self,
        players: Option<u32>,
        minutes: Option<f64>,
        connect_s: Option<f64>,
    ) -> Plan {
        let (own_players, own_minutes, own_connect_s) = self.defaults();
        let players = players.unwrap_or(own_players);
        let connect_s = connect_s.unwrap_or(own_connect_s);
        let sizes = match self {
            Self::Spike => {
                let before = (players / SPIKE_SHARE).max(1);
                vec![before, players - before]
            }
            // Rooms have two players each, who connect together.
            _ => even_parts(players, STEPS),
        };
        let sizes: Vec<_> = sizes.into_iter().filter(|&size| size > 0).collect();
        let last = sizes.len().saturating_sub(1).max(1) as f64;
        let step = |(index, players)| Step {
            at_s: connect_s * index as f64 / last,
            players,
        };
        Plan {
            players,
            minutes: minutes.unwrap_or(own_minutes),
            steps: sizes.into_iter().enumerate().map(step).collect(),
        }
    }
}

/// Splits players into at most `parts` parts of an even number of players; the last one has the rest.
fn even_parts(players: u32, parts: u32) -> Vec<u32> {
    let size = players.div_ceil(parts).next_multiple_of(2);
    let mut sizes = Vec::new();
    let mut left = players;
    while left > 0 {
        sizes.push(size.min(left));
        left -= size.min(left);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_connects_pairs_over_its_time() {
        let plan = Profile::Ramp.plan(Some(1_001), None, Some(70.0));
        assert_eq!(
            plan.steps.iter().map(|step| step.players).sum::<u32>(),
            1_001
        );
        let (last, others) = plan.steps.split_last().unwrap();
        assert!(others.iter().all(|step| step.players % 2 == 0));
        assert_eq!((plan.steps[0].at_s, last.at_s), (0.0, 70.0));
    }

    #[test]
    fn a_spike_comes_after_a_tenth_of_its_players() {
        let plan = Profile::Spike.plan(None, None, None);
        let players: Vec<_> = plan.steps.iter().map(|step| step.players).collect();
        assert_eq!(players, [500, 4_500]);
        assert_eq!(plan.steps[1].at_s, BEFORE_SPIKE_S);
    }

    #[test]
    fn one_player_is_a_load() {
        for profile in [
            Profile::Ramp,
            Profile::Stress,
            Profile::Spike,
            Profile::Soak,
        ] {
            let plan = profile.plan(Some(1), Some(0.1), Some(1.0));
            assert_eq!(plan.steps.len(), 1, "{profile:?}");
            assert_eq!(
                plan.steps[0],
                Step {
                    at_s: 0.0,
                    players: 1
                }
            );
        }
    }
}
