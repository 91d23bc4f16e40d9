//! The core of a shard without sockets, in the loop in which a shard drives it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::auth::Grants;
use grandstand_common::clock::{Now, unix_us};
use grandstand_common::envelope::{Encoding, Payload};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Epoch};
use grandstand_common::record::{GameVersions, Lease};
use grandstand_common::wire::{
    Batch, Closed, Empty, InterestReply, Item, ItemKind, RoomBatch, Snapshot, Update,
};
use grandstand_edge::conn::key::ConnKey;
use grandstand_edge::conn::transport::{SendStatus, Transport};
use grandstand_edge::core::{Command, Core, CoreConfig};
use prost::Message;
use rustix::time::{ClockId, clock_gettime};

use super::phase::Phase;
use crate::load::tally::Latencies;

/// The time between two pings.
const PING_EVERY: Duration = Duration::from_micros(200);
/// The time between two updates.
const UPDATE_EVERY: Duration = Duration::from_millis(100);
/// The time for which a shard flushes before other tasks run.
const SLICE: Duration = Duration::from_micros(100);
/// The number of members between two readings of the clock.
const WRITES: usize = 4;
const ROOM: &str = "relay-crowd";
const PINGER: ConnKey = key(0);

const fn key(index: u32) -> ConnKey {
    ConnKey {
        index,
        generation: 0,
    }
}

/// Sockets that accept everything at once.
#[derive(Default)]
struct Sockets {
    /// The messages to the client that pings.
    to_pinger: u64,
}

impl Transport for Sockets {
    fn send(&mut self, _: ConnKey, _: &Bytes) -> SendStatus {
        SendStatus::Written
    }
    fn send_control(&mut self, conn: ConnKey, _: &Bytes) -> SendStatus {
        self.to_pinger += u64::from(conn == PINGER);
        SendStatus::Written
    }
    fn is_drained(&self, _: ConnKey) -> bool {
        true
    }
    fn discard(&mut self, _: ConnKey) {}
    fn close(&mut self, _: ConnKey, _: ErrorKind) {}
    fn pause(&mut self, _: ConnKey, _: bool) {}
}

/// A core, its owner, and a client that pings.
struct Shard {
    core: Core,
    sockets: Sockets,
    number: u64,
    instance: u64,
    version: u64,
    ping_due: Instant,
    pings: Latencies,
    /// The most CPU time of one step.
    step: Duration,
}

/// Measures the pings and the longest step in each phase, in as many rounds as fit into `seconds`.
pub(super) fn run(members: u32, seconds: f64) -> Vec<Phase> {
    const PHASES: [&str; 7] = ["join", "wait", "create", "run", "end", "degrade", "recover"];
    let mut all = PHASES.map(|name| Phase {
        name,
        pings: Latencies::default(),
        seconds: None,
        step: Some(Duration::ZERO),
    });
    let start = instant();
    loop {
        let mut shard = Shard::new();
        for phase in &mut all {
            shard.ping_due = instant();
            shard.phase(phase.name, members, seconds);
            phase.pings.add(&std::mem::take(&mut shard.pings));
            let step = std::mem::take(&mut shard.step);
            phase.step = phase.step.max(Some(step));
        }
        if start.elapsed().as_secs_f64() >= seconds {
            return all.into();
        }
    }
}

impl Shard {
    fn new() -> Self {
        let edge: EdgeId = "edge-bench-0"
            .parse()
            .unwrap_or_else(|_| unreachable!("it is an id"));
        let mut config = CoreConfig::default();
        config.clients.messages_per_s = 0;
        let layout = config.layout;
        let mut core = Core::new(config, edge, None, 1, now());
        let lease = Lease {
            worker: "w".parse().ok(),
            epoch: Epoch(1),
            ready: true,
            sender: None,
            stuck: Vec::new(),
            needs: GameVersions::new(),
            moved: false,
        };
        for partition in layout.all_partitions() {
            core.handle_lease(partition, &lease, now());
        }
        let mut shard = Self {
            core,
            sockets: Sockets::default(),
            number: 0,
            instance: 1,
            version: 0,
            ping_due: instant(),
            pings: Latencies::default(),
            step: Duration::ZERO,
        };
        shard.open(PINGER);
        shard
    }

    fn phase(&mut self, name: &str, members: u32, seconds: f64) {
        let crowd = 1..=members;
        match name {
            "join" => {
                let text = format!(r#"{{"type":"join","room":"{ROOM}","role":"spectator"}}"#);
                for index in crowd {
                    self.step(|shard| shard.open(key(index)));
                    self.step(|shard| shard.say(key(index), &text));
                    self.turn();
                }
                self.receive(vec![ItemKind::Absent(Empty {})]);
            }
            "wait" => self.turns_for(UPDATE_EVERY),
            "create" => {
                self.receive(vec![ItemKind::Snapshot(Snapshot {
                    lane: 1,
                    version: 0,
                    data: data(),
                    ..Snapshot::default()
                })]);
            }
            "run" => {
                let until = instant() + Duration::from_secs_f64(seconds / 10.0);
                while instant() < until {
                    self.version += 1;
                    self.receive(vec![ItemKind::Update(Update {
                        spectators: self.version,
                        data: data(),
                        ..Update::default()
                    })]);
                    self.turns_for(UPDATE_EVERY);
                }
            }
            "end" => {
                let code = ErrorKind::Finished.code().to_owned();
                self.receive(vec![ItemKind::Closed(Closed { code })]);
            }
            "degrade" => {
                self.step(|shard| shard.core.handle_bus(false, now()));
                self.turns_for(Duration::from_millis(500));
            }
            _ => self.step(|shard| shard.core.handle_bus(true, now())),
        }
        while self.core.needs_flush() {
            self.turn();
        }
    }

    /// One turn of each of the shard's tasks.
    fn turn(&mut self) {
        self.step(Self::serve_commands);
        while self.core.poll_timeout().is_some_and(|at| at <= instant()) {
            self.step(|shard| shard.core.handle_timeout(now(), &mut shard.sockets));
        }
        self.step(|shard| {
            let until = instant() + SLICE;
            while shard.core.flush(WRITES, &mut shard.sockets) && instant() < until {}
        });
    }

    fn serve_commands(&mut self) {
        while let Some(command) = self.core.poll_command() {
            if let Command::Interest { tag, .. } = command {
                let reply = InterestReply {
                    worker: "w".to_owned(),
                    epoch: 1,
                    number: self.number,
                };
                let reply = Some(reply.encode_to_vec().into());
                self.core.handle_interest_reply(tag, reply, now());
            }
        }
    }

    /// Does something that the shard does without interruption, after the pings that are due.
    fn step(&mut self, what: impl FnOnce(&mut Self)) {
        self.ping();
        let start = cpu();
        what(self);
        self.step = self.step.max(cpu().saturating_sub(start));
    }

    fn turns_for(&mut self, time: Duration) {
        let until = instant() + time;
        while instant() < until {
            self.turn();
        }
    }

    /// Handles the pings that are due.
    fn ping(&mut self) {
        while self.ping_due <= instant() {
            let answered = self.sockets.to_pinger;
            self.say(PINGER, r#"{"type":"ping"}"#);
            if self.sockets.to_pinger > answered {
                let late = instant().duration_since(self.ping_due);
                self.pings.record_ns(late.as_nanos() as u64);
            }
            self.ping_due += PING_EVERY;
        }
    }

    fn open(&mut self, conn: ConnKey) {
        let name = format!("p{}", conn.index);
        if let Ok(player) = name.parse() {
            let format = Encoding::Json.into();
            let grants = Grants::trusted(player);
            self.core
                .handle_open(conn, format, grants, now(), &mut self.sockets);
        }
    }

    fn say(&mut self, conn: ConnKey, text: &str) {
        let payload = Payload::Json(text);
        self.core
            .handle_message(conn, payload, now(), &mut self.sockets);
    }

    fn receive(&mut self, items: Vec<ItemKind>) {
        self.number += 1;
        let items = items.into_iter().map(|kind| Item { kind: Some(kind) });
        let room = RoomBatch {
            room: ROOM.to_owned(),
            epoch: 1,
            instance: self.instance,
            items: items.collect(),
            ..RoomBatch::default()
        };
        let batch = Batch {
            worker: "w".to_owned(),
            number: self.number,
            beat: false,
            rooms: vec![room],
        };
        let payload = Bytes::from(batch.encode_to_vec());
        self.step(|shard| shard.core.handle_batch(payload, now(), &mut shard.sockets));
    }
}

fn data() -> Option<grandstand_common::data::Data> {
    grandstand_common::data::Data::json(&".".repeat(128)).ok()
}

fn now() -> Now {
    let unix_us = unix_us();
    let unix_ms = unix_us / 1_000;
    Now {
        at: instant(),
        unix_ms,
        unix_us,
        log_ms: unix_ms,
    }
}

/// The CPU time of this thread: unlike the time of a clock, it does not count what other programs on the core do.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}
