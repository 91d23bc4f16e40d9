//! The end of an edge: in order, or at once at a second signal.

use std::time::Duration;

use grandstand_common::exit::Failure;
use grandstand_common::process::Frame;
use grandstand_common::process::admin::Admin;
use grandstand_common::process::shutdown::Signals;
use grandstand_common::supervisor::{PartEnded, Supervisor};
use tokio::net::UnixStream;

use crate::process::Edge;
use crate::process::upgrade::Successor;

/// The reason why an edge ends.
pub(super) enum Event {
    /// A part of it has failed.
    Failed(PartEnded),
    /// A signal asks it to.
    Signal(&'static str),
    /// A new process has taken over.
    Replaced(Successor),
}

/// Ends the edge. It still accepts clients for `wait` if a signal asks it to end.
pub(super) async fn drive(
    event: Event,
    edge: Edge,
    wait: Duration,
    admin: &mut Admin,
    frame: &mut Frame,
) -> Result<(), Failure> {
    match event {
        Event::Failed(ended) => {
            end(edge.give_up(), &mut frame.signals, &frame.supervisor).await;
            Err(ended.into())
        }
        Event::Signal(signal) => {
            tracing::info!(signal, "ending; a second signal ends the process at once");
            end_after(edge, wait, frame).await
        }
        Event::Replaced(successor) => end_replaced(edge, admin, successor, frame).await,
    }
}

/// Waits for an end in order. A signal ends the process at once.
async fn end(ending: impl Future<Output = ()>, signals: &mut Signals, supervisor: &Supervisor) {
    // Parts whose edge is dropped end, and must not be taken for failed.
    tokio::pin!(ending);
    tokio::select! {
        () = &mut ending => {}
        signal = signals.next() => end_at_once(signal, supervisor),
    }
}

/// Ends the edge in order, after `wait`, during which it still accepts clients. A part that fails shortens that.
async fn end_after(edge: Edge, wait: Duration, frame: &mut Frame) -> Result<(), Failure> {
    let ending = async {
        tokio::select! {
            () = tokio::time::sleep(wait) => edge.end().await,
            _ = frame.failures.first() => edge.give_up().await,
        }
    };
    end(ending, &mut frame.signals, &frame.supervisor).await;
    frame.result()
}

/// Ends the edge in order while another process accepts. The second signal ends the process at once.
async fn end_replaced(
    edge: Edge,
    admin: &mut Admin,
    successor: Successor,
    frame: &mut Frame,
) -> Result<(), Failure> {
    let signals = &mut frame.signals;
    // The new process answers at the admin port, also for this one.
    let answer = |by: UnixStream| match by.into_std() {
        Ok(by) => admin.hand_over(by),
        Err(error) => {
            tracing::warn!(%error, "the next process cannot read the metrics of this one");
        }
    };
    let twice = async {
        let signal = signals.next().await;
        tracing::info!(
            signal,
            "ending already; a second signal ends the process at once"
        );
        signals.next().await
    };
    tokio::select! {
        () = edge.hand_over(successor, answer) => {}
        signal = twice => end_at_once(signal, &frame.supervisor),
    }
    frame.result()
}

/// Notes that the parts of the process end because it ends.
fn end_at_once(signal: &'static str, supervisor: &Supervisor) {
    tracing::warn!(signal, "ending at once");
    supervisor.stand_down();
}
