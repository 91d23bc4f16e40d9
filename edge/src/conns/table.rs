//! The connections themselves, and what is done to one of them.

use std::io;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use slab::Slab;
use tokio::net::TcpStream;

use super::Phase;
use crate::outbox::Outbox;
use crate::session::frame;
use crate::sink::{ConnKey, Sent};
use crate::wheel::Wheel;

/// How long a connection may take to close.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// An empty ping.
const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) socket: TcpStream,
    /// Only while the socket is blocked.
    pub(super) outbox: Option<Box<Outbox>>,
    pub(super) waker: Option<Waker>,
    /// When something was last heard of it, or a blocked socket took something.
    alive: Instant,
    /// A ping is out since then.
    pinged: bool,
    /// When its entry in the wheel that counts comes out.
    armed: Instant,
    /// The outbox's cap.
    cap: u32,
    pub(super) phase: Phase,
    pub(super) paused: bool,
}

impl Conn {
    /// Something was heard of it.
    pub(super) fn on_alive(&mut self, now: Instant) {
        self.alive = now;
        self.pinged = false;
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Queues what the socket did not take, and has the task wait for it to take more.
    fn queue_rest(&mut self, frames: &Bytes, written: usize, control: bool) {
        let mut outbox = Box::new(Outbox::new(self.cap as usize));
        outbox.push_rest(frames.clone(), written, control);
        self.outbox = Some(outbox);
        self.wake();
    }

    /// Writes or queues without regard to the cap, as the last.
    fn send_last(&mut self, frame: &Bytes) {
        if let Some(outbox) = &mut self.outbox {
            outbox.push_last(frame.clone());
            return;
        }
        match write(&self.socket, frame) {
            Ok(count) if count == frame.len() => {}
            Ok(count) => self.queue_rest(frame, count, true),
            Err(_) => self.phase = Phase::Dead,
        }
    }
}

/// How many bytes the socket takes now.
fn write(socket: &TcpStream, frames: &[u8]) -> io::Result<usize> {
    match socket.try_write(frames) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

#[derive(Debug)]
pub(super) struct Table {
    conns: Slab<Conn>,
    /// How often each place was taken before.
    generations: Vec<u32>,
    wheel: Wheel<ConnKey>,
    heartbeat: Duration,
}

impl Table {
    pub(super) fn new(heartbeat: Duration, now: Instant) -> Self {
        Self {
            conns: Slab::new(),
            generations: Vec::new(),
            wheel: Wheel::new(now),
            heartbeat,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.conns.len()
    }

    pub(super) fn open_keys(&self) -> Vec<ConnKey> {
        self.conns
            .iter()
            .filter(|(_, conn)| conn.phase == Phase::Open)
            .map(|(index, _)| ConnKey {
                index: index as u32,
                generation: self.generations[index],
            })
            .collect()
    }

    pub(super) fn insert(&mut self, socket: TcpStream, cap: u32, now: Instant) -> ConnKey {
        let armed = now + self.heartbeat;
        let index = self.conns.insert(Conn {
            socket,
            outbox: None,
            waker: None,
            alive: now,
            pinged: false,
            armed,
            cap,
            phase: Phase::Open,
            paused: false,
        });
        if index == self.generations.len() {
            self.generations.push(0);
        }
        let key = ConnKey {
            index: index as u32,
            generation: self.generations[index],
        };
        self.wheel.insert(armed, key);
        key
    }

    pub(super) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        let index = key.index as usize;
        if *self.generations.get(index)? != key.generation {
            return None;
        }
        self.conns.get_mut(index)
    }

    pub(super) fn remove(&mut self, key: ConnKey) {
        if self.get_mut(key).is_some() {
            let index = key.index as usize;
            self.generations[index] = self.generations[index].wrapping_add(1);
            self.conns.remove(index);
        }
    }

    pub(super) fn send(&mut self, key: ConnKey, frames: &Bytes, control: bool) -> Sent {
        let Some(conn) = self.get_mut(key) else {
            return Sent::Gone;
        };
        if conn.phase != Phase::Open {
            return Sent::Gone;
        }
        if let Some(outbox) = &mut conn.outbox {
            return if control {
                outbox.push_control(frames.clone())
            } else {
                outbox.push_data(frames.clone())
            };
        }
        match write(&conn.socket, frames) {
            Ok(count) if count == frames.len() => Sent::Written,
            Ok(count) => {
                conn.queue_rest(frames, count, control);
                Sent::Queued
            }
            Err(_) => {
                conn.phase = Phase::Dead;
                conn.wake();
                Sent::Gone
            }
        }
    }

    pub(super) fn discard_all(&mut self, key: ConnKey) {
        if let Some(outbox) = self.get_mut(key).and_then(|c| c.outbox.as_mut()) {
            outbox.discard_all();
        }
    }

    pub(super) fn close(&mut self, key: ConnKey, why: ErrorKind, now: Instant) {
        let close = frame::close(why.close_code(), why.code());
        self.end(key, &close, Phase::Closing(why), now);
    }

    /// Sends the last frame and sets the deadline for the rest; whether the connection was open.
    pub(super) fn end(&mut self, key: ConnKey, last: &Bytes, phase: Phase, now: Instant) -> bool {
        let Some(conn) = self.get_mut(key).filter(|c| c.phase == Phase::Open) else {
            return false;
        };
        conn.phase = phase;
        conn.send_last(last);
        conn.armed = now + CLOSE_GRACE;
        conn.wake();
        let armed = conn.armed;
        self.wheel.insert(armed, key);
        true
    }

    /// Looks at the connections whose time has come; returns when the next one's comes.
    pub(super) fn handle_timeouts(&mut self, now: Instant) -> Option<Instant> {
        while let Some(key) = self.wheel.poll_expired(now) {
            // What was armed anew has a later entry, which comes out in its time.
            if self.get_mut(key).is_some_and(|conn| conn.armed <= now) {
                self.on_timeout(key, now);
            }
        }
        self.wheel.next_deadline()
    }

    fn on_timeout(&mut self, key: ConnKey, now: Instant) {
        let heartbeat = self.heartbeat;
        let Some(conn) = self.get_mut(key) else {
            return;
        };
        if conn.phase != Phase::Open {
            conn.phase = Phase::Dead;
            conn.wake();
            return;
        }
        // Nothing can be heard of it while nothing is read. If it does not even take what waits for it, it is gone.
        let blocked = conn.outbox.is_some();
        if conn.paused && !blocked {
            conn.on_alive(now);
        }
        if conn.pinged {
            let why = if blocked {
                ErrorKind::TooSlow
            } else {
                ErrorKind::Timeout
            };
            self.discard_all(key);
            self.close(key, why, now);
            return;
        }
        let due = conn.alive + heartbeat;
        let silent = due <= now;
        conn.pinged = silent;
        conn.armed = if silent { now + heartbeat } else { due };
        let armed = conn.armed;
        if silent && !blocked {
            self.send(key, &PING, true);
        }
        self.wheel.insert(armed, key);
    }
}
