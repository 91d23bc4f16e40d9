//! A log and buckets in memory, and replays of them.

use bytes::Bytes;
use grandstand_common::bus::{KvEntry, LogEntry, LogState};
use grandstand_common::data::Data;
use grandstand_common::id::{Epoch, Partition, RoomId};
use grandstand_common::record::Checkpoint;
use grandstand_common::wire::{Body, Empty, Entry, Input, Joined, Timer};
use grandstand_game::Games;
use prost::Message;

use super::super::choose::{self, Choice, NoRoom};
use super::super::line::Line;
use super::super::replayer::{Replayer, decode};
use super::super::replica::Replica;
use super::super::report::Report;
use super::super::request::Request;
use super::super::scan::Scan;
use super::super::stored::StoredRecords;
use super::odd::Odd;
use crate::room::Room;
use crate::stored::head::SnapshotHead;
use crate::stored::snapshot::{self, SnapshotLimits};

/// The log, the buckets and the request of a test.
pub(super) struct Desk {
    pub(super) games: Games,
    pub(super) room: RoomId,
    pub(super) log: Vec<LogEntry>,
    pub(super) log_first: u64,
    pub(super) now_ms: u64,
    pub(super) next_seq: u64,
    pub(super) key: Option<KvEntry>,
    pub(super) quarantine: Option<KvEntry>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) request: Request,
    pub(super) lines: Vec<Line>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self::for_room("odd-1", Games::new().with::<Odd>())
    }

    pub(super) fn for_room(room: &str, games: Games) -> Self {
        let room: RoomId = room.parse().unwrap();
        Self {
            games,
            request: Request {
                room: room.clone(),
                instance: None,
                until: None,
                from_snapshot: false,
            },
            room,
            log: Vec::new(),
            log_first: 1,
            now_ms: 1_767_225_600_000,
            next_seq: 1,
            key: None,
            quarantine: None,
            checkpoint: None,
            lines: Vec::new(),
        }
    }

    /// Appends an entry. Entries of other rooms lie between two entries of the room.
    pub(super) fn append(&mut self, entry: &Entry) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 3;
        self.now_ms += 40;
        self.log.push(LogEntry {
            seq,
            time_ms: self.now_ms,
            subject: "in.0.odd-1".to_owned(),
            payload: entry.encode_to_vec().into(),
        });
        seq
    }

    pub(super) fn join(&mut self, player: &str, session: u64) -> u64 {
        self.append(&joined(player, session, 7))
    }

    /// Appends an input that is the nth entry of its session and the nth input of its player.
    pub(super) fn input(&mut self, sender: (&str, u64), n: u64, text: &str) -> u64 {
        self.append(&input(sender, n, n, text))
    }

    /// Alice joins and sends these inputs. Returns the sequence numbers.
    pub(super) fn alice(&mut self, texts: &[&str]) -> Vec<u64> {
        let mut seqs = vec![self.join("alice", 10)];
        for (n, text) in (1..).zip(texts) {
            seqs.push(self.input(("alice", 10), n, text));
        }
        seqs
    }

    pub(super) fn fire(&mut self, name: &str, arming: u64) -> u64 {
        self.now_ms += 60_000;
        let name = name.to_owned();
        self.append(&Entry {
            body: Some(Body::Timer(Timer { name, arming })),
            ..Entry::default()
        })
    }

    /// The room after an entry, as its owner has it.
    pub(super) fn room_at(&self, seq: u64) -> Option<Room> {
        let mut replica = Replica::new(&self.games, &self.room);
        for logged in self.log.iter().filter(|e| e.seq <= seq).filter_map(decode) {
            replica.step(&logged, &mut Vec::new()).unwrap();
        }
        replica.into_room()
    }

    /// Stores the snapshot of the room after an entry.
    pub(super) fn store(&mut self, seq: u64) {
        self.store_as(seq, seq);
    }

    /// Stores the snapshot of the room after entry `seq` as if `last` were its last entry.
    pub(super) fn store_as(&mut self, seq: u64, last: u64) {
        let place = SnapshotHead {
            epoch: Epoch(5),
            generation: 0,
            last,
        };
        let value = match self.room_at(seq) {
            Some(room) => snapshot::encode(&room, &[], place, SnapshotLimits::NONE).unwrap(),
            None => snapshot::encode_deleted(place).unwrap(),
        };
        self.put(Some(value));
    }

    pub(super) fn put(&mut self, value: Option<Bytes>) {
        self.key = Some(KvEntry {
            key: "0.odd-1".to_owned(),
            value,
            revision: 1,
            time_ms: self.now_ms,
        });
    }

    pub(super) fn put_record(&mut self, record: &crate::stored::quarantine::QuarantineRecord) {
        self.quarantine = Some(KvEntry {
            key: "0.odd-1".to_owned(),
            value: Some(serde_json::to_vec(record).unwrap().into()),
            revision: 1,
            time_ms: self.now_ms,
        });
    }

    /// Replaces a part of the stored snapshot's text.
    pub(super) fn tamper(&mut self, is: &str, becomes: &str) {
        let text = self.key.as_ref().unwrap().value.clone().unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let changed = text.replace(is, becomes);
        assert_ne!(changed, text);
        self.put(Some(changed.into()));
    }

    /// Drops entries before `first`, as the log does with old ones.
    pub(super) fn trim(&mut self, first: u64) {
        self.log.retain(|entry| entry.seq >= first);
        self.log_first = first;
    }

    /// Replays the room as `read` does, without a bus.
    pub(super) fn replay(&mut self) -> Result<Report, NoRoom> {
        let checkpoint = self.checkpoint.as_ref().map(|checkpoint| KvEntry {
            key: String::new(),
            value: Some(serde_json::to_vec(checkpoint).unwrap().into()),
            revision: 1,
            time_ms: 0,
        });
        let state = LogState {
            first: self.log_first,
            last: self.next_seq - 1,
            created_ms: 1,
        };
        let stored =
            StoredRecords::new(self.key.clone(), self.quarantine.clone(), checkpoint, state);
        let pinned = stored.snapshot().map(|snapshot| snapshot.instance);
        let mut scan = Scan::new(&self.games, &self.room, pinned, self.log_first > 1);
        for entry in &self.log {
            let logged = decode(entry);
            scan.handle(entry.seq, entry.time_ms, logged.as_ref());
        }
        let Choice {
            span,
            others,
            is_newest,
            snapshot,
        } = choose::choose(&scan, &stored, &self.room, &self.request)?;
        let mut replay = match &snapshot {
            Some(snapshot) => {
                Replayer::from_snapshot(&self.games, &self.room, snapshot, stored.clone()).unwrap()
            }
            None => Replayer::new(&self.games, &self.room, &span, stored.clone()),
        };
        let from = snapshot.map_or(span.created, |snapshot| snapshot.last + 1);
        let until = self.request.until.unwrap_or(u64::MAX);
        let entries = self.log.iter();
        for entry in entries.filter(|e| (from..=until).contains(&e.seq)) {
            self.lines.extend(replay.handle(entry));
        }
        replay.finish(&span, is_newest, self.request.until);
        let until = self.request.until;
        Ok(Report::new(replay, Partition(0), span, others, until))
    }

    /// The line of an entry, as JSON.
    pub(super) fn line(&self, seq: u64) -> serde_json::Value {
        let line = self.lines.iter().find(|line| line.seq == seq).unwrap();
        serde_json::to_value(line).unwrap()
    }
}

pub(super) fn entry(sender: (&str, u64), n: u64, body: Body) -> Entry {
    Entry {
        player: sender.0.to_owned(),
        session: sender.1,
        n,
        round: 1,
        edge: "e1".to_owned(),
        logged_ms: 0,
        body: Some(body),
    }
}

pub(super) fn joined(player: &str, session: u64, seed: u8) -> Entry {
    let joined = Joined {
        seed: vec![seed; 32].into(),
        ..Joined::default()
    };
    entry((player, session), 0, Body::Joined(joined))
}

pub(super) fn input(sender: (&str, u64), n: u64, seq: u64, text: &str) -> Entry {
    let data = Data::json(&text).unwrap();
    let data = Some(data);
    entry(
        sender,
        n,
        Body::Input(Input {
            seq,
            data,
            ..Input::default()
        }),
    )
}

pub(super) fn left(sender: (&str, u64), n: u64) -> Entry {
    entry(sender, n, Body::Left(Empty {}))
}
