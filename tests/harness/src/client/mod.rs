//! A client that shares no code with the edge's sockets. It uses tokio-tungstenite and follows `docs/protocol.md`.
//!
//! It checks every incoming message against the rules of the protocol, see [`room`].

pub(crate) mod proto;

mod json;

pub mod room;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use grandstand_common::envelope::{Encoding, decode_server};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};

use room::Room;

/// The time that a client waits for a message.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// Options of a connection.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The edge's address.
    pub address: SocketAddr,
    /// The query string without `?`, for example `user=alice`.
    pub query: String,
    /// The token of `Authorization: Bearer`.
    pub token: Option<String>,
    /// The `Origin` header, as a browser sends it.
    pub origin: Option<String>,
    /// The subprotocol.
    pub encoding: Encoding,
}

impl ClientOptions {
    /// Options without credentials.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            query: String::new(),
            token: None,
            origin: None,
            encoding: Encoding::Json,
        }
    }

    /// Sets the token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Selects protobuf.
    #[must_use]
    pub fn proto(mut self) -> Self {
        self.encoding = Encoding::Proto;
        self
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// If the connection is refused or the edge does not upgrade it.
    pub async fn try_open(&self) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
        let url = format!("ws://{}/v1/ws?{}", self.address, self.query);
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        let protocol = HeaderValue::from_str(self.encoding.subprotocol())?;
        headers.insert("sec-websocket-protocol", protocol);
        if let Some(token) = &self.token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
            headers.insert("authorization", bearer);
        }
        if let Some(origin) = &self.origin {
            headers.insert("origin", HeaderValue::from_str(origin)?);
        }
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let opened = tokio_tungstenite::client_async(request, socket).await?;
        Ok(opened.0)
    }

    async fn open(&self) -> WebSocketStream<TcpStream> {
        let opened = self.try_open().await;
        opened.unwrap_or_else(|e| panic!("{} refuses the connection: {e}", self.address))
    }
}

/// A client. Its knowledge of rooms survives a reconnect.
#[derive(Debug)]
pub struct Client {
    options: ClientOptions,
    socket: Option<WebSocketStream<TcpStream>>,
    /// The random name of the page and its number of connections.
    page: (String, u32),
    /// The rooms that the client joined.
    pub rooms: BTreeMap<String, Room>,
    /// All messages of the current connection.
    pub log: Vec<Value>,
    /// The first message of `log` that [`expect`](Self::expect) has not looked at.
    expected: usize,
    /// The close code once the connection is closed; 1006 if it was lost.
    pub closed: Option<u16>,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// If the edge refuses the WebSocket.
    pub async fn connect(options: ClientOptions) -> Self {
        let socket = options.open().await;
        Self {
            options,
            socket: Some(socket),
            page: (format!("{:016x}", rand::random::<u64>()), 0),
            rooms: BTreeMap::new(),
            log: Vec::new(),
            expected: 0,
            closed: None,
        }
    }

    /// Drops the connection without a close frame, as a network failure does.
    pub fn drop_connection(&mut self) {
        self.socket = None;
    }

    /// Connects to `address` and joins all its rooms again, each with the version that it has seen.
    pub async fn reconnect(&mut self, address: SocketAddr) {
        self.options.address = address;
        let socket = self.options.open().await;
        self.resume(socket).await;
    }

    /// Joins all its rooms again on a new connection.
    async fn resume(&mut self, socket: WebSocketStream<TcpStream>) {
        self.socket = Some(socket);
        self.page.1 += 1;
        (self.log, self.expected, self.closed) = (Vec::new(), 0, None);
        for name in self.rooms.keys().cloned().collect::<Vec<_>>() {
            let join = self.rooms[&name].rejoin();
            self.send_join(join).await;
        }
    }

    /// Reconnects to the same edge as before.
    pub async fn reconnect_here(&mut self) {
        self.reconnect(self.options.address).await;
    }

    /// Reconnects to the same edge, which may be away or die meanwhile.
    pub async fn reconnect_until_open(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let socket = loop {
            match self.options.try_open().await {
                Ok(socket) => break socket,
                Err(error) => assert!(
                    Instant::now() < deadline,
                    "{}: {error}",
                    self.options.address
                ),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.resume(socket).await;
    }

    /// Sends a message as it is, with `data` or `data_b64` as the encoding requires. An answer that is
    /// [expected](Self::expect) comes after this.
    pub async fn send(&mut self, message: Value) {
        self.expected = self.log.len();
        self.transmit(message).await;
    }

    async fn transmit(&mut self, message: Value) {
        let frame = match self.options.encoding {
            Encoding::Json => Message::text(message.to_string()),
            Encoding::Proto => Message::binary(proto::encode(&message)),
        };
        self.send_frame(frame).await;
    }

    /// Sends a frame. A failure shows at the next read.
    pub async fn send_frame(&mut self, frame: Message) {
        if let Some(socket) = &mut self.socket {
            let _ = timeout_at(Instant::now() + PATIENCE, socket.send(frame)).await;
        }
    }

    async fn send_join(&mut self, mut join: Value) {
        join["client"] = json!(self.page.0);
        join["attempt"] = json!(self.page.1);
        let room = join["room"].as_str().expect("a room").to_owned();
        let entry = self.rooms.entry(room);
        entry.or_insert_with(|| Room::new(&join)).joining(&join);
        self.send(join).await;
    }

    /// Joins a room and waits until the room is shown.
    pub async fn join(&mut self, room: &str, more: Value) {
        self.start_join(room, more).await;
        self.until(&format!("{room} shows"), |c| c.rooms[room].is_shown())
            .await;
    }

    /// Sends a `join` with further fields.
    pub async fn start_join(&mut self, room: &str, more: Value) {
        let mut join = json!({"type": "join", "room": room});
        for (key, value) in more.as_object().into_iter().flatten() {
            join[key] = value.clone();
        }
        self.send_join(join).await;
    }

    /// Sends the next input and keeps it until it is acked or rejected. Returns its sequence number.
    pub async fn input(&mut self, room: &str, data: Value) -> u64 {
        let known = self
            .rooms
            .get_mut(room)
            .expect("the client joined the room");
        let (seq, message) = known.input(&[("data", data)]);
        self.send(message).await;
        seq
    }

    /// Sends all inputs again that are neither acked nor rejected.
    pub async fn send_again(&mut self, room: &str) {
        for input in self.rooms[room].unanswered_inputs() {
            self.send(input).await;
        }
    }

    /// Sends the next input as bytes.
    pub async fn input_bytes(&mut self, room: &str, base64: &str) -> u64 {
        let known = self
            .rooms
            .get_mut(room)
            .expect("the client joined the room");
        let (seq, message) = known.input(&[("data_b64", json!(base64))]);
        self.send(message).await;
        seq
    }

    /// Reads and handles the next message; `None` when the connection is closed.
    ///
    /// # Panics
    /// If no message comes in time, or a message breaks a rule.
    pub async fn next(&mut self) -> Option<Value> {
        self.next_before(Instant::now() + PATIENCE)
            .await
            .unwrap_or_else(|| self.fail("no message came in time"))
    }

    /// Waits for a message like [`Self::next`], with its own timeout. Cancellation loses no message.
    ///
    /// # Panics
    /// As [`Self::next`].
    pub async fn next_within(&mut self, patience: Duration) -> Option<Value> {
        self.next_before(Instant::now() + patience)
            .await
            .unwrap_or_else(|| self.fail("no message came in time"))
    }

    /// Waits for a message like [`Self::next`]. The outer `None` means that the deadline has passed.
    async fn next_before(&mut self, deadline: Instant) -> Option<Option<Value>> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Some(None);
            };
            let message = match timeout_at(deadline, socket.next()).await {
                Err(_) => return None,
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(_)) | None) => {
                    self.closed.get_or_insert(1006);
                    self.socket = None;
                    return Some(None);
                }
            };
            let message = match (message, self.options.encoding) {
                (Message::Text(text), Encoding::Json) => {
                    serde_json::from_str(&text).expect("a text frame is JSON")
                }
                (Message::Binary(bytes), Encoding::Proto) => {
                    let event = decode_server(Encoding::Proto, &bytes);
                    proto::to_json(&event.expect("a binary frame is protobuf"))
                }
                (Message::Close(frame), _) => {
                    self.closed = Some(frame.map_or(1005, |f| f.code.into()));
                    continue;
                }
                (Message::Ping(_) | Message::Pong(_), _) => continue,
                (other, encoding) => panic!("a frame that {encoding:?} does not use: {other:?}"),
            };
            self.log.push(message.clone());
            self.take(&message).await;
            return Some(Some(message));
        }
    }

    async fn take(&mut self, message: &Value) {
        let about = message["room"].as_str().unwrap_or_default();
        let Some(room) = self.rooms.get_mut(about) else {
            return;
        };
        if let Err(broken) = room.take(message) {
            self.fail(&broken.to_string());
        }
        for input in self.rooms.get_mut(about).map_or(vec![], Room::resend) {
            self.transmit(input).await;
        }
    }

    /// Reads until the condition `holds` is true; `what` names it in the failure.
    ///
    /// # Panics
    /// If it is not true in time.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            match self.next_before(deadline).await {
                Some(Some(_)) => {}
                Some(None) if holds(self) => return,
                Some(None) => self.fail(&format!("the connection was closed before: {what}")),
                None => self.fail(&format!("did not happen in time: {what}")),
            }
        }
    }

    /// Reads until there is a message of type `kind` with these fields, and returns it. One counts that was read before, by
    /// another wait, if it came after the last message that this client has sent and the last one that was expected.
    ///
    /// # Panics
    /// If it does not come in time.
    pub async fn expect(&mut self, kind: &str, fields: Value) -> Value {
        let fits = |message: &Value| {
            let mut fields = fields.as_object().into_iter().flatten();
            message["type"] == kind && fields.all(|(key, value)| &message[key] == value)
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(message) = self.log.get(self.expected) {
                self.expected += 1;
                if fits(message) {
                    return message.clone();
                }
            }
            if !matches!(self.next_before(deadline).await, Some(Some(_))) {
                self.fail(&format!("no {kind} with {fields}"));
            }
        }
    }

    /// Reads until the connection is closed and returns the close code.
    pub async fn until_closed(&mut self) -> u16 {
        while self.next().await.is_some() {}
        self.closed.expect("a lost connection has a code")
    }

    /// Waits until all inputs to a room are acked or rejected.
    pub async fn until_answered(&mut self, room: &str) {
        self.until(&format!("all inputs to {room} are answered"), |c| {
            c.rooms[room].unanswered() == 0
        })
        .await;
    }

    /// Sends `ping` and reads until the `pong`. All earlier messages of the edge have been read then.
    pub async fn settle(&mut self) {
        let id = u64::from(rand::random::<u32>());
        self.send(json!({"type": "ping", "id": id})).await;
        self.expect("pong", json!({"id": id})).await;
    }

    /// Whether a message of this type about this room came over this connection.
    pub fn has(&self, kind: &str, room: &str) -> bool {
        let mut log = self.log.iter();
        log.any(|m| m["type"] == kind && m["room"] == room)
    }

    /// Whether this notice came over this connection.
    pub fn has_notice(&self, code: &str) -> bool {
        let mut log = self.log.iter();
        log.any(|m| m["type"] == "notice" && m["code"] == code)
    }

    /// The players in the last `presence` of this connection.
    pub fn presence(&self, room: &str) -> Option<&Value> {
        let mut log = self.log.iter().rev();
        let presence = log.find(|m| m["type"] == "presence" && m["room"] == room);
        presence.map(|m| &m["players"])
    }

    fn fail(&self, why: &str) -> ! {
        let shown = self.log.iter().rev().take(30).rev();
        let log: Vec<_> = shown.map(Value::to_string).collect();
        let log = log.join("\n  ");
        let closed = self.closed;
        let rooms = &self.rooms;
        panic!("{why}\nclosed: {closed:?}\nlast messages:\n  {log}\nrooms: {rooms:#?}");
    }
}
