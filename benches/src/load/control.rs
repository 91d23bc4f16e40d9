//! The generator's stdin and stdout. Reading never blocks the loop after the first line.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::job::{Command, Job, Reply};

/// Reads commands and writes replies as lines.
#[derive(Debug, Default)]
pub(super) struct Control {
    read: Vec<u8>,
}

impl Control {
    /// Waits for the job, the first line.
    pub(super) fn job(&mut self) -> io::Result<Job> {
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        serde_json::from_str(&line).map_err(io::Error::other)
    }

    /// Registers stdin, so that commands wake the loop.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let stdin = io::stdin();
        fcntl_setfl(&stdin, fcntl_getfl(&stdin)? | OFlags::NONBLOCK)?;
        registry.register(&mut SourceFd(&stdin.as_raw_fd()), token, Interest::READABLE)
    }

    /// Returns the commands that came; `None` when stdin has ended.
    pub(super) fn commands(&mut self) -> io::Result<Option<Vec<Command>>> {
        let mut ended = false;
        let mut buffer = [0; 4096];
        loop {
            match io::stdin().lock().read(&mut buffer) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(len) => self.read.extend_from_slice(&buffer[..len]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let mut commands = Vec::new();
        while let Some(end) = memchr::memchr(b'\n', &self.read) {
            let line: Vec<u8> = self.read.drain(..=end).collect();
            commands.push(serde_json::from_slice(&line).map_err(io::Error::other)?);
        }
        Ok((!ended).then_some(commands))
    }

    /// Writes a reply.
    pub(super) fn reply(&self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply).map_err(io::Error::other)?;
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line)?;
        out.flush()
    }
}
