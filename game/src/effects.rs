//! What comes of an event: updates, private messages, rejects, timers, the end.

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::reject::Reject;

/// One effect of an event, in the order in which the game made them.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A change of one lane's view, or (`None`) of both.
    Update {
        /// For whom.
        lane: Option<Lane>,
        /// Of updates with the same key the latest suffices.
        key: Option<String>,
        /// The change.
        data: Data,
    },
    /// For one player only.
    Direct {
        /// Who.
        player: PlayerId,
        /// What.
        data: Data,
    },
    /// A timer is armed; one of the same name is replaced.
    SetTimer {
        /// Its name.
        name: String,
        /// When, Unix milliseconds.
        due_ms: u64,
    },
    /// A timer is disarmed.
    ClearTimer {
        /// Its name.
        name: String,
    },
    /// The room is over: it takes no more inputs, and is deleted a minute later.
    Finish,
}

/// Collects what a game does in [`Game::apply`](crate::game::Game::apply).
#[derive(Debug)]
pub struct Effects {
    now_ms: u64,
    rng: ChaCha8Rng,
    list: Vec<Effect>,
    reject: Option<Reject>,
}

impl Effects {
    /// For an event at `now_ms`, with chance from `rng`.
    pub fn new(now_ms: u64, rng: ChaCha8Rng) -> Self {
        Self {
            now_ms,
            rng,
            list: Vec::new(),
            reject: None,
        }
    }

    /// A change that everybody in the room sees.
    pub fn update(&mut self, change: &impl Serialize) {
        self.push_update(None, None, change);
    }

    /// A change that one lane sees.
    pub fn update_lane(&mut self, lane: Lane, change: &impl Serialize) {
        self.push_update(Some(lane), None, change);
    }

    /// A change of which, among those with the same `key`, only the latest matters: a view to which the earlier ones were not
    /// applied is the same in the end, whatever other changes came between them.
    pub fn update_keyed(&mut self, key: &str, change: &impl Serialize) {
        self.push_update(None, Some(key.to_owned()), change);
    }

    /// A change in whatever form, for one lane or (`None`) both.
    pub fn update_data(&mut self, lane: Option<Lane>, data: Data) {
        self.list.push(Effect::Update {
            lane,
            key: None,
            data,
        });
    }

    /// Like [`update_keyed`](Self::update_keyed), in whatever form, for one lane or (`None`) both.
    pub fn update_keyed_data(&mut self, lane: Option<Lane>, key: &str, data: Data) {
        self.list.push(Effect::Update {
            lane,
            key: Some(key.to_owned()),
            data,
        });
    }

    /// Something for one player only: what [`Game::private`](crate::game::Game::private) would now return.
    pub fn direct(&mut self, player: &PlayerId, data: Data) {
        self.list.push(Effect::Direct {
            player: player.clone(),
            data,
        });
    }

    /// Refuses the `Joined` or `Input` that this event is. The first reject counts.
    pub fn reject(&mut self, code: &str, message: impl Into<String>) {
        self.reject
            .get_or_insert_with(|| Reject::new(code, message));
    }

    /// Arms the timer `name` to fire `after_ms` from now, in place of what it was armed for.
    pub fn set_timer(&mut self, name: &str, after_ms: u64) {
        self.list.push(Effect::SetTimer {
            name: name.to_owned(),
            due_ms: self.now_ms + after_ms,
        });
    }

    /// Disarms the timer `name`, if it is armed.
    pub fn clear_timer(&mut self, name: &str) {
        self.list.push(Effect::ClearTimer {
            name: name.to_owned(),
        });
    }

    /// Ends the room: everything is shown as it is for a minute, then deleted.
    pub fn finish(&mut self) {
        self.list.push(Effect::Finish);
    }

    /// Chance, the same in every replay.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// The event's time, Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// What the game did, and whether it refused the event.
    pub fn into_parts(self) -> (Vec<Effect>, Option<Reject>) {
        (self.list, self.reject)
    }

    /// # Panics
    /// If `change` cannot be JSON; the room is then treated like any whose game panics.
    fn push_update(&mut self, lane: Option<Lane>, key: Option<String>, change: &impl Serialize) {
        let data = Data::json(change).expect("an update must be serializable as JSON");
        self.list.push(Effect::Update { lane, key, data });
    }
}
