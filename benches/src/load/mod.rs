//! The load generator: a process with one thread that drives thousands of connections with one epoll instance and one
//! buffer, with or without TLS. It reads commands from stdin and writes replies to stdout.

pub mod clock;

pub mod job;

pub mod dialect;

mod handshake;

mod frame;

mod message;

mod timestamp;

mod schedule;

mod crowd;

pub mod tally;

mod tls;

mod socket;

mod timer;

mod control;

pub mod swarm;

pub mod remote;

/// Runs a generator's process. This is `grandstand bench load`, which only scenarios start.
///
/// # Errors
/// If it gets no job, or the system refuses sockets.
pub fn run() -> std::io::Result<()> {
    swarm::run()
}
