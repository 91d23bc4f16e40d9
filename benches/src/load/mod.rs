//! The load generator: a process of its own with one thread, which speaks with thousands of connections over one epoll and
//! one buffer. It is told what to do by lines on stdin, and answers with lines on stdout.

pub mod clock;

pub mod job;

pub mod dialect;

mod handshake;

mod frame;

mod message;

mod stamp;

mod schedule;

mod crowd;

pub mod tally;

mod socket;

mod timer;

mod control;

pub mod swarm;

pub mod remote;

/// The generator's process: what `grandstand bench load` runs, which is started by the scenarios and by nobody else.
///
/// # Errors
/// If it has no job, or the system gives it no sockets.
pub fn run() -> std::io::Result<()> {
    swarm::run()
}
