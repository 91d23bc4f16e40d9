//! What an owner is told, put into words: how things are with rooms, and which batches are missing.

use grandstand_common::clock::Now;
use grandstand_common::id::{Lane as LaneId, Partition, RoomId, WorkerId};
use grandstand_common::subject;
use grandstand_common::wire::{Interest, Known, LinkRequest, RoomInterest};
use prost::Message;

use crate::core::owners::{CHUNK, DIGEST_EVERY, Question};
use crate::core::rooms::room::RoomKey;
use crate::core::{Command, Core, Timer};

impl Core {
    /// Tells a partition's owner what is due, unless it still has to answer or did not lately.
    pub(crate) fn tell_owner(&mut self, partition: Partition, now: Now) {
        let watch = &mut self.watches[usize::from(partition.0)];
        let waits = watch.not_before.is_some_and(|at| at > now.at);
        let is_due = !watch.due.is_empty() || !watch.strays.is_empty();
        if watch.ready && watch.asking.is_none() && !waits && is_due && self.health.is_up() {
            let rooms = (0..CHUNK).map_while(|_| watch.due.pop_first()).collect();
            self.request(partition, rooms, false);
        }
        let watch = &mut self.watches[usize::from(partition.0)];
        if watch.digest_at.is_none() && !watch.rooms.is_empty() {
            watch.digest_at = Some(now.at + DIGEST_EVERY);
            self.effects
                .at(now.at + DIGEST_EVERY, Timer::Watch(partition));
        }
    }

    pub(crate) fn request(
        &mut self,
        partition: Partition,
        rooms: Vec<(RoomKey, bool)>,
        digest: bool,
    ) {
        let mut told: Vec<_> = rooms
            .iter()
            .filter_map(|&(key, sync)| self.room_interest(key, sync))
            .collect();
        let strays: Vec<_> = self.watches[usize::from(partition.0)]
            .strays
            .iter()
            .take(CHUNK)
            .cloned()
            .collect();
        told.extend(strays.iter().filter_map(|id| self.stray_interest(id)));
        let interest = Interest {
            edge: self.edge.as_str().to_owned(),
            digest,
            rooms: told,
        };
        let payload = interest.encode_to_vec().into();
        let watch = &mut self.watches[usize::from(partition.0)];
        watch.asking = Some(rooms);
        watch.strays_asked = strays;
        let question = Question {
            partition,
            epoch: watch.epoch,
        };
        self.effects.command(Command::Interest {
            subject: subject::ctl(partition),
            payload,
            question,
        });
    }

    /// Nothing of a room that is not known here; one that has become known since is told as it is.
    fn stray_interest(&self, id: &RoomId) -> Option<RoomInterest> {
        match self.names.get(id) {
            Some(&key) => self.room_interest(key, false),
            None => Some(RoomInterest {
                room: id.as_str().to_owned(),
                ..RoomInterest::default()
            }),
        }
    }

    fn room_interest(&self, key: RoomKey, sync: bool) -> Option<RoomInterest> {
        let room = self.rooms.get(key)?;
        let known = |lane: LaneId| {
            let version = room.known_version(lane);
            let known = version.map(|version| Known {
                epoch: room.epoch.0,
                instance: room.instance.0,
                version,
            });
            room.watched[lane.index()].then(|| known.unwrap_or_default())
        };
        // A session whose `Joined` is not reported may not have reached the owner: it would be taken for gone.
        let of = |joined: bool| {
            let seats = room.seats.iter();
            let seats = seats.filter(move |(_, seat)| seat.joined == joined);
            seats.map(|(&session, _)| session).collect()
        };
        let (hot, subscribed) = room.heat_known();
        Some(RoomInterest {
            room: room.id.as_str().to_owned(),
            players: known(LaneId::Players),
            spectators: known(LaneId::Spectators),
            viewers: room.members[LaneId::Spectators.index()] as u32,
            sessions: of(true),
            sync,
            joining: of(false),
            hot,
            subscribed,
        })
    }

    /// Asks for what is missing between the numbers of workers' batches.
    pub(crate) fn ask_for_holes(&mut self) {
        while let Some((worker, from, to)) = self.links.poll_request() {
            self.effects.counts().holes += 1;
            let request = LinkRequest {
                edge: self.edge.as_str().to_owned(),
                from,
                to,
            };
            let Ok(id) = worker.parse::<WorkerId>() else {
                self.links.forget(&worker);
                continue;
            };
            let (subject, payload) = (subject::worker_link(&id), request.encode_to_vec().into());
            self.effects.command(Command::Link {
                subject,
                payload,
                worker,
                to,
            });
        }
    }
}
