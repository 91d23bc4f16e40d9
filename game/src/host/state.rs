//! The durable state of an instance beside the game's own: clock, versions and timers.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_types::id::Lane;
use serde::{Deserialize, Serialize};

use super::output::{Fault, Output};
use crate::call::{self, CallId};
use crate::effects::Effect;
use crate::outlet::OutletStart;

/// The durable state of an instance beside the game's own.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceState {
    /// The seed of all random numbers.
    pub seed: [u8; 32],
    /// The number of events that the game has received. It selects the random stream of an event.
    pub events: u64,
    /// The time of the last event, Unix milliseconds.
    pub last_event_ms: u64,
    /// Whether the game has ended the room.
    pub finished: bool,
    /// The version of each lane's view, by [`Lane::index`].
    pub versions: [u64; 2],
    /// The number of timers armed so far.
    pub armings: u64,
    /// The number of items that the game has sent out of the room so far.
    pub outs: u64,
    /// The armed timers by name.
    pub timers: BTreeMap<String, Armed>,
}

/// An armed timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// The number of this arming. It differs if a timer of the same name is armed again.
    pub arming: u64,
    /// The time at which it fires, Unix milliseconds.
    pub due_ms: u64,
}

impl InstanceState {
    /// The state of an instance that begins at `now_ms`.
    pub(crate) fn new(seed: [u8; 32], now_ms: u64) -> Self {
        Self {
            seed,
            events: 0,
            last_event_ms: now_ms,
            finished: false,
            versions: [0; 2],
            armings: 0,
            outs: 0,
            timers: BTreeMap::new(),
        }
    }

    pub(crate) fn arm(&mut self, name: String, due_ms: u64) {
        self.armings += 1;
        let arming = self.armings;
        self.timers.insert(name, Armed { arming, due_ms });
    }

    /// Arms a timer to fire after a time from the last event.
    pub(super) fn arm_after(&mut self, name: &str, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let due_ms = self.last_event_ms.saturating_add(after_ms);
        self.arm(name.to_owned(), due_ms);
    }

    /// The count of what the instance has sent out so far.
    pub(super) fn outlet_start(&self) -> OutletStart {
        OutletStart {
            last: self.outs,
            open_calls: self.timers.range::<str, _>(call::timers()).count(),
        }
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
        self.timers.clear();
    }

    pub(super) fn on_effect(&mut self, effect: Effect, emit: &mut impl FnMut(Output)) {
        match effect {
            Effect::Update { lane, key, data } => {
                let versions = Lane::ALL.map(|counted| self.next_version(lane, counted));
                match data {
                    Ok(data) => emit(Output::Update {
                        versions,
                        key,
                        data,
                    }),
                    Err(error) => {
                        emit(Output::Fault(Fault::Update(error.to_string())));
                        let lanes = Lane::ALL.into_iter().filter(|to| versions[to.index()] != 0);
                        lanes.for_each(|lane| emit(Output::Snapshot(lane)));
                    }
                }
            }
            Effect::Direct { player, view } => match view.into_data() {
                Ok(data) => emit(Output::Direct { player, data }),
                Err(error) => emit(Output::Fault(Fault::Direct(player, error.to_string()))),
            },
            Effect::SetTimer { name, .. } | Effect::ClearTimer { name }
                if name.starts_with('=') =>
            {
                emit(Output::Fault(Fault::ReservedTimer(name)));
            }
            Effect::SetTimer { name, due_ms } if !self.finished => self.arm(name, due_ms),
            Effect::SetTimer { .. } => {}
            Effect::ClearTimer { name } => {
                self.timers.remove(&name);
            }
            Effect::Kick { player, code } => emit(Output::Kick { player, code }),
            Effect::Bot { player, think } => emit(Output::Bot { player, think }),
            Effect::Invite(invitation) => emit(Output::Invite(Box::new(invitation))),
            Effect::Out(item) => {
                self.outs = item.no;
                if let Some(due_ms) = item.due_ms.filter(|_| !self.finished) {
                    self.arm(call::timer(CallId(item.no)), due_ms);
                }
                emit(Output::Out(item));
            }
            Effect::Finish => self.finish(),
            Effect::Fault(why) => emit(Output::Fault(Fault::Proposal(why))),
        }
    }

    /// The next version of the lane `counted`; 0 if an update of `lane` does not concern it.
    pub(super) fn next_version(&mut self, lane: Option<Lane>, counted: Lane) -> u64 {
        if lane.is_some_and(|lane| lane != counted) {
            return 0;
        }
        let version = &mut self.versions[counted.index()];
        *version += 1;
        *version
    }
}
