//! The generator's loop: one thread, one epoll instance, shared buffers.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use super::clock::now_ns;
use super::control::Control;
use super::crowd::Crowd;
use super::job::{Command, Job, Reading, Reply};
use super::socket::{Buffers, Received, Wire};
use super::timer::Timer;
use super::tls::TlsClients;

const CONTROL: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// Connections from one source address. Once half of an address's ports are taken, the kernel searches all of them for
/// each `bind`, and 15,000 connections from one address stall for seconds.
pub const PER_SOURCE: usize = 10_000;
/// Connects that start in one turn. More would delay the requests of connected clients until the server gives them up.
const CONNECTS_PER_TURN: usize = 64;
/// Interval of slow readers' reads and of progress replies.
const TICK_NS: u64 = 50_000_000;
/// The time after which a client that is not connected retries.
const CONNECT_TIMEOUT_NS: u64 = 20_000_000_000;

/// Runs until stdin ends.
pub(super) fn run() -> io::Result<()> {
    let mut control = Control::default();
    let job = control.job()?;
    if let Some(core) = job.core {
        crate::host::pin::this_thread(&[core])?;
    }
    job.priority.take()?;
    grandstand_common::process::sys::raise_open_files();
    let clients = job.connections as usize;
    let tls = match (&job.front, job.tls.as_deref()) {
        (Some(front), authority) => (front.tls)
            .then(|| TlsClients::of_front(&front.name, authority, clients))
            .transpose()?,
        (None, Some(certificate)) => Some(TlsClients::new(certificate, clients)?),
        (None, None) => None,
    };
    let poll = Poll::new()?;
    control.register(poll.registry(), CONTROL)?;
    let timer = Timer::new(poll.registry(), TIMER)?;
    let mut swarm = Swarm {
        wires: (0..job.connections).map(|_| None).collect(),
        waiting: (0..job.connections).collect(),
        later: Vec::new(),
        entering: VecDeque::new(),
        told: None,
        tick_ns: 0,
        buffers: Buffers::default(),
        tls,
        out: Vec::new(),
        crowd: Crowd::new(job.clone()),
        poll,
        timer,
        control,
        job,
    };
    let ended = swarm.drive();
    if let Err(error) = &ended {
        swarm.control.reply(&Reply::Failed(error.to_string()))?;
    }
    ended
}

struct Swarm {
    job: Job,
    crowd: Crowd,
    wires: Vec<Option<Wire>>,
    /// Clients that have no connection and want one.
    waiting: VecDeque<u32>,
    /// Clients that failed and retry at the next tick.
    later: Vec<u32>,
    /// Connecting clients, and since when.
    entering: VecDeque<(u32, u64)>,
    /// The number of connected clients in the last progress reply.
    told: Option<u32>,
    tick_ns: u64,
    buffers: Buffers,
    /// `None` without TLS.
    tls: Option<TlsClients>,
    out: Vec<u8>,
    poll: Poll,
    timer: Timer,
    control: Control,
}

impl Swarm {
    fn drive(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut timeout = Some(Duration::ZERO);
        // A command that was read together with the job raises no event.
        if !self.commands()? {
            return Ok(());
        }
        loop {
            match self.poll.poll(&mut events, timeout) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    CONTROL => {
                        if !self.commands()? {
                            return Ok(());
                        }
                    }
                    TIMER => {}
                    Token(client) => self.socket(client, event),
                }
            }
            let now = now_ns();
            self.send_inputs(now);
            if now >= self.tick_ns + TICK_NS {
                self.tick_ns = now;
                self.tick()?;
            }
            let more = self.open(now);
            if let Some(due) = self.crowd.next_due_ns() {
                self.timer.set(due)?;
            }
            timeout = Some(if more {
                Duration::ZERO
            } else {
                Duration::from_millis(50)
            });
        }
    }

    /// Executes the commands that came. Returns whether more may come.
    fn commands(&mut self) -> io::Result<bool> {
        let Some(commands) = self.control.commands()? else {
            return Ok(false);
        };
        for command in commands {
            self.command(command)?;
        }
        Ok(true)
    }

    fn command(&mut self, command: Command) -> io::Result<()> {
        let now = now_ns();
        self.crowd.handle_command(command, now);
        match command {
            Command::Collect => {
                let tally = Box::new(self.crowd.take_tally());
                self.control.reply(&Reply::Tally(tally))?;
            }
            Command::Pauses => {
                let pauses = self.crowd.pauses(now);
                self.control.reply(&Reply::Pauses(pauses))?;
            }
            Command::Read(reading) => {
                self.job.reading = reading;
                for client in 0..self.wires.len() {
                    self.read(client, usize::MAX);
                }
            }
            Command::AtOnce(at_once) => self.job.at_once = at_once,
            Command::Reconnect => {
                self.told = None;
                for client in 0..self.wires.len() {
                    self.lose(client);
                }
                self.waiting.extend(self.later.drain(..));
            }
            _ => {}
        }
        Ok(())
    }

    fn socket(&mut self, client: usize, event: &Event) {
        let Some(wire) = self.wires.get_mut(client).and_then(Option::as_mut) else {
            return;
        };
        if event.is_writable() {
            let connected = if wire.connected {
                Ok(true)
            } else {
                wire.poll_connected()
            };
            match connected.and_then(|connected| if connected { wire.flush() } else { Ok(()) }) {
                Ok(()) => {}
                Err(e) => return self.retry(client, &e.to_string()),
            }
        }
        if event.is_readable() && (self.job.reading == Reading::All || !self.crowd.is_live(client))
        {
            self.read(client, usize::MAX);
        }
    }

    /// Reads until nothing is left, or this many bytes.
    fn read(&mut self, client: usize, limit: usize) {
        let mut left = limit;
        while left > 0 {
            let Some(wire) = &mut self.wires[client] else {
                return;
            };
            let Received { len, more, bytes } = match wire.read(left, &mut self.buffers) {
                Ok(received) => received,
                Err(e) => return self.retry(client, &e.to_string()),
            };
            if len == 0 {
                return;
            }
            let was_live = self.crowd.is_live(client);
            if let Some(resumed) = wire.poll_handshake() {
                self.crowd.handle_handshake(resumed);
            }
            if !bytes.is_empty() {
                let now = now_ns();
                let handled = self.crowd.handle_bytes(client, bytes, now, &mut self.out);
                if handled.is_err() {
                    self.out.clear();
                    return self.lose(client);
                }
                self.send(client);
            }
            if !more
                || (!was_live && self.crowd.is_live(client) && self.job.reading != Reading::All)
            {
                return;
            }
            left -= len;
        }
    }

    /// Sends the contents of `out`.
    fn send(&mut self, client: usize) {
        if self.out.is_empty() {
            return;
        }
        let sent = match &mut self.wires[client] {
            Some(wire) => wire.send(&self.out),
            None => Ok(()),
        };
        self.out.clear();
        if let Err(e) = sent {
            self.retry(client, &e.to_string());
        }
    }

    fn send_inputs(&mut self, now: u64) {
        while let Some(input) = self.crowd.poll_input(now, &mut self.out) {
            let Some(client) = input else {
                continue;
            };
            if self.wires[client].as_ref().is_some_and(Wire::has_room) {
                self.send(client);
            } else {
                self.out.clear();
                self.crowd.handle_unsent();
            }
        }
    }

    /// Starts as many connects as allowed. Returns whether more could start than one turn has time for.
    fn open(&mut self, now: u64) -> bool {
        while let Some(&(client, since)) = self.entering.front() {
            let client = client as usize;
            let wire = self.wires[client].as_ref();
            let enters =
                wire.is_some_and(|wire| wire.since_ns == since) && !self.crowd.is_live(client);
            if enters && now < since + CONNECT_TIMEOUT_NS {
                break;
            }
            self.entering.pop_front();
            if enters {
                self.retry(client, "a client did not connect within 20 s");
            }
        }
        // Clients may become connected in any order, so the count matters, not the position in the queue.
        for _ in 0..CONNECTS_PER_TURN {
            if self.entering() >= self.job.at_once {
                return false;
            }
            let Some(client) = self.waiting.pop_front() else {
                return false;
            };
            self.entering.push_back((client, now));
            if let Err(e) = self.connect(client as usize, now) {
                self.retry(client as usize, &e.to_string());
                return false;
            }
        }
        true
    }

    fn entering(&self) -> u32 {
        let out = self.waiting.len() + self.later.len();
        self.job.connections - self.crowd.live() - out as u32
    }

    fn connect(&mut self, client: usize, now: u64) -> io::Result<()> {
        let target = self.job.targets[client % self.job.targets.len()];
        self.crowd.handle_connect(client, now, &mut self.out);
        let wire = self.wire(client, target);
        let mut wire = wire.inspect_err(|_| self.out.clear())?;
        wire.since_ns = now;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut wire.stream, Token(client), interest)?;
        self.wires[client] = Some(wire);
        self.send(client);
        Ok(())
    }

    fn wire(&self, client: usize, target: SocketAddr) -> io::Result<Wire> {
        let mut wire = Wire::connect(target, self.source(client), self.job.receive_buffer)?;
        if let Some(tls) = &self.tls {
            wire.secure(tls.connect(client)?)?;
        }
        Ok(wire)
    }

    fn source(&self, client: usize) -> Option<Ipv4Addr> {
        let range = (client / PER_SOURCE) as u8;
        (self.job.source > 1).then(|| Ipv4Addr::new(127, 0, range, self.job.source))
    }

    fn retry(&mut self, client: usize, why: &str) {
        self.crowd.handle_retry(why);
        self.lose(client);
    }

    fn lose(&mut self, client: usize) {
        // Closing a socket removes it from epoll.
        let had = self.wires[client].take().is_some();
        if had || !self.crowd.is_out(client) {
            self.crowd.handle_lost(client);
            self.later.push(client as u32);
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        if let Reading::Slowly(per_second) = self.job.reading {
            let bytes = u64::from(per_second) * TICK_NS / 1_000_000_000;
            for client in 0..self.wires.len() {
                if self.crowd.is_live(client) {
                    self.read(client, bytes.max(1) as usize);
                }
            }
        }
        self.waiting.extend(self.later.drain(..));
        if self.told != Some(self.crowd.live()) {
            self.told = Some(self.crowd.live());
            self.control.reply(&Reply::Connected(self.crowd.live()))?;
        }
        Ok(())
    }
}
