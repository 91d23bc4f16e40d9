//! Tests of the core. Each test plays the clients and the owners.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use grandstand_common::auth::{Claims, Expected, Key, Signer};
use grandstand_common::bus::AppendFailure;
use grandstand_common::envelope::{Encoding, ServerEvent, decode_server};
use grandstand_common::id::{Epoch, RoomId};
use grandstand_common::record::{GameVersions, Lease};
use grandstand_common::wire::*;
use prost::Message;

use super::*;

mod clients;

mod errors;

mod owners;

mod chains;

mod refusals;

mod limits;
mod present;

pub(crate) mod steady;

mod tokens;

mod lanes;

mod frames;

mod since;

mod repeats;

mod departing;

mod crowds;

mod slices;

mod latency;

mod order;

mod hot_order;

mod unanswered;

use crate::conn::transport::SendStatus;
use crate::websocket::frame::frame_len;

/// Clients that record the core's output.
#[derive(Default)]
pub(crate) struct Clients {
    got: HashMap<ConnKey, Vec<serde_json::Value>>,
    closed: HashMap<ConnKey, ErrorKind>,
    paused: HashSet<ConnKey>,
    /// Clients whose outboxes are full.
    blocked: HashSet<ConnKey>,
    /// Clients whose sockets have not accepted all frames.
    undrained: HashSet<ConnKey>,
    /// Counts writes without recording messages.
    quiet: bool,
    writes: usize,
}

impl Transport for Clients {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        self.writes += 1;
        if self.quiet {
            return SendStatus::Written;
        }
        if self.blocked.contains(&conn) {
            return SendStatus::Full;
        }
        let mut rest = &frames[..];
        while let Some(len) = frame_len(rest) {
            let header = match rest[1] {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            self.got
                .entry(conn)
                .or_default()
                .push(serde_json::from_slice(&rest[header..len]).unwrap());
            rest = &rest[len..];
        }
        SendStatus::Written
    }
    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        let blocked = self.blocked.remove(&conn);
        let sent = self.send(conn, frames);
        if blocked {
            self.blocked.insert(conn);
        }
        sent
    }
    fn is_drained(&self, conn: ConnKey) -> bool {
        !self.blocked.contains(&conn) && !self.undrained.contains(&conn)
    }
    fn discard(&mut self, _: ConnKey) {}
    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.closed.insert(conn, why);
    }
    fn pause(&mut self, conn: ConnKey, paused: bool) {
        if paused {
            self.paused.insert(conn)
        } else {
            self.paused.remove(&conn)
        };
    }
}

/// A core with its clients, its owner and its clock.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) clients: Clients,
    pub(crate) now: Now,
    /// The number of the owner's last batch.
    pub(crate) number: u64,
    /// The owner's epoch.
    epoch: u64,
}

pub(crate) const ROOM: &str = "relay-1";

/// The secret of the tokens of these tests.
const SECRET: &[u8] = b"a secret for tests only, 32 bytes";

fn verifier() -> Verifier {
    Verifier::new(vec![Key::secret(SECRET).unwrap()], Expected::default())
}

fn signed(claims: &Claims) -> String {
    Signer::hs256(SECRET).unwrap().sign(claims)
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(CoreConfig::default(), None)
    }

    /// Creates a core with this configuration and verifier.
    fn with(config: CoreConfig, verifier: Option<Verifier>) -> Self {
        let now = Now {
            at: tokio::time::Instant::now().into_std(),
            unix_ms: 1_000_000,
            unix_us: 1_000_000_000,
            log_ms: 7_000_000,
        };
        let core = Core::new(config, "edge-0-x".parse().unwrap(), verifier, 1, now);
        let mut bench = Self {
            core,
            clients: Clients::default(),
            now,
            number: 0,
            epoch: 1,
        };
        bench.set_epoch(1);
        bench
    }

    fn set_epoch(&mut self, epoch: u64) {
        self.set_owner("w", epoch);
    }

    fn set_owner(&mut self, worker: &str, epoch: u64) {
        self.epoch = epoch;
        let lease = Lease {
            worker: Some(worker.parse().unwrap()),
            epoch: Epoch(epoch),
            ready: true,
            sender: None,
            stuck: Vec::new(),
            needs: GameVersions::new(),
            moved: false,
        };
        for p in 0..64 {
            self.core.handle_lease(Partition(p), &lease, self.now);
        }
    }

    /// The tag of requests to the room's owner.
    fn tag(&self) -> InterestTag {
        InterestTag {
            partition: ROOM.parse::<RoomId>().unwrap().partition(64),
            epoch: Epoch(self.epoch),
        }
    }

    /// Opens a client while the bus is degraded, which it is told.
    fn open_with_notice(&mut self, index: u32) -> ConnKey {
        let conn = ConnKey {
            index,
            generation: 0,
        };
        let grants = Grants::trusted(format!("p{index}").parse().unwrap());
        let (core, clients) = (&mut self.core, &mut self.clients);
        core.handle_open(conn, Encoding::Json.into(), grants, self.now, clients);
        assert_eq!(
            self.clients.got.get_mut(&conn).unwrap().remove(0)["type"],
            "welcome"
        );
        conn
    }

    /// Opens a client, and returns its `welcome`.
    fn open_with_welcome(&mut self, index: u32, player: &str) -> serde_json::Value {
        let conn = ConnKey {
            index,
            generation: 0,
        };
        let grants = Grants::trusted(player.parse().unwrap());
        let (core, clients) = (&mut self.core, &mut self.clients);
        core.handle_open(conn, Encoding::Json.into(), grants, self.now, clients);
        self.take_messages(conn).remove(0)
    }

    fn open(&mut self, index: u32, player: &str) -> ConnKey {
        let conn = ConnKey {
            index,
            generation: 0,
        };
        let grants = Grants::trusted(player.parse().unwrap());
        self.core.handle_open(
            conn,
            Encoding::Json.into(),
            grants,
            self.now,
            &mut self.clients,
        );
        assert_eq!(self.take_types(conn), ["welcome"]);
        conn
    }

    fn send(&mut self, conn: ConnKey, message: serde_json::Value) {
        let text = message.to_string();
        let payload = Payload::Json(&text);
        self.core
            .handle_message(conn, payload, self.now, &mut self.clients);
        self.flush();
    }

    fn join(&mut self, conn: ConnKey, role: &str) {
        self.send(
            conn,
            serde_json::json!({"type": "join", "room": ROOM, "role": role}),
        );
    }

    pub(crate) fn receive(&mut self, items: Vec<ItemKind>) {
        self.receive_of(7, items);
    }

    fn receive_of(&mut self, instance: u64, items: Vec<ItemKind>) {
        let batch = self.batch(instance, items);
        self.core.handle_batch(batch, self.now, &mut self.clients);
        self.flush();
    }

    /// The owner's next batch.
    pub(crate) fn batch(&mut self, instance: u64, items: Vec<ItemKind>) -> Bytes {
        self.batch_at((0, 0), instance, items)
    }

    /// The owner's next batch, with how far the room's stream has come.
    fn batch_at(
        &mut self,
        (stream, first): (u64, u64),
        instance: u64,
        items: Vec<ItemKind>,
    ) -> Bytes {
        self.number += 1;
        let items = items
            .into_iter()
            .map(|kind| Item { kind: Some(kind) })
            .collect();
        let room = RoomBatch {
            room: ROOM.into(),
            epoch: self.epoch,
            instance,
            items,
            stream,
            first,
        };
        let batch = Batch {
            worker: "w".into(),
            number: self.number,
            beat: false,
            rooms: vec![room],
        };
        batch.encode_to_vec().into()
    }

    fn flush(&mut self) {
        self.flush_by(3);
    }

    /// Flushes in slices of `budget` writes.
    fn flush_by(&mut self, budget: usize) {
        while self.core.flush(budget, &mut self.clients) {}
    }

    /// Receives items, and flushes one small slice.
    fn receive_slowly(&mut self, items: Vec<ItemKind>) {
        let batch = self.batch(7, items);
        self.core.handle_batch(batch, self.now, &mut self.clients);
        self.core.flush(2, &mut self.clients);
    }

    fn advance(&mut self, ms: u64) {
        self.now.at += Duration::from_millis(ms);
        self.now.unix_ms += ms;
        self.now.log_ms += ms;
        let is_due = |core: &Core, now: Now| core.poll_timeout().is_some_and(|at| at <= now.at);
        while is_due(&self.core, self.now) {
            self.core.handle_timeout(self.now, &mut self.clients);
        }
        self.flush();
    }

    pub(crate) fn take_messages(&mut self, conn: ConnKey) -> Vec<serde_json::Value> {
        self.clients.got.remove(&conn).unwrap_or_default()
    }

    fn take_types(&mut self, conn: ConnKey) -> Vec<String> {
        self.take_messages(conn)
            .iter()
            .map(|m| m["type"].as_str().unwrap().to_owned())
            .collect()
    }

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.core.poll_command()).collect()
    }

    fn entries(&mut self) -> Vec<Entry> {
        let append = |c| match c {
            Command::Append { payload, .. } => Some(Entry::decode(payload).unwrap()),
            _ => None,
        };
        self.commands().into_iter().filter_map(append).collect()
    }

    fn interests(&mut self) -> Vec<Interest> {
        let interest = |c| match c {
            Command::Interest { payload, .. } => Some(Interest::decode(payload).unwrap()),
            _ => None,
        };
        self.commands().into_iter().filter_map(interest).collect()
    }

    /// Joins a player, and returns its connection and its session.
    fn player(&mut self, index: u32, name: &str) -> (ConnKey, u64) {
        let conn = self.open(index, name);
        self.join(conn, "player");
        let session = self.entries()[0].session;
        self.receive(vec![snapshot(0, 0), processed(session, 0, 0)]);
        assert_eq!(self.take_types(conn)[..2], ["joined", "snapshot"]);
        (conn, session)
    }
}

fn json(n: u64) -> Option<grandstand_common::data::Data> {
    grandstand_common::data::Data::json(&n).ok()
}

pub(crate) fn snapshot(lane: u32, version: u64) -> ItemKind {
    ItemKind::Snapshot(Snapshot {
        lane,
        version,
        data: json(version),
        ..Snapshot::default()
    })
}

pub(crate) fn update(players: u64, spectators: u64) -> ItemKind {
    ItemKind::Update(Update {
        players,
        spectators,
        data: json(players),
        ..Update::default()
    })
}

fn processed(session: u64, n: u64, last_seq: u64) -> ItemKind {
    ItemKind::Processed(Processed {
        session,
        n,
        last_seq,
        ..Processed::default()
    })
}
