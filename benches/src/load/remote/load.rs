//! The processes of one load.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::Instant;

use super::last_change::LastChange;
use crate::error::BenchError;
use crate::host::proc::Usage;
use crate::load::clock::now_ns;
use crate::load::job::{Command, Job, Pauses, Reply};
use crate::load::tally::Tally;
use crate::progress::Progress;

/// The maximum number of connections of one process, below its limit of open files.
const PER_PROCESS: u32 = 19_000;
/// A load fails if no client connects for this long, or a process does not answer for as long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The processes of one load.
#[derive(Debug)]
pub struct Load {
    pub(super) generators: Vec<Generator>,
    pub(super) wanted: u32,
}

#[derive(Debug)]
pub(super) struct Generator {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    live: u32,
}

impl Load {
    /// Starts as many processes as the limit of open files requires. If there are several, each has its own rooms'
    /// players, or all are in one room.
    ///
    /// # Errors
    /// If they cannot be started.
    pub async fn start(job: &Job) -> Result<Self, BenchError> {
        let mut generators = Vec::new();
        for part in parts(job, per_process()) {
            generators.push(Generator::start(&part).await?);
        }
        Ok(Self {
            generators,
            wanted: job.connections,
        })
    }

    /// Starts the clients and waits until all of them are connected.
    ///
    /// # Errors
    /// If they cannot be started or do not connect.
    pub async fn connect_all(job: &Job, progress: &mut Progress) -> Result<Self, BenchError> {
        let mut load = Self::start(job).await?;
        load.wait_connected(progress).await?;
        Ok(load)
    }

    /// Waits until all clients are connected. Returns the seconds that it took.
    ///
    /// # Errors
    /// If they do not connect.
    pub async fn wait_connected(&mut self, progress: &mut Progress) -> Result<f64, BenchError> {
        let start = now_ns();
        let mut seen = LastChange::of(0);
        loop {
            let live = self.live();
            if live == self.wanted {
                return Ok((now_ns() - start) as f64 / 1e9);
            }
            if seen.update(live) {
                let done = f64::from(live) / f64::from(self.wanted);
                progress.step(done, &format!("{live} of {} connected", self.wanted));
            }
            if seen.age() > TIMEOUT {
                return Err(BenchError::NotConnected {
                    live,
                    wanted: self.wanted,
                    seconds: TIMEOUT.as_secs(),
                    error: self.collect().await?.error,
                });
            }
            for generator in &mut self.generators {
                let wait = Duration::from_millis(20);
                if let Ok(reply) = tokio::time::timeout(wait, generator.reply()).await {
                    reply?;
                }
            }
        }
    }

    /// Sends a command to all processes.
    ///
    /// # Errors
    /// If one has ended.
    pub async fn tell(&mut self, command: Command) -> Result<(), BenchError> {
        for generator in &mut self.generators {
            if command == Command::Reconnect {
                generator.live = 0;
            }
            generator.tell(command).await?;
        }
        Ok(())
    }

    /// Collects the counts since the last call.
    ///
    /// # Errors
    /// If one has ended.
    pub async fn collect(&mut self) -> Result<Tally, BenchError> {
        self.tell(Command::Collect).await?;
        let mut sum = Tally::default();
        for generator in &mut self.generators {
            match generator.answer().await? {
                Reply::Tally(tally) => sum.add(&tally),
                _ => return Err(BenchError::UnexpectedReply),
            }
        }
        Ok(sum)
    }

    /// Collects the rooms' pauses since [`Command::Watch`].
    ///
    /// # Errors
    /// If one has ended.
    pub async fn pauses(&mut self) -> Result<Pauses, BenchError> {
        self.tell(Command::Pauses).await?;
        let mut sum = Pauses::default();
        for generator in &mut self.generators {
            match generator.answer().await? {
                Reply::Pauses(pauses) => {
                    sum.waiting += pauses.waiting;
                    sum.moved.extend(pauses.moved);
                    sum.stayed.extend(pauses.stayed);
                }
                _ => return Err(BenchError::UnexpectedReply),
            }
        }
        Ok(sum)
    }

    /// The number of connected clients in the latest replies.
    pub fn live(&self) -> u32 {
        self.generators.iter().map(|generator| generator.live).sum()
    }

    /// The usage of the processes.
    ///
    /// # Errors
    /// If one has ended.
    pub fn usage(&self) -> Result<Usage, BenchError> {
        Usage::read_all(&self.pids()).map_err(BenchError::Proc)
    }

    /// The process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.generators
            .iter()
            .filter_map(|generator| generator.child.id())
            .collect()
    }
}

impl Generator {
    async fn start(job: &Job) -> Result<Self, BenchError> {
        let own = std::env::current_exe().map_err(BenchError::Load)?;
        let mut child = tokio::process::Command::new(own)
            .args(["bench", "load"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(BenchError::Load)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BenchError::UnexpectedReply);
        };
        let mut generator = Self {
            child,
            stdin,
            stdout: BufReader::new(stdout).lines(),
            live: 0,
        };
        generator.line(job).await?;
        Ok(generator)
    }

    async fn tell(&mut self, command: Command) -> Result<(), BenchError> {
        self.line(&command).await
    }

    async fn line(&mut self, what: &impl serde::Serialize) -> Result<(), BenchError> {
        let mut line = serde_json::to_vec(what).map_err(|e| BenchError::Load(e.into()))?;
        line.push(b'\n');
        self.stdin.write_all(&line).await.map_err(BenchError::Load)
    }

    /// The next reply of any kind. Cancellation loses nothing.
    pub(super) async fn reply(&mut self) -> Result<Reply, BenchError> {
        let line = self.stdout.next_line().await.map_err(BenchError::Load)?;
        let Some(line) = line else {
            return Err(BenchError::Load(std::io::ErrorKind::UnexpectedEof.into()));
        };
        let reply = serde_json::from_str(&line).map_err(|e| BenchError::Load(e.into()))?;
        match reply {
            Reply::Failed(error) => return Err(BenchError::Failed(error)),
            Reply::Connected(live) => self.live = live,
            _ => {}
        }
        Ok(reply)
    }

    /// The next reply to a request.
    async fn answer(&mut self) -> Result<Reply, BenchError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match tokio::time::timeout_at(deadline, self.reply()).await {
                Ok(Ok(Reply::Connected(_))) => {}
                Ok(answer) => return answer,
                Err(_) => {
                    return Err(BenchError::Timeout {
                        state: "a load generator has not answered".to_owned(),
                        seconds: TIMEOUT.as_secs(),
                    });
                }
            }
        }
    }
}

fn per_process() -> u32 {
    let files = grandstand_common::process::sys::raise_open_files();
    u32::try_from(files.saturating_sub(200))
        .map_or(PER_PROCESS, |files| files.clamp(1, PER_PROCESS))
}

/// Splits a job into parts of at most `limit` connections: whole rooms, or all in the same room.
fn parts(job: &Job, limit: u32) -> Vec<Job> {
    let processes = job.connections.div_ceil(limit).max(1);
    let size = job.connections.div_ceil(processes);
    let mut parts = Vec::new();
    let mut first = 0;
    while first < job.connections {
        let mut part = job.clone();
        part.connections = size.min(job.connections - first);
        part.rooms.each = part.rooms.each.min(part.connections);
        part.first_player += first;
        part.at_once = (job.at_once / processes).max(1);
        part.source = job.source.wrapping_add(parts.len() as u8);
        first += part.connections;
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::priority::Priority;
    use crate::load::dialect::Dialect;
    use crate::load::job::{LoadRole, Reading, Rooms};

    #[test]
    fn a_job_is_split_by_the_limit_of_open_files() {
        let job = Job {
            targets: Vec::new(),
            tls: None,
            front: None,
            source: 2,
            dialect: Dialect::Grandstand,
            secret: String::new(),
            role: LoadRole::Spectator,
            rooms: Rooms {
                prefix: "relay-x-".to_owned(),
                each: 50,
                per_connection: 1,
            },
            connections: 50,
            first_player: 100,
            at_once: 30,
            idle_ms: 0,
            waits: false,
            size: 0,
            controls: false,
            reading: Reading::All,
            receive_buffer: 0,
            core: None,
            priority: Priority::default(),
        };
        let parts = parts(&job, 20);
        let sizes: Vec<_> = parts
            .iter()
            .map(|part| (part.first_player, part.connections))
            .collect();
        assert_eq!(sizes, [(100, 17), (117, 17), (134, 16)]);
        assert!(
            parts
                .iter()
                .all(|part| part.rooms.count(part.connections) == 1)
        );
        assert_eq!(parts[2].source, 4);
        assert_eq!(super::parts(&job, 50), [job]);
    }
}
