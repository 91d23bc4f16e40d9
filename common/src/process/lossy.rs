//! Writes lines to a stream that may block or fail, without ever waiting for it (D28).
//!
//! A thread writes them. The queue in front of it is bounded in bytes. Lines that do not fit, and lines that the stream
//! refuses, are dropped and counted. `tracing-appender` has a similar writer, but it bounds lines instead of bytes, does
//! not count the lines that the stream refuses, and prints to standard output when it ends.

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

// Held for a copy of one line, or to take the queue.
use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::supervisor::Supervisor;

/// The most bytes that wait for the stream.
const MAX_BYTES: usize = 1 << 20;

/// The pause before the thread tries a non-blocking stream again that accepts nothing.
const RETRY: Duration = Duration::from_millis(10);

/// A handle to the stream. Clones write to the same queue. Each write must be whole lines.
#[derive(Debug, Clone)]
pub struct LossyWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the thread.
    filled: Condvar,
    /// Wakes [`LossyWriter::finish`].
    emptied: Condvar,
    dropped: Dropped,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Whether the thread is writing bytes that it has taken.
    writing: bool,
}

/// The label of a counter.
type Reason = [(&'static str, &'static str); 1];

/// Lines that were dropped.
#[derive(Debug)]
struct Dropped {
    family: Family<Reason, Counter>,
    /// The queue was full: the reader is too slow, or has stopped reading.
    full: Counter,
    /// The stream refused the line: a full disk, or a pipe without a reader.
    refused: Counter,
}

impl Default for Dropped {
    fn default() -> Self {
        let family = Family::<Reason, Counter>::default();
        let counter = |reason| Counter::clone(&family.get_or_create(&[("reason", reason)]));
        Self {
            full: counter("full"),
            refused: counter("refused"),
            family,
        }
    }
}

/// The counter of dropped lines of no stream.
pub(super) fn no_lines() -> Family<Reason, Counter> {
    Dropped::default().family
}

impl Dropped {
    fn total(&self) -> u64 {
        self.full.get() + self.refused.get()
    }
}

impl LossyWriter {
    /// Starts the thread that writes to `stream`.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(
        name: &str,
        stream: impl Write + Send + 'static,
        supervisor: &Supervisor,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            dropped: Dropped::default(),
        });
        let for_thread = Arc::clone(&shared);
        supervisor.thread(name, move || for_thread.drive(stream))?;
        Ok(Self(shared))
    }

    /// Registers the counter of dropped lines, `grandstand_{name}_total{reason}`.
    pub fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.0.dropped.family.clone());
    }

    /// The number of dropped lines.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.total()
    }

    /// Waits until everything is written, at most for `within`.
    pub fn finish(&self, within: Duration) {
        let mut queue = self.0.queue.lock();
        let is_busy = |queue: &mut Queue| queue.writing || !queue.bytes.is_empty();
        self.0.emptied.wait_while_for(&mut queue, is_busy, within);
    }
}

/// Never fails and never waits.
impl Write for LossyWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.queue.lock();
        if queue.bytes.len() + lines.len() > MAX_BYTES {
            self.0.dropped.full.inc_by(count(lines));
            return Ok(lines.len());
        }
        queue.bytes.extend_from_slice(lines);
        if !queue.writing {
            self.0.filled.notify_one();
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    /// Writes the queue to the stream, forever.
    fn drive(&self, mut stream: impl Write) {
        let mut bytes = Vec::new();
        let mut told = 0;
        loop {
            {
                let mut queue = self.queue.lock();
                queue.writing = false;
                if queue.bytes.is_empty() {
                    self.emptied.notify_all();
                    let is_idle = |queue: &mut Queue| queue.bytes.is_empty();
                    self.filled.wait_while(&mut queue, is_idle);
                }
                std::mem::swap(&mut queue.bytes, &mut bytes);
                queue.writing = true;
            }
            let refused = self.write_all(&mut stream, &bytes);
            self.dropped.refused.inc_by(refused);
            bytes.clear();
            let dropped = self.dropped.total();
            // The warning may fill the queue again, but only once per gap.
            if refused == 0 && dropped > told {
                tracing::warn!(
                    lines = dropped - told,
                    "lines of the log were dropped, because its reader was too slow or refused them"
                );
                told = dropped;
            }
        }
    }

    /// Writes whole lines. Returns the number of lines that the stream refused.
    fn write_all(&self, stream: &mut impl Write, mut bytes: &[u8]) -> u64 {
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(0) => return count(bytes),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Another process has made the stream non-blocking. Only this thread waits.
                    let mut queue = self.queue.lock();
                    self.filled.wait_for(&mut queue, RETRY);
                }
                Err(_) => return count(bytes),
            }
        }
        // Standard streams are not buffered, so there is nothing to flush.
        0
    }
}

/// The number of lines.
fn count(lines: &[u8]) -> u64 {
    let ends = lines.iter().filter(|byte| **byte == b'\n').count();
    (ends as u64).max(1)
}
