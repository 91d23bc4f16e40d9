//! A client with its connection: in one room or in many, coming back as the protocol says whenever it is lost.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use grandstand_common::envelope::{Encoding, decode_server};
use grandstand_common::id::Lane;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::field::Shared;
use super::seat::Seat;
use super::violation::Rule;
use crate::client::{Door, proto};
use crate::site::{everywhere, token};

/// How often players look whether they want to do something.
const TICK: Duration = Duration::from_millis(50);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(4);
/// After this long without a message the client asks whether the edge is there; after twice that it gives it up.
const SILENCE: Duration = Duration::from_secs(5);
/// A token's life.
const DAY_S: u64 = 24 * 3600;

/// Who connects, to where, for what.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The player's name.
    pub(super) who: String,
    /// Plays or watches.
    pub(super) lane: Lane,
    /// The rooms.
    pub(super) slots: Vec<usize>,
    /// Where the edges are; the first choice is first.
    pub(super) edges: Vec<SocketAddr>,
    /// How messages are written.
    pub(super) encoding: Encoding,
    /// The mean time between two inputs.
    pub(super) pace: Duration,
    /// Of what it does.
    pub(super) seed: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Page {
    plan: Plan,
    field: Shared,
    seats: Vec<Seat>,
    door: Door,
    rng: ChaCha8Rng,
    /// A random name of this page, and how often it has connected.
    client: String,
    attempt: u32,
    heard: Instant,
}

type Socket = WebSocketStream<TcpStream>;

/// Why a connection is left.
enum Parting {
    /// It is lost.
    Lost,
    /// A new one is open, as the edge asked for.
    Moved(Box<Socket>),
}

impl Page {
    /// A client that is not connected yet.
    pub(super) fn new(plan: Plan, field: Shared) -> Self {
        let seats = {
            let field = &mut field.borrow_mut();
            let slots = plan.slots.iter();
            slots
                .map(|&slot| Seat::new(field, &plan.who, slot, plan.lane))
                .collect()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let first = plan.edges.first().copied();
        let mut door = Door::new(first.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()));
        door.token = Some(token(&plan.who, DAY_S, &everywhere()));
        door.encoding = plan.encoding;
        Self {
            seats,
            door,
            client: format!("{:016x}", rng.random::<u64>()),
            attempt: 0,
            heard: Instant::now(),
            rng,
            field,
            plan,
        }
    }

    /// Connects, and comes back whenever the connection is lost, until the task is ended.
    pub(super) async fn run(mut self) {
        let mut open: Option<Box<Socket>> = None;
        let mut failures: u32 = 0;
        loop {
            let connected = match open.take() {
                Some(socket) => Some(socket),
                None => self.connect().await,
            };
            if let Some(mut socket) = connected {
                failures = 0;
                match self.drive(&mut socket).await {
                    Parting::Lost => {}
                    Parting::Moved(next) => open = Some(next),
                }
                self.parted();
            }
            if open.is_none() {
                failures += 1;
                self.wait(failures).await;
            }
        }
    }

    /// Waits before it tries again: longer every time, and not as long as others.
    async fn wait(&mut self, failures: u32) {
        let most = 100 * 2_u64.pow(failures.min(4));
        let wait = Duration::from_millis(self.rng.random_range(most / 2..=most));
        let until = Instant::now() + wait;
        while Instant::now() < until {
            tokio::time::sleep(TICK.min(wait)).await;
            self.hold_patience();
        }
    }

    fn hold_patience(&mut self) {
        let field = &mut self.field.borrow_mut();
        for seat in &mut self.seats {
            seat.hold_patience(field);
        }
    }

    fn parted(&mut self) {
        let field = &mut self.field.borrow_mut();
        field.counts.reconnects += 1;
        for seat in &mut self.seats {
            seat.disconnected(field);
        }
    }

    /// Tries each edge once, the other one first if the last connection was lost.
    async fn connect(&mut self) -> Option<Box<Socket>> {
        for _ in 0..self.plan.edges.len() {
            self.door.address = *self.plan.edges.first()?;
            self.plan.edges.rotate_left(1);
            if let Ok(Ok(socket)) = timeout(CONNECT, self.door.try_open()).await {
                return Some(Box::new(socket));
            }
            self.hold_patience();
        }
        None
    }

    async fn drive(&mut self, socket: &mut Socket) -> Parting {
        self.heard = Instant::now();
        self.attempt += 1;
        let joins: Vec<_> = {
            let seats = self.seats.iter_mut();
            seats.filter_map(Seat::connect).collect()
        };
        if !self.send(socket, joins).await {
            return Parting::Lost;
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut asked, mut move_at) = (false, None);
        loop {
            let send = tokio::select! {
                frame = socket.next() => {
                    let Some(message) = self.read(frame) else { return Parting::Lost };
                    asked = false;
                    if message["type"] == "notice" && message["code"] == "draining" {
                        let ms = message["reconnect_in_ms"].as_u64().unwrap_or_default();
                        move_at = Some(Instant::now() + Duration::from_millis(ms));
                    }
                    match self.take(&message) {
                        Some(send) => send,
                        None => return Parting::Lost,
                    }
                }
                _ = tick.tick() => {
                    if move_at.is_some_and(|at| at <= Instant::now()) {
                        // The old one is left when the new one is open.
                        return match self.connect().await {
                            Some(next) => Parting::Moved(next),
                            None => Parting::Lost,
                        };
                    }
                    let silent = self.heard.elapsed();
                    if silent > SILENCE * 2 {
                        return Parting::Lost;
                    }
                    let mut send = self.tick();
                    if silent > SILENCE && !std::mem::replace(&mut asked, true) {
                        send.push(json!({"type": "ping"}));
                    }
                    send
                }
            };
            if !self.send(socket, send).await {
                return Parting::Lost;
            }
        }
    }

    /// The message of a frame; `None` if the connection is lost. An empty one for what is none.
    fn read(
        &mut self,
        frame: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Option<Value> {
        let frame = frame?.ok()?;
        self.heard = Instant::now();
        let found = match (&frame, self.plan.encoding) {
            (Message::Ping(_) | Message::Pong(_), _) => return Some(Value::Null),
            (Message::Close(_), _) => return None,
            (Message::Text(text), Encoding::Json) => serde_json::from_str(text).ok(),
            (Message::Binary(bytes), Encoding::Proto) => {
                let event = decode_server(Encoding::Proto, bytes).ok();
                event.map(|event| proto::to_json(&event))
            }
            _ => None,
        };
        if found.is_none() {
            let field = &mut self.field.borrow_mut();
            field.now();
            let expected = format!("{:?}", self.plan.encoding);
            let who = ("", self.plan.who.as_str());
            let ledger = &mut field.ledger;
            ledger.blame(Rule::Protocol, who, &expected, &format!("{frame:?}"));
        }
        found
    }

    /// What is to be sent after a message; `None` if the connection is of no use any more.
    fn take(&mut self, message: &Value) -> Option<Vec<Value>> {
        let field = &mut self.field.borrow_mut();
        if message["type"] == "notice" && message["code"] == "degraded" {
            field.counts.degraded += 1;
        }
        let Some(about) = message["room"].as_str() else {
            if message["type"] == "error" {
                field.now();
                let who = ("", self.plan.who.as_str());
                let found = message.to_string();
                field.ledger.blame(Rule::Protocol, who, "no error", &found);
            }
            return Some(Vec::new());
        };
        match self.seats.iter_mut().find(|seat| seat.name == about) {
            Some(seat) => seat.handle(message, field).ok(),
            // The end of a room that was left for the next one.
            None => Some(Vec::new()),
        }
    }

    fn tick(&mut self) -> Vec<Value> {
        let field = &mut self.field.borrow_mut();
        let mut send = Vec::new();
        for seat in &mut self.seats {
            send.extend(seat.tick(field, self.plan.pace, &mut self.rng));
            seat.hold_patience(field);
        }
        send
    }

    /// Whether all could be sent. That an edge takes nothing for long is as good as a loss.
    async fn send(&self, socket: &mut Socket, messages: Vec<Value>) -> bool {
        if messages.is_empty() {
            return true;
        }
        let sending = async {
            for mut message in messages {
                if message["type"] == "join" {
                    message["client"] = json!(self.client);
                    message["attempt"] = json!(self.attempt);
                }
                let frame = match self.plan.encoding {
                    Encoding::Json => Message::text(message.to_string()),
                    Encoding::Proto => Message::binary(proto::encode(&message)),
                };
                if socket.feed(frame).await.is_err() {
                    return false;
                }
            }
            socket.flush().await.is_ok()
        };
        timeout(SILENCE * 2, sending).await.unwrap_or(false)
    }
}
