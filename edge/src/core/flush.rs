//! Writing what has gathered, in slices: players first, and no lane for longer than its turn.

use grandstand_common::envelope::{Players, ServerMessage};
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::wire::Presence;

use crate::conn::transport::{ConnKey, SendStatus, Transport};
use crate::core::Core;
use crate::core::rooms::room::RoomKey;

impl Core {
    /// Notes that a lane has something to flush.
    pub(crate) fn dirty(&mut self, key: RoomKey, lane: LaneId) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let lane = &mut room.lanes[lane.index()];
        if lane.is_dirty() && !std::mem::replace(&mut lane.queued, true) {
            self.effects.mark_dirty(key, lane.id());
        }
    }

    /// Whether [`flush`](Self::flush) has something to do.
    pub fn needs_flush(&self) -> bool {
        self.effects.needs_flush()
    }

    /// Whether lanes of players have something to flush.
    pub fn has_players_to_flush(&self) -> bool {
        self.effects.dirty_lanes(LaneId::Players) > 0
    }

    /// Writes to up to `most` members: players' lanes first, then what single players get behind them, then spectators'
    /// lanes, one slice of each in turn. Returns whether something is left; the caller looks after others (and the clock)
    /// before it calls again.
    pub fn flush(&mut self, most: usize, sink: &mut impl Transport) -> bool {
        let mut left = most;
        for lane in LaneId::ALL {
            for _ in 0..self.effects.dirty_lanes(lane) {
                if left == 0 {
                    break;
                }
                let Some(key) = self.effects.pop_dirty(lane) else {
                    break;
                };
                left = self.flush_lane(key, lane, left, sink);
            }
            if lane == LaneId::Players {
                for (conn, frames) in self.effects.take_after_players() {
                    if sink.send(conn, &frames) == SendStatus::Full {
                        self.fall_behind(conn, sink);
                    }
                }
            }
        }
        for _ in 0..left {
            let Some((conn, notice)) = self.effects.pop_notice() else {
                break;
            };
            self.notice(conn, notice.code, notice.reconnect_in_ms, sink);
        }
        self.needs_flush()
    }

    /// Writes all that waits for a lane's members, who are about to leave.
    pub(crate) fn flush_whole_lane(
        &mut self,
        key: RoomKey,
        lane: LaneId,
        sink: &mut impl Transport,
    ) {
        while let Some(room) = self.rooms.get(key)
            && room.lanes[lane.index()].is_dirty()
        {
            let all = room.lanes[lane.index()].members().len();
            self.visit(key, lane, all, sink);
        }
    }

    /// Visits up to `most` members of a lane; returns how many were left of that.
    fn flush_lane(
        &mut self,
        key: RoomKey,
        lane: LaneId,
        most: usize,
        sink: &mut impl Transport,
    ) -> usize {
        let (written, clean) = self.visit(key, lane, most, sink);
        if let Some(room) = self.rooms.get_mut(key) {
            room.lanes[lane.index()].queued = !clean;
            if !clean {
                self.effects.mark_dirty(key, lane);
            }
        }
        most.saturating_sub(written)
    }

    /// Writes to up to `most` members of a lane; returns to how many, and whether the lane is clean.
    fn visit(
        &mut self,
        key: RoomKey,
        lane: LaneId,
        most: usize,
        sink: &mut impl Transport,
    ) -> (usize, bool) {
        let Some(room) = self.rooms.get_mut(key) else {
            return (0, true);
        };
        let (mut slow, mut late) = (Vec::<ConnKey>::new(), Vec::<ConnKey>::new());
        let mut written = 0;
        let shown = &mut room.lanes[lane.index()];
        let clean = shown.flush(most, self.config.outbox_bytes, |conn, frames| {
            let Some(frames) = frames else {
                late.push(conn);
                return false;
            };
            written += 1;
            let full = sink.send(conn, &frames) == SendStatus::Full;
            if full {
                slow.push(conn);
            }
            !full
        });
        self.effects.counts().writes += written as u64;
        self.effects.counts().encodings += shown.take_encoded();
        self.effects.counts().deflated = self.deflater.counts();
        for conn in slow {
            self.fall_behind(conn, sink);
        }
        for conn in late {
            // It reads, but this edge does not get round to it: that is not its fault.
            self.serve_anew(conn, sink);
        }
        (written, clean)
    }
}

/// What clients are told of who is in a room.
pub(crate) fn presence_message<'a>(room: &'a RoomId, presence: &'a Presence) -> ServerMessage<'a> {
    let players = if presence.players.len() < presence.count as usize {
        Players::Count(presence.count)
    } else {
        Players::List(
            presence
                .players
                .iter()
                .map(|p| (p.id.as_str(), !p.lost))
                .collect(),
        )
    };
    ServerMessage::Presence {
        room,
        players,
        viewers: presence.viewers,
    }
}
