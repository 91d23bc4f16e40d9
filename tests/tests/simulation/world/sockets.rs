//! Clients' connections: split frames in one direction, messages in the other.

use grandstand_edge::websocket::frame;

use super::*;

/// The sockets of an edge.
#[derive(Default)]
pub(super) struct Sockets {
    pub(super) sent: Vec<(u32, Bytes)>,
    pub(super) full: HashSet<u32>,
    /// Sockets whose queued frames were dropped and that accept bytes again.
    pub(super) discarded: Vec<u32>,
    pub(super) gone: HashSet<u32>,
    pub(super) closed: Vec<(u32, ErrorKind)>,
}

impl Transport for Sockets {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        if self.full.contains(&conn.index) {
            return SendStatus::Full;
        }
        self.send_control(conn, frames)
    }
    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        if self.gone.contains(&conn.index) {
            return SendStatus::Gone;
        }
        self.sent.push((conn.index, frames.clone()));
        SendStatus::Written
    }
    fn is_drained(&self, conn: ConnKey) -> bool {
        !self.full.contains(&conn.index)
    }
    fn discard(&mut self, conn: ConnKey) {
        if !self.full.contains(&conn.index) {
            self.discarded.push(conn.index);
        }
    }
    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.closed.push((conn.index, why));
    }
    fn pause(&mut self, _: ConnKey, _: bool) {}
}

impl World {
    /// A client takes its next action.
    pub(super) fn turn(&mut self, i: usize) {
        let calm = self.calm();
        if self.clients[i].quit {
            return;
        }
        let at = self.clients[i].at;
        match at {
            None => self.connect(i),
            Some((edge, index)) if self.chance(self.plan.connection_drops) => {
                self.hang_up(edge, index)
            }
            Some(at) => {
                let client = &mut self.clients[i];
                if client.player && client.joined && !calm {
                    let input = client.input();
                    self.say(at, &input);
                }
            }
        }
        if !calm || self.clients[i].at.is_none() {
            self.after(20..600, SimEvent::Turn(i));
        }
    }

    pub(super) fn connect(&mut self, i: usize) {
        let e = self.rng.random_range(0..EDGES);
        let now = self.now();
        let edge = &mut self.edges[e];
        let index = edge.next;
        edge.next += 1;
        edge.sessions.insert(index, Decoder::new(1 << 16));
        edge.clients.insert(index, i);
        let grants = Grants::trusted(self.clients[i].name.parse().expect("a name"));
        edge.core.handle_open(
            conn(index),
            Encoding::Json.into(),
            grants,
            now,
            &mut edge.sockets,
        );
        self.clients[i].at = Some((e, index));
        let resume = self.rng.random_bool(0.8);
        let join = self.clients[i].join(resume);
        self.say((e, index), &join);
    }

    /// Joins and disconnects at once, so that `Lost` may come before `Joined`, then leaves for good.
    pub(super) fn quit(&mut self, i: usize) {
        let is_first = !std::mem::replace(&mut self.clients[i].quit, true);
        if let Some((edge, index)) = self.clients[i].at {
            self.hang_up(edge, index);
        }
        if is_first {
            self.connect(i);
            self.after(0..20, SimEvent::Quit(i));
        }
    }

    pub(super) fn hang_up(&mut self, e: usize, index: u32) {
        let now = self.now();
        let edge = &mut self.edges[e];
        edge.sockets.gone.insert(index);
        edge.sessions.remove(&index);
        edge.core.handle_closed(conn(index), now);
        if let Some(i) = edge.clients.remove(&index)
            && self.clients[i].at == Some((e, index))
        {
            self.clients[i].at = None;
            self.clients[i].joined = false;
            if self.calm() {
                self.after(20..600, SimEvent::Turn(i));
            }
        }
    }

    /// Sends a client's message, masked and framed, in pieces.
    pub(super) fn say(&mut self, (edge, index): (usize, u32), message: &Value) {
        if let Some(i) = self.edges[edge].clients.get(&index)
            && std::env::var("TRACE").is_ok_and(|name| name == self.clients[*i].name)
        {
            eprintln!("{} {i} -> {edge}/{index}: {message}", self.ms);
        }
        let payload = message.to_string().into_bytes();
        let mask: [u8; 4] = self.rng.random();
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        if payload.len() < 126 {
            frame = vec![0x81, 0x80 | payload.len() as u8];
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
        while !frame.is_empty() {
            let cut = self.rng.random_range(1..=frame.len());
            let piece: Vec<u8> = frame.drain(..cut).collect();
            self.in_order(
                (u64::from(index) << 8 | 2, edge),
                SimEvent::Bytes(edge, index, piece),
            );
        }
    }

    pub(super) fn bytes(&mut self, e: usize, index: u32, mut bytes: Vec<u8>) {
        let now = self.now();
        let edge = &mut self.edges[e];
        let Some(session) = edge.sessions.get_mut(&index) else {
            return;
        };
        let (mut input, mut inflater) = (&mut bytes[..], Inflater::default());
        while let Some(event) = session
            .handle_bytes(&mut input, &mut inflater)
            .expect("clients send valid frames")
        {
            match event {
                Frame::Message(frame::Message::Text(text)) => {
                    let payload = Payload::Json(text);
                    edge.core
                        .handle_message(conn(index), payload, now, &mut edge.sockets)
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn shown(&mut self, e: usize, index: u32, messages: &[Value]) {
        let Some(&i) = self.edges[e].clients.get(&index) else {
            return;
        };
        let now_ms = self.now().unix_ms;
        for message in messages {
            if std::env::var("TRACE").is_ok_and(|name| name == self.clients[i].name) {
                eprintln!("{} {e}/{index} -> {i}: {message}", self.ms);
            }
            for answer in self.clients[i].take(message, now_ms) {
                self.say((e, index), &answer);
            }
        }
    }
}

pub(super) fn messages(mut frames: &[u8]) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(len) = frame_len(frames) {
        let header = (2..=10)
            .find(|h| header_len(len - h) == *h)
            .expect("a header");
        let payload = &frames[header..len];
        decode_server(Encoding::Json, payload).expect("a message of version 1");
        all.push(serde_json::from_slice(payload).expect("JSON"));
        frames = &frames[len..];
    }
    all
}
