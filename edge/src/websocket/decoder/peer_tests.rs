//! Comparison with tungstenite, an independent implementation, in both directions.

use std::io::{self, Read, Write};

use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use super::*;
use crate::websocket::decoder::tests::{Seen, client_frame, feed};
use crate::websocket::frame;

/// A stream that returns `input` in pieces of at most `limit` bytes and collects what is written.
struct Pipe {
    input: Vec<u8>,
    at: usize,
    limit: usize,
    output: Vec<u8>,
}

impl Pipe {
    fn new(input: Vec<u8>, limit: usize) -> Self {
        Self {
            input,
            at: 0,
            limit,
            output: Vec::new(),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self.input[self.at..];
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.len().min(buf.len()).min(self.limit);
        buf[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn peer(role: Role, input: Vec<u8>, limit: usize) -> WebSocket<Pipe> {
    let config = WebSocketConfig::default().max_message_size(Some(LIMIT as usize));
    WebSocket::from_raw_socket(Pipe::new(input, limit), role, Some(config))
}

const LIMIT: u32 = 60_000;

/// The events that tungstenite decodes, and whether it failed. Its errors are not compared with ours.
fn events_of(peer: &mut WebSocket<Pipe>) -> (Vec<Seen>, bool) {
    let mut seen = Vec::new();
    loop {
        match peer.read() {
            Ok(Message::Text(text)) => seen.push(Seen::Text(text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => seen.push(Seen::Binary(bytes.to_vec())),
            Ok(Message::Ping(payload)) => seen.push(Seen::Ping(payload.to_vec())),
            Ok(Message::Pong(_)) => seen.push(Seen::Pong),
            Ok(Message::Close(close)) => {
                seen.push(Seen::Close(close.map(|c| c.code.into())));
                return (seen, false);
            }
            Ok(Message::Frame(_)) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (seen, false);
            }
            Err(_) => return (seen, true),
        }
    }
}

fn random_text(rng: &mut StdRng) -> String {
    let size = match rng.random_range(0..10) {
        0 => 0,
        1 => rng.random_range(1000..30_000),
        _ => rng.random_range(1..200),
    };
    (0..size)
        .map(|_| *['a', 'é', '字', '🎲'].get(rng.random_range(0..4)).unwrap())
        .collect()
}

/// Appends a message in random fragments with control frames between them; a few of the frames are invalid.
fn random_message(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    let is_text = rng.random_bool(0.6);
    let mut payload = random_text(rng).into_bytes();
    if !payload.is_empty() && rng.random_bool(0.02) {
        let at = rng.random_range(0..payload.len());
        payload[at] = 0xFF;
    }
    let mut opcode = if is_text { 1 } else { 2 };
    let mut rest = payload.as_slice();
    loop {
        let last = rng.random_bool(0.6);
        let size = if last {
            rest.len()
        } else {
            rng.random_range(0..=rest.len())
        };
        let (piece, after) = rest.split_at(size);
        rest = after;
        let fin = if last { 0x80 } else { 0 };
        bytes.extend_from_slice(&client_frame(fin | opcode, piece, rng.random()));
        opcode = 0;
        match rng.random_range(0..100) {
            0..=9 => bytes.extend_from_slice(&client_frame(0x89, b"are you there", rng.random())),
            10..=14 => bytes.extend_from_slice(&client_frame(0x8A, b"", rng.random())),
            15 => bytes.extend_from_slice(&client_frame(rng.random(), b"x", rng.random())),
            16 => bytes.extend_from_slice(&client_frame(0x88, b"\x03\xE8bye", rng.random())),
            _ => {}
        }
        if last {
            return;
        }
    }
}

#[test]
fn tungstenite_decodes_a_clients_bytes_to_the_same_events() {
    let mut errors = 0;
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut bytes = Vec::new();
        for _ in 0..rng.random_range(1..8) {
            random_message(&mut rng, &mut bytes);
        }
        let limit = *[1, 7, 1000, 100_000].get(rng.random_range(0..4)).unwrap();
        let mut ours = feed(&mut Decoder::new(LIMIT), &bytes, &[limit]);
        let failed = matches!(ours.last(), Some(Seen::Error(_)));
        if failed {
            ours.pop();
            errors += 1;
        }
        let theirs = events_of(&mut peer(Role::Server, bytes, limit));
        assert_eq!((ours, failed), theirs, "seed {seed}");
    }
    assert!(errors > 30, "only {errors} streams were invalid");
}

#[test]
fn messages_of_a_tungstenite_client_are_decoded() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut client = peer(Role::Client, Vec::new(), 1);
        let mut sent = Vec::new();
        for _ in 0..10 {
            let text = random_text(&mut rng);
            let message = match rng.random_range(0..4) {
                0 => {
                    sent.push(Seen::Binary(text.clone().into_bytes()));
                    Message::binary(text.into_bytes())
                }
                1 => {
                    sent.push(Seen::Ping(b"hello".to_vec()));
                    Message::Ping(b"hello"[..].into())
                }
                _ => {
                    sent.push(Seen::Text(text.clone().into_bytes()));
                    Message::text(text)
                }
            };
            client.send(message).unwrap();
        }
        client.close(None).unwrap();
        sent.push(Seen::Close(None));
        let bytes = std::mem::take(&mut client.get_mut().output);
        let seen = feed(
            &mut Decoder::new(200_000),
            &bytes,
            &[rng.random_range(1..5000)],
        );
        assert_eq!(seen, sent, "seed {seed}");
    }
}

#[test]
fn a_tungstenite_client_decodes_server_frames() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut bytes = BytesMut::new();
        let mut sent = Vec::new();
        for _ in 0..10 {
            let text = random_text(&mut rng);
            match rng.random_range(0..5) {
                0 => {
                    bytes.extend_from_slice(&frame::binary(text.as_bytes()));
                    sent.push(Seen::Binary(text.into_bytes()));
                }
                1 => {
                    bytes.extend_from_slice(&frame::ping(b"hello"));
                    sent.push(Seen::Ping(b"hello".to_vec()));
                }
                2 => {
                    bytes.extend_from_slice(&frame::pong(b"hello"));
                    sent.push(Seen::Pong);
                }
                _ => {
                    frame::put_frame(&mut bytes, Opcode::Text, text.as_bytes());
                    sent.push(Seen::Text(text.into_bytes()));
                }
            }
        }
        bytes.extend_from_slice(&frame::close(4009, "replaced"));
        sent.push(Seen::Close(Some(4009)));
        let limit = rng.random_range(1..5000);
        let config = WebSocketConfig::default();
        let mut client = WebSocket::from_raw_socket(
            Pipe::new(bytes.to_vec(), limit),
            Role::Client,
            Some(config),
        );
        assert_eq!(events_of(&mut client), (sent, false), "seed {seed}");
    }
}
