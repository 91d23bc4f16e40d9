//! What is due: games' timers, ticks, presences, writes.

use std::time::{Duration, Instant};

use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_common::wire::{self, Body, Entry};
use prost::Message;

use super::loading::due_in;
use super::{Fate, Owned, Pending, Shared, Stage};
use crate::command::{Command, Now};
use grandstand_game::host::Panicked;

/// An entry that an owner appends is not appended again before this.
pub(super) const APPEND_AGAIN: Duration = Duration::from_secs(1);
/// When a write is tried again that found all places taken.
const WRITE_AGAIN: Duration = Duration::from_millis(20);

impl Owned {
    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Shared) -> Fate {
        if self.retry_at.is_some_and(|at| at <= cx.now.at) {
            self.retry_at = None;
            if self.is_running() {
                self.handle_log_lost(cx);
            } else if self.stage != Stage::Releasing {
                self.begin(cx);
            }
        }
        for id in self.deadlines.take_due(cx.now.at) {
            self.on_due(cx, &id);
        }
        self.lose_more(cx);
        if self.checkpoint_timeout().is_some_and(|at| at <= cx.now.at) {
            self.write_checkpoint(cx);
        }
        self.try_release(cx)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [
            self.retry_at,
            self.deadlines.next(),
            self.checkpoint_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_due(&mut self, cx: &mut Shared, id: &RoomId) {
        self.write_room(cx, id);
        self.sleep_if_idle(cx, id);
        self.wake_if_due(cx, id);
        if let Some(slot) = self.slots.get_mut(id)
            && slot.quarantine.is_some()
            && slot.cover.not_before.take().is_some()
        {
            self.put_quarantine(cx, id);
        }
        if self.is_ready() {
            self.check_heat(cx, id);
            self.send_presence(cx, id);
            self.append_timers(cx, id);
            self.tick(cx, id);
        }
        self.reschedule(cx, id);
    }

    /// Sets a room's deadline anew. To be called after whatever may have moved it.
    pub(super) fn reschedule(&mut self, cx: &Shared, id: &RoomId) {
        let tick = self.tick_at(cx, id);
        if let Some(slot) = self.slots.get_mut(id) {
            slot.next_tick = tick;
        }
        let at = [
            self.write_deadline(cx, id),
            self.presence_at(cx, id),
            self.timer_at(cx.now, id),
            self.idle_at(cx, id),
            self.wake_at(id),
            self.heat_at(cx, id),
            tick,
        ];
        let at = at.into_iter().flatten().min();
        self.deadlines.set(id, at);
    }

    fn write_deadline(&self, cx: &Shared, id: &RoomId) -> Option<Instant> {
        let slot = self.slots.get(id)?;
        if slot.quarantine.is_some() {
            return slot.cover.not_before;
        }
        let at = self.write_at(cx, id)?;
        Some(if at <= cx.now.at {
            cx.now.at + WRITE_AGAIN
        } else {
            at
        })
    }

    fn presence_at(&self, cx: &Shared, id: &RoomId) -> Option<Instant> {
        let audience = self.audiences.get(id)?;
        let sent = audience.presence_sent;
        let at = sent.map_or(cx.now.at, |at| at + cx.config.presence_interval);
        (audience.presence && self.is_ready() && self.exists(id)).then_some(at)
    }

    fn timer_at(&self, now: Now, id: &RoomId) -> Option<Instant> {
        if !self.is_ready() {
            return None;
        }
        let slot = self.slots.get(id)?;
        let timers = self.timers_of(id)?.values();
        let at = timers.map(|armed| {
            let due = now.at + due_in(armed, now);
            let asked = slot.asked.get(&armed.arming);
            asked.map_or(due, |asked| due.max(*asked + APPEND_AGAIN))
        });
        at.min()
    }

    fn append_timers(&mut self, cx: &mut Shared, id: &RoomId) {
        let Some(timers) = self
            .timers_of(id)
            .filter(|timers| !timers.is_empty())
            .cloned()
        else {
            return;
        };
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.asked
            .retain(|arming, _| timers.values().any(|armed| armed.arming == *arming));
        let mut due = Vec::new();
        for (name, armed) in &timers {
            let asked = slot.asked.get(&armed.arming);
            let again = asked.is_none_or(|asked| cx.now.at >= *asked + APPEND_AGAIN);
            if armed.due_ms <= cx.now.unix_ms && again {
                slot.asked.insert(armed.arming, cx.now.at);
                due.push(wire::Timer {
                    name: name.clone(),
                    arming: armed.arming,
                });
            }
        }
        for timer in due {
            let entry = Entry {
                body: Some(Body::Timer(timer)),
                ..Entry::default()
            };
            self.append(cx, id, &entry);
        }
    }

    pub(super) fn append(&self, cx: &mut Shared, id: &RoomId, entry: &Entry) {
        let token = cx.token(self.id, Pending::Append);
        cx.commands.push_back(Command::Append {
            subject: subject::log(self.id, id),
            payload: entry.encode_to_vec().into(),
            token,
        });
    }

    /// Ticks only while somebody watches.
    fn tick_at(&self, cx: &Shared, id: &RoomId) -> Option<Instant> {
        let slot = self.slots.get(id)?;
        let every = cx.games.get(id.game())?.tick?;
        let room = slot.room.as_ref()?;
        if !self.is_ready() || room.state().finished || !self.audiences.contains_key(id) {
            return None;
        }
        Some(slot.next_tick.unwrap_or(cx.now.at + every))
    }

    fn tick(&mut self, cx: &mut Shared, id: &RoomId) {
        let Some(at) = self.tick_at(cx, id) else {
            return;
        };
        let every = cx.games.get(id.game()).and_then(|maker| maker.tick);
        let (Some(slot), Some(every)) = (self.slots.get_mut(id), every) else {
            return;
        };
        if at > cx.now.at {
            return;
        }
        // What was missed is not made up for.
        slot.next_tick = Some((at + every).max(cx.now.at));
        let ticked = slot.room.as_mut().map(|room| room.tick());
        match ticked {
            Some(Ok(list)) => self.send_live(cx, id, list),
            Some(Err(Panicked)) => self.on_panic(cx, id),
            None => {}
        }
    }
}
