//! Connection ids that name their shard.
//!
//! The kernel spreads packets over the sockets of a port by the client's address. When a client's address changes, its
//! packets reach the socket of another shard, which finds the right one in the connection id (RFC 9000 section 5.1).
//! After an upgrade in place, the new process finds the packets of the earlier one in the same way.

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};

/// The bytes of a connection id: the generation, the shard, and random ones.
pub(super) const CID_BYTES: usize = 3 + RANDOM_BYTES;

/// The random bytes of a connection id, enough that no one can guess an id.
const RANDOM_BYTES: usize = 9;

/// The place of the connection id in a packet with a short header (RFC 9000 section 17.3).
const SHORT: usize = 1;

/// The place of its length in a packet with a long header (RFC 9000 section 17.2).
const LONG: usize = 5;

/// The shard that a connection belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Tells apart the processes that share a port one after the other.
    pub(super) generation: u8,
    /// The shard's index in its process.
    pub(super) shard: u16,
}

impl Place {
    fn of(cid: &[u8]) -> Option<Self> {
        let &[generation, high, low, ..] = cid else {
            return None;
        };
        let shard = u16::from_be_bytes([high, low]);
        (cid.len() == CID_BYTES).then_some(Self { generation, shard })
    }

    /// The place that a packet's connection id names. A client chooses the id of its first packets: such an id has another
    /// length, or names a place by chance.
    pub(super) fn of_packet(packet: &[u8]) -> Option<Self> {
        let first = *packet.first()?;
        if first & 0x80 == 0 {
            return Self::of(packet.get(SHORT..SHORT + CID_BYTES)?);
        }
        let len = usize::from(*packet.get(LONG)?);
        Self::of(packet.get(LONG + 1..LONG + 1 + len)?)
    }
}

/// Makes the connection ids of a shard.
#[derive(Debug)]
pub(super) struct ShardCids(pub(super) Place);

impl ConnectionIdGenerator for ShardCids {
    fn generate_cid(&mut self) -> ConnectionId {
        let Place { generation, shard } = self.0;
        let [high, low] = shard.to_be_bytes();
        let mut cid = [0; CID_BYTES];
        let (place, random) = cid.split_at_mut(3);
        place.copy_from_slice(&[generation, high, low]);
        random.copy_from_slice(&rand::random::<[u8; RANDOM_BYTES]>());
        ConnectionId::new(&cid)
    }

    fn validate(&self, cid: &ConnectionId) -> Result<(), InvalidCid> {
        // Ids of an earlier process are answered with a reset, so that its clients reconnect at once.
        Place::of(cid).map(|_| ()).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        generation: 7,
        shard: 515,
    };

    fn packet(head: &[u8], rest: usize) -> (ConnectionId, Vec<u8>) {
        let cid = ShardCids(PLACE).generate_cid();
        let packet = [head, &cid, &vec![0; rest]].concat();
        (cid, packet)
    }

    #[test]
    fn a_packet_names_the_shard_of_its_connection() {
        let short = [0x40];
        // Initial, 0-RTT and Handshake.
        let long = |first: u8| [first, 0, 0, 0, 1, CID_BYTES as u8];
        for head in [short.as_slice(), &long(0xC0), &long(0xD0), &long(0xE0)] {
            let (_, packet) = packet(head, 20);
            assert_eq!(Place::of_packet(&packet), Some(PLACE));
            assert_eq!(Place::of_packet(&packet[..head.len() + 5]), None);
        }
        assert_eq!(Place::of_packet(&[]), None);
    }

    #[test]
    fn an_id_of_another_length_names_no_shard() {
        let packet = [0xC0, 0, 0, 0, 1, 4, 7, 2, 3, 9, 0, 0];
        assert_eq!(Place::of_packet(&packet), None);
    }

    #[test]
    fn ids_differ_and_are_known() {
        let mut cids = ShardCids(PLACE);
        let (one, other) = (cids.generate_cid(), cids.generate_cid());
        assert_ne!(one, other);
        assert!(cids.validate(&one).is_ok());
        assert!(cids.validate(&ConnectionId::new(&[1; 8])).is_err());
    }
}
