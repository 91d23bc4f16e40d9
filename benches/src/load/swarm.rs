//! The generator's loop: one thread, one epoll, one buffer.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use super::clock::now_ns;
use super::control::Control;
use super::crowd::Crowd;
use super::job::{Command, Job, Reading, Reply};
use super::socket::Wire;
use super::timer::Timer;

const CONTROL: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// Another address for every so many: once half of an address's ports are taken, the kernel looks at all of them for each
/// `bind`, and 15,000 connections from one address stall for seconds.
pub const PER_SOURCE: usize = 10_000;
/// Connects that begin in one turn: who is connected waits for its request meanwhile, and the server does not for ever.
const CONNECTS: usize = 64;
/// What is read at a time.
const BUFFER: usize = 256 * 1024;
/// How often slow readers read, and progress is told.
const TICK_NS: u64 = 50_000_000;
/// How long one may take to get in before it is tried again.
const ENTRY_NS: u64 = 20_000_000_000;

/// Runs until stdin ends.
pub(super) fn run() -> io::Result<()> {
    let mut control = Control::default();
    let job = control.job()?;
    if let Some(core) = job.core {
        crate::host::pin::this_thread(&[core])?;
    }
    job.priority.take()?;
    grandstand_common::process::sys::raise_open_files();
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
        buffer: vec![0; BUFFER],
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
    /// Who has no connection and wants one.
    waiting: VecDeque<u32>,
    /// Who failed, and tries again at the next tick.
    later: Vec<u32>,
    /// Who is on the way in, and since when.
    entering: VecDeque<(u32, u64)>,
    /// How many were in when that was told last.
    told: Option<u32>,
    tick_ns: u64,
    buffer: Vec<u8>,
    out: Vec<u8>,
    poll: Poll,
    timer: Timer,
    control: Control,
}

impl Swarm {
    fn drive(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut timeout = Some(Duration::ZERO);
        loop {
            match self.poll.poll(&mut events, timeout) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    CONTROL => {
                        let Some(commands) = self.control.commands()? else {
                            return Ok(());
                        };
                        for command in commands {
                            self.command(command)?;
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
            timeout = Some(match more {
                true => Duration::ZERO,
                false => Duration::from_millis(50),
            });
        }
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
            let connected = match wire.connected {
                true => Ok(true),
                false => wire.poll_connected(),
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

    /// Reads until nothing is there, or so many bytes.
    fn read(&mut self, client: usize, limit: usize) {
        let mut left = limit;
        while left > 0 {
            let Some(wire) = &mut self.wires[client] else {
                return;
            };
            let size = left.min(self.buffer.len());
            let read = wire.read(&mut self.buffer[..size]);
            let (len, more) = match read {
                Ok(read) => read,
                Err(e) => return self.retry(client, &e.to_string()),
            };
            if len == 0 {
                return;
            }
            let now = now_ns();
            let was_live = self.crowd.is_live(client);
            let handled = self
                .crowd
                .handle_bytes(client, &self.buffer[..len], now, &mut self.out);
            if handled.is_err() {
                self.out.clear();
                return self.lose(client);
            }
            self.send(client);
            if !more
                || (!was_live && self.crowd.is_live(client) && self.job.reading != Reading::All)
            {
                return;
            }
            left -= len;
        }
    }

    /// Sends what is in `out`.
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

    /// Begins connects that may begin; whether more may than one turn has time for.
    fn open(&mut self, now: u64) -> bool {
        while let Some(&(client, since)) = self.entering.front() {
            let client = client as usize;
            let wire = self.wires[client].as_ref();
            let enters =
                wire.is_some_and(|wire| wire.since_ns == since) && !self.crowd.is_live(client);
            if enters && now < since + ENTRY_NS {
                break;
            }
            self.entering.pop_front();
            if enters {
                self.retry(client, "it was not let in within 20 s");
            }
        }
        // Those behind the first may be in already, so what counts is who is in or waits.
        for _ in 0..CONNECTS {
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
        let wire = Wire::connect(target, self.source(client), self.job.receive_buffer);
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

    fn source(&self, client: usize) -> Option<Ipv4Addr> {
        let range = (client / PER_SOURCE) as u8;
        (self.job.source > 1).then(|| Ipv4Addr::new(127, 0, range, self.job.source))
    }

    fn retry(&mut self, client: usize, why: &str) {
        self.crowd.handle_retry(why);
        self.lose(client);
    }

    fn lose(&mut self, client: usize) {
        // Closing a socket takes it out of epoll.
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
