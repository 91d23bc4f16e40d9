//! A client's connection, for one room or many. It reconnects as the protocol says whenever it is lost.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use grandstand_common::envelope::{Encoding, Role, decode_server};
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
use crate::client::{ClientOptions, proto};
use crate::site::token;

/// Interval at which players decide whether to send an input.
const TICK_INTERVAL: Duration = Duration::from_millis(50);
/// The most time for a connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// After this long without a message the client sends a ping; after twice this long it gives the connection up.
const PING_AFTER: Duration = Duration::from_secs(5);
/// The lifetime of a token.
const TOKEN_LIFETIME_S: u64 = 24 * 3600;
/// The rooms of all games, because a program has its own.
const EVERYWHERE: [(&str, Role); 1] = [("*", Role::Player)];

/// A client's identity, rooms and behavior.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The name of the client.
    pub(super) client: String,
    /// Whether the client plays or watches.
    pub(super) lane: Lane,
    /// The slots of its rooms.
    pub(super) slots: Vec<usize>,
    /// The edges' addresses in order of preference.
    pub(super) edges: Vec<SocketAddr>,
    /// The encoding of messages.
    pub(super) encoding: Encoding,
    /// The mean time between two inputs.
    pub(super) pace: Duration,
    /// The seed of the client's decisions.
    pub(super) seed: u64,
}

/// A client with its connection.
#[derive(Debug)]
pub(super) struct Page {
    plan: Plan,
    field: Shared,
    seats: Vec<Seat>,
    options: ClientOptions,
    rng: ChaCha8Rng,
    /// A random name of this page, and the number of its connections.
    client: String,
    attempt: u32,
    heard: Instant,
}

type Socket = WebSocketStream<TcpStream>;

/// The end of a connection.
enum ConnectionEnd {
    /// The connection is lost.
    Lost,
    /// A new connection is open, as the edge requested.
    Moved(Box<Socket>),
}

impl Page {
    /// A client that is not connected yet.
    pub(super) fn new(plan: Plan, field: Shared) -> Self {
        let seats = {
            let field = &mut field.borrow_mut();
            let slots = plan.slots.iter();
            slots
                .map(|&slot| Seat::new(field, &plan.client, slot, plan.lane))
                .collect()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let first = plan.edges.first().copied();
        let mut options = ClientOptions::new(first.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()));
        options.token = Some(token(&plan.client, TOKEN_LIFETIME_S, &EVERYWHERE));
        options.encoding = plan.encoding;
        Self {
            seats,
            options,
            client: format!("{:016x}", rng.random::<u64>()),
            attempt: 0,
            heard: Instant::now(),
            rng,
            field,
            plan,
        }
    }

    /// Connects and reconnects until the task is aborted.
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
                    ConnectionEnd::Lost => {}
                    ConnectionEnd::Moved(next) => open = Some(next),
                }
                self.parted();
            }
            if open.is_none() {
                failures += 1;
                self.wait(failures).await;
            }
        }
    }

    /// Waits before the next attempt: exponentially longer, with jitter.
    async fn wait(&mut self, failures: u32) {
        let max_ms = 100 * 2_u64.pow(failures.min(4));
        let wait = Duration::from_millis(self.rng.random_range(max_ms / 2..=max_ms));
        let until = Instant::now() + wait;
        while Instant::now() < until {
            tokio::time::sleep(TICK_INTERVAL.min(wait)).await;
            self.check_patience();
        }
    }

    fn check_patience(&mut self) {
        let field = &mut self.field.borrow_mut();
        for seat in &mut self.seats {
            seat.check_patience(field);
        }
    }

    fn parted(&mut self) {
        let field = &mut self.field.borrow_mut();
        field.counts.reconnects += 1;
        for seat in &mut self.seats {
            seat.disconnected(field);
        }
    }

    /// Tries each edge once, another edge first if the last connection was lost.
    async fn connect(&mut self) -> Option<Box<Socket>> {
        for _ in 0..self.plan.edges.len() {
            self.options.address = *self.plan.edges.first()?;
            self.plan.edges.rotate_left(1);
            if let Ok(Ok(socket)) = timeout(CONNECT_TIMEOUT, self.options.try_open()).await {
                return Some(Box::new(socket));
            }
            self.check_patience();
        }
        None
    }

    async fn drive(&mut self, socket: &mut Socket) -> ConnectionEnd {
        self.heard = Instant::now();
        self.attempt += 1;
        let joins: Vec<_> = {
            let seats = self.seats.iter_mut();
            seats.filter_map(Seat::connect).collect()
        };
        if !self.send(socket, joins).await {
            return ConnectionEnd::Lost;
        }
        let mut tick = interval(TICK_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut asked = false;
        let mut move_at = None;
        loop {
            let send = tokio::select! {
                frame = socket.next() => {
                    let Some(message) = self.read(frame) else { return ConnectionEnd::Lost };
                    asked = false;
                    if message["type"] == "notice" && message["code"] == "draining" {
                        let ms = message["reconnect_in_ms"].as_u64().unwrap_or_default();
                        move_at = Some(Instant::now() + Duration::from_millis(ms));
                    }
                    match self.take(&message) {
                        Some(send) => send,
                        None => return ConnectionEnd::Lost,
                    }
                }
                _ = tick.tick() => {
                    if move_at.is_some_and(|at| at <= Instant::now()) {
                        // The old connection is closed once the new one is open.
                        return match self.connect().await {
                            Some(next) => ConnectionEnd::Moved(next),
                            None => ConnectionEnd::Lost,
                        };
                    }
                    let silent = self.heard.elapsed();
                    if silent > PING_AFTER * 2 {
                        return ConnectionEnd::Lost;
                    }
                    let mut send = self.tick();
                    if silent > PING_AFTER && !std::mem::replace(&mut asked, true) {
                        send.push(json!({"type": "ping"}));
                    }
                    send
                }
            };
            if !self.send(socket, send).await {
                return ConnectionEnd::Lost;
            }
        }
    }

    /// Returns the message of a frame, an empty one for control frames; `None` if the connection is lost.
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
            let ledger = &mut field.ledger;
            ledger.blame(
                Rule::Protocol,
                "",
                &self.plan.client,
                &expected,
                &format!("{frame:?}"),
            );
        }
        found
    }

    /// Handles a message and returns the messages to send; `None` if the connection must be given up.
    fn take(&mut self, message: &Value) -> Option<Vec<Value>> {
        let field = &mut self.field.borrow_mut();
        if message["type"] == "notice" && message["code"] == "degraded" {
            field.counts.degraded += 1;
        }
        let Some(about) = message["room"].as_str() else {
            if message["type"] == "error" {
                field.now();
                let found = message.to_string();
                field
                    .ledger
                    .blame(Rule::Protocol, "", &self.plan.client, "no error", &found);
            }
            return Some(Vec::new());
        };
        match self.seats.iter_mut().find(|seat| seat.name == about) {
            Some(seat) => seat.handle(message, field).ok(),
            // The end of a room that the client has already left for the next one.
            None => Some(Vec::new()),
        }
    }

    fn tick(&mut self) -> Vec<Value> {
        let field = &mut self.field.borrow_mut();
        let mut send = Vec::new();
        for seat in &mut self.seats {
            send.extend(seat.tick(field, self.plan.pace, &mut self.rng));
            seat.check_patience(field);
        }
        send
    }

    /// Returns whether all messages could be sent. An edge that accepts no bytes for a long time counts as a lost
    /// connection.
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
        timeout(PING_AFTER * 2, sending).await.unwrap_or(false)
    }
}
