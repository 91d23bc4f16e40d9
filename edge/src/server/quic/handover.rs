//! Packets that reach another shard, or another process, than that of their connection.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use socket2::Socket;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::server::quic::cid::Place;
use crate::server::quic::forward::{Outlet, Sent, pair};
use crate::server::quic::packet::Packet;

/// The most packets that wait for a shard. Further ones are dropped and counted; their senders send them again.
const WAITING: usize = 1024;

/// One shard's side of the handover.
#[derive(Debug)]
pub struct Handover {
    place: Place,
    shards: Arc<[mpsc::Sender<Packet>]>,
    inbox: mpsc::Receiver<Packet>,
    /// The shards of earlier processes that still have clients.
    earlier: HashMap<Place, Outlet>,
    /// The place at which packets arrive that the next process has read.
    inlet: Option<Socket>,
}

/// The shard that handles a packet.
#[derive(Debug)]
pub(super) enum Route {
    /// This one.
    Here(Packet),
    /// Another one, which has it now.
    Elsewhere,
    /// One of an earlier process, which has it now.
    Earlier,
    /// Another one, which is too busy: the packet is lost.
    Lost,
}

impl Handover {
    /// Connects this many shards of a process with each other, and with the shards of `earlier` processes.
    pub fn between(shards: usize, earlier: &[Outlet]) -> Vec<Self> {
        let generation = new_generation(earlier);
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(WAITING)).unzip();
        let senders: Arc<[_]> = senders.into();
        let earlier = earlier
            .iter()
            .map(|outlet| (outlet.place(), outlet.clone()));
        let earlier: HashMap<_, _> = earlier.collect();
        let sides = (0..).zip(inboxes).map(|(shard, inbox)| Self {
            place: Place { generation, shard },
            shards: Arc::clone(&senders),
            inbox,
            earlier: earlier.clone(),
            inlet: None,
        });
        sides.collect()
    }

    /// Opens a route by which the next process forwards packets to this shard. Returns its other end.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn open(&mut self) -> io::Result<Outlet> {
        let (outlet, inlet) = pair(self.place)?;
        self.inlet = Some(inlet);
        Ok(outlet)
    }

    /// The end at which packets arrive that the next process has read. `None` if it cannot forward any.
    pub(super) fn take_inlet(&mut self) -> Option<Socket> {
        self.inlet.take()
    }

    /// The place of this shard.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Hands a packet over to the shard of its connection.
    pub(super) fn route(&mut self, packet: Packet) -> Route {
        let Some(place) = Place::of_packet(&packet.data) else {
            return Route::Here(packet);
        };
        if place.generation != self.place.generation {
            return self.forward(place, packet);
        }
        let shard = self.shards.get(usize::from(place.shard));
        let Some(shard) = shard.filter(|_| place.shard != self.place.shard) else {
            return Route::Here(packet);
        };
        match shard.try_send(packet) {
            Ok(()) => Route::Elsewhere,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => Route::Lost,
        }
    }

    /// Forwards a packet to a shard of an earlier process. Without that process, it is answered here with a reset.
    fn forward(&mut self, place: Place, packet: Packet) -> Route {
        let Some(outlet) = self.earlier.get(&place) else {
            return Route::Here(packet);
        };
        match outlet.send(&packet) {
            Sent::Yes => Route::Earlier,
            Sent::Lost => Route::Lost,
            Sent::Ended => {
                self.earlier.remove(&place);
                Route::Here(packet)
            }
        }
    }

    /// Waits for a packet from another shard.
    pub(super) async fn next(&mut self) -> Option<Packet> {
        self.inbox.recv().await
    }

    /// Whether packets from other shards wait.
    pub(super) fn has_packets(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The next packet from another shard, if there is one.
    pub(super) fn try_next(&mut self) -> Option<Packet> {
        self.inbox.try_recv().ok()
    }
}

/// A generation that no earlier process has, as long as there is one.
fn new_generation(earlier: &[Outlet]) -> u8 {
    let is_used = |generation| {
        let mut used = earlier.iter().map(|outlet| outlet.place().generation);
        used.any(|used| used == generation)
    };
    let first: u8 = rand::random();
    let mut all = (0..=u8::MAX).map(|next| first.wrapping_add(next));
    all.find(|&generation| !is_used(generation))
        .unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use quinn_proto::ConnectionIdGenerator;

    use super::*;
    use crate::server::quic::cid::ShardCids;
    use crate::server::quic::forward::Inlet;

    fn packet(place: Place) -> Packet {
        let cid = ShardCids(place).generate_cid();
        Packet {
            from: ([127, 0, 0, 1], 9).into(),
            to: None,
            ecn: None,
            data: [[0x40].as_slice(), &cid, &[0; 30]]
                .concat()
                .as_slice()
                .into(),
        }
    }

    #[test]
    fn a_packet_reaches_the_shard_of_its_connection() {
        let mut sides = Handover::between(3, &[]);
        let place = |shard: usize| sides[shard].place();
        let (own, other) = (packet(place(0)), packet(place(2)));
        let foreign = packet(Place {
            generation: place(0).generation.wrapping_add(1),
            shard: 2,
        });
        let unknown = packet(Place {
            generation: place(0).generation,
            shard: 9,
        });
        for here in [own, foreign, unknown] {
            assert!(matches!(sides[0].route(here), Route::Here(_)));
        }
        assert!(matches!(sides[0].route(other.clone()), Route::Elsewhere));
        assert_eq!(sides[2].try_next(), Some(other));
        assert_eq!(sides[1].try_next(), None);
    }

    #[test]
    fn a_busy_shard_loses_packets_instead_of_keeping_them_all() {
        let mut sides = Handover::between(2, &[]);
        let to = sides[1].place();
        for _ in 0..WAITING {
            assert!(matches!(sides[0].route(packet(to)), Route::Elsewhere));
        }
        assert!(matches!(sides[0].route(packet(to)), Route::Lost));
    }

    #[tokio::test]
    async fn packets_of_earlier_processes_reach_them_until_they_end() {
        let mut first = Handover::between(2, &[]);
        let outlets: Vec<_> = first.iter_mut().map(|side| side.open().unwrap()).collect();
        let mut second = Handover::between(1, &outlets);
        let outlet = second[0].open().unwrap();
        let outlets = [outlets, vec![outlet]].concat();
        let mut third = Handover::between(1, &outlets);
        let owners = [&mut first[1], &mut second[0]];
        for owner in owners {
            let packet = packet(owner.place());
            let inlet = Inlet::new(owner.take_inlet().unwrap()).unwrap();
            assert!(matches!(third[0].route(packet.clone()), Route::Earlier));
            inlet.readable().await.unwrap();
            let mut received = Vec::new();
            inlet.receive(&mut [0; 2000], 8, |packet| received.push(packet));
            assert_eq!(received.pop().as_ref(), Some(&packet));
            drop(inlet);
            // Its client learns that the connection is lost.
            assert!(matches!(third[0].route(packet), Route::Here(_)));
        }
    }

    #[test]
    fn each_process_has_another_generation() {
        let mut outlets = Vec::new();
        for _ in 0..200 {
            let mut sides = Handover::between(1, &outlets);
            let place = sides[0].place();
            assert!(
                outlets
                    .iter()
                    .all(|outlet: &Outlet| outlet.place() != place)
            );
            outlets.push(sides[0].open().unwrap());
        }
    }
}
