//! Packets that the kernel gave to another shard than their connection's.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::BytesMut;
use quinn_udp::EcnCodepoint;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::server::quic::cid::Place;

/// The most packets that wait for a shard. Further ones are dropped and counted; their senders send them again.
const WAITING: usize = 1024;

/// A received packet.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    /// The address of this machine that it was sent to.
    pub(super) to: Option<IpAddr>,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) data: BytesMut,
}

/// One shard's side of the handover.
#[derive(Debug)]
pub struct Handover {
    place: Place,
    shards: Arc<[mpsc::Sender<Packet>]>,
    inbox: mpsc::Receiver<Packet>,
}

/// The shard that handles a packet.
#[derive(Debug)]
pub(super) enum Route {
    /// This one.
    Here(Packet),
    /// Another one, which has it now.
    Elsewhere,
    /// Another one, which is too busy: the packet is lost.
    Lost,
}

impl Handover {
    /// Connects this many shards of a process.
    pub fn between(shards: usize) -> Vec<Self> {
        let generation = rand::random();
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(WAITING)).unzip();
        let senders: Arc<[_]> = senders.into();
        let sides = (0..).zip(inboxes).map(|(shard, inbox)| Self {
            place: Place { generation, shard },
            shards: Arc::clone(&senders),
            inbox,
        });
        sides.collect()
    }

    /// The place of this shard.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Hands a packet over to the shard of its connection.
    pub(super) fn route(&self, packet: Packet) -> Route {
        let place = Place::of_packet(&packet.data);
        let other = place.filter(|other| {
            other.generation == self.place.generation && other.shard != self.place.shard
        });
        let Some(shard) = other.and_then(|other| self.shards.get(usize::from(other.shard))) else {
            return Route::Here(packet);
        };
        match shard.try_send(packet) {
            Ok(()) => Route::Elsewhere,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => Route::Lost,
        }
    }

    /// Waits for a packet from another shard.
    pub(super) async fn next(&mut self) -> Option<Packet> {
        self.inbox.recv().await
    }

    /// The next packet from another shard, if there is one.
    pub(super) fn try_next(&mut self) -> Option<Packet> {
        self.inbox.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use quinn_proto::ConnectionIdGenerator;

    use super::*;
    use crate::server::quic::cid::ShardCids;

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
        let mut sides = Handover::between(3);
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
        let data = other.data.clone();
        for here in [own, foreign, unknown] {
            assert!(matches!(sides[0].route(here), Route::Here(_)));
        }
        assert!(matches!(sides[0].route(other), Route::Elsewhere));
        assert_eq!(sides[2].try_next().unwrap().data, data);
        assert!(sides[1].try_next().is_none());
    }

    #[test]
    fn a_busy_shard_loses_packets_instead_of_keeping_them_all() {
        let sides = Handover::between(2);
        let to = sides[1].place();
        for _ in 0..WAITING {
            assert!(matches!(sides[0].route(packet(to)), Route::Elsewhere));
        }
        assert!(matches!(sides[0].route(packet(to)), Route::Lost));
    }
}
