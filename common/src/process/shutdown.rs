//! Signals that ask a process to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals TERM and INT. No signal is lost between two calls of [`next`](Self::next).
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// HUP, in a process that ends at it.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Installs the handlers. From then on the signals do not end the process by themselves.
    ///
    /// # Errors
    /// If the system refuses a handler.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: None,
        })
    }

    /// Adds HUP, which a closed terminal sends, for a process that has no configuration to read again. A process that was
    /// started to outlive its terminal (`nohup`) ignores it further on.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub fn end_at_hang_up(&mut self) -> io::Result<()> {
        if !ignores_hang_up() {
            self.hang_up = Some(signal(SignalKind::hangup())?);
        }
        Ok(())
    }

    /// Waits for the next signal and returns its name.
    pub async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "TERM",
            _ = self.interrupt.recv() => "INT",
            _ = hang_up => "HUP",
        }
    }
}

/// Whether the process was started with HUP ignored (`SigIgn` in proc_pid_status(5)).
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = SignalKind::hangup().as_raw_value() - 1;
    ignored.is_some_and(|mask| mask >> bit & 1 == 1)
}
