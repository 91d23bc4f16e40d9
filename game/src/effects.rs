//! Effects of an event: updates, private messages, rejects, timers, the end of the room.

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::reject::Reject;

/// One effect of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A change of one lane's view, or (`None`) of both.
    Update {
        /// The lane, or both.
        lane: Option<Lane>,
        /// The key of the update, if it has one: of updates with the same key only the latest matters.
        key: Option<String>,
        /// The change.
        data: Data,
    },
    /// A message for one player only.
    Direct {
        /// The recipient.
        player: PlayerId,
        /// The message.
        data: Data,
    },
    /// Arms a timer, in place of any of the same name.
    SetTimer {
        /// Its name.
        name: String,
        /// The time at which it fires, Unix milliseconds.
        due_ms: u64,
    },
    /// Disarms a timer.
    ClearTimer {
        /// Its name.
        name: String,
    },
    /// Ends the room: it accepts no further inputs and is deleted a minute later.
    Finish,
}

/// Collects the effects of [`Game::apply`](crate::game::Game::apply).
#[derive(Debug)]
pub struct Effects {
    now_ms: u64,
    rng: ChaCha8Rng,
    list: Vec<Effect>,
    reject: Option<Reject>,
}

impl Effects {
    /// Effects of an event at `now_ms`, with random numbers from `rng`.
    pub fn new(now_ms: u64, rng: ChaCha8Rng) -> Self {
        Self {
            now_ms,
            rng,
            list: Vec::new(),
            reject: None,
        }
    }

    /// Sends a change to both lanes.
    pub fn update(&mut self, change: &impl Serialize) {
        self.push_update(None, None, change);
    }

    /// Sends a change to one lane.
    pub fn update_lane(&mut self, lane: Lane, change: &impl Serialize) {
        self.push_update(Some(lane), None, change);
    }

    /// Sends a change to both lanes. Of the changes with the same `key` only the latest matters: a client that misses
    /// the earlier ones ends with the same view, whatever other changes came between them.
    pub fn update_keyed(&mut self, key: &str, change: &impl Serialize) {
        self.push_update(None, Some(key.to_owned()), change);
    }

    /// Sends a change in any format to one lane or (`None`) both.
    pub fn update_data(&mut self, lane: Option<Lane>, data: Data) {
        self.list.push(Effect::Update {
            lane,
            key: None,
            data,
        });
    }

    /// Like [`update_keyed`](Self::update_keyed), in any format and to one lane or (`None`) both.
    pub fn update_keyed_data(&mut self, lane: Option<Lane>, key: &str, data: Data) {
        self.list.push(Effect::Update {
            lane,
            key: Some(key.to_owned()),
            data,
        });
    }

    /// Sends a message to one player only: the value that [`Game::private`](crate::game::Game::private) would return
    /// now.
    pub fn direct(&mut self, player: &PlayerId, data: Data) {
        self.list.push(Effect::Direct {
            player: player.clone(),
            data,
        });
    }

    /// Rejects this `Joined` or `Input`. Only the first reject of an event counts.
    pub fn reject(&mut self, code: &str, message: impl Into<String>) {
        self.reject
            .get_or_insert_with(|| Reject::new(code, message));
    }

    /// Arms the timer `name` to fire in `after_ms`. A timer of this name that is armed already is replaced.
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

    /// Ends the room. Clients can read it for another minute, then it is deleted.
    pub fn finish(&mut self) {
        self.list.push(Effect::Finish);
    }

    /// Random numbers, the same in every replay.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// The event's time by the log's clock, Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The effects in their order, and the reject if the game rejected the event.
    pub fn into_parts(self) -> (Vec<Effect>, Option<Reject>) {
        (self.list, self.reject)
    }

    /// # Panics
    /// If `change` cannot be serialized as JSON. The worker treats this like any panic of a game.
    fn push_update(&mut self, lane: Option<Lane>, key: Option<String>, change: &impl Serialize) {
        let data = Data::json(change).expect("an update must be serializable as JSON");
        self.list.push(Effect::Update { lane, key, data });
    }
}
