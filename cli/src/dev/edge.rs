//! The edge on a thread with a runtime of its own, so that all tasks that it has started end with it.

use std::net::SocketAddr;
use std::sync::Arc;

use grandstand_common::exit::{Exit, ExitError as _, Failure};
use grandstand_common::process::admin::{Component, Phase};
use grandstand_edge::process::config::EdgeConfig;
use grandstand_edge::process::upgrade::Sockets;
use grandstand_edge::process::{self, Edge, EdgeError, EdgeOptions};
use grandstand_edge::shard::metrics::EdgeMetrics;
use tokio::sync::{mpsc, oneshot};

use super::settings::RECONNECT_TIMEOUT_S;

/// The edge of the process, which can be replaced.
pub(super) struct DevEdge {
    start: EdgeStart,
    addresses: Addresses,
    /// `None` while it is being replaced.
    thread: Option<EdgeThread>,
}

/// Everything that an edge needs to start.
#[derive(Clone)]
pub(super) struct EdgeStart {
    pub(super) config: EdgeConfig,
    pub(super) options: EdgeOptions,
    pub(super) component: Component,
    pub(super) metrics: Arc<EdgeMetrics>,
}

/// The addresses for clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    /// The address without TLS; if there is none, that with TLS.
    pub(super) first: SocketAddr,
    pub(super) tls: Option<SocketAddr>,
    pub(super) quic: Option<SocketAddr>,
}

/// The way in which an edge ends.
enum End {
    /// Clients are told to reconnect.
    InOrder,
    /// Clients are told to reconnect within a few seconds, because a part has failed.
    GivenUp,
    /// The edge ends as in a crash.
    AtOnce,
    /// Clients are told to reconnect to this edge, which accepts at the same sockets.
    HandedOver(mpsc::Sender<Command>),
}

/// A command to the thread of an edge.
enum Command {
    /// Gives away copies of the listening sockets.
    GiveSockets(oneshot::Sender<Sockets>),
    /// Reads packets of QUIC from sockets that another edge has read.
    TakePackets(oneshot::Sender<Result<(), EdgeError>>),
    End(End, oneshot::Sender<Result<(), EdgeError>>),
}

/// A running edge.
struct EdgeThread {
    commands: mpsc::Sender<Command>,
    ended: oneshot::Receiver<()>,
}

impl EdgeStart {
    /// Starts the edge. It is ready when this returns.
    ///
    /// # Errors
    /// If it cannot listen, or not reach the bus.
    pub(super) async fn start(mut self) -> Result<DevEdge, Failure> {
        let (thread, addresses) = self.start_thread(Sockets::default()).await?;
        let config = &mut self.config;
        config.cluster.connect_timeout_s = RECONNECT_TIMEOUT_S;
        // The ports that the system has chosen stay the same.
        if config.tls.plain {
            config.edge.listen = addresses.first;
        }
        if let Some(tls) = addresses.tls {
            config.tls.listen = tls.to_string();
        }
        if let Some(quic) = addresses.quic {
            config.quic.listen = quic.to_string();
        }
        Ok(DevEdge {
            start: self,
            addresses,
            thread: Some(thread),
        })
    }

    async fn start_thread(&self, sockets: Sockets) -> Result<(EdgeThread, Addresses), Failure> {
        let process = self.options.supervisor.clone();
        let mut start = self.clone();
        // Its parts may return once it ends, and those of the process may not.
        start.options.supervisor = process.scope("");
        let (commands, received) = mpsc::channel(1);
        let (started, starting) = oneshot::channel();
        let (running, ended) = oneshot::channel();
        let run = move || {
            run(start, sockets, started, received);
            // The receiver is gone if the process is already ending.
            running.send(()).ok();
        };
        let thread = process.thread("edge", run);
        thread.map_err(|error| internal(&error))?;
        let started = starting.await.unwrap_or(Err(EdgeError::Ended));
        let addresses = started.map_err(|error| failure(&error))?;
        Ok((EdgeThread { commands, ended }, addresses))
    }
}

impl DevEdge {
    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Ends the edge as in a crash, and starts another one at the same ports.
    ///
    /// # Errors
    /// If that fails. Then the process must end.
    pub(super) async fn restart(&mut self) -> Result<(), Failure> {
        if let Some(thread) = self.thread.take() {
            thread.end(End::AtOnce).await?;
        }
        let starting = Phase::Starting("taking the place of an edge".into());
        self.start.component.set(starting);
        let (thread, _) = self.start.start_thread(Sockets::default()).await?;
        self.thread = Some(thread);
        Ok(())
    }

    /// Starts another edge that accepts at the same sockets, then ends this one in order.
    ///
    /// # Errors
    /// If that fails. Then the process must end.
    pub(super) async fn drain(&mut self) -> Result<(), Failure> {
        let Some(thread) = &self.thread else {
            return Ok(());
        };
        let sockets = thread.ask(Command::GiveSockets).await?;
        let (next, _) = self.start.start_thread(sockets).await?;
        let commands = next.commands.clone();
        match self.thread.replace(next) {
            Some(former) => former.end(End::HandedOver(commands)).await,
            None => Ok(()),
        }
    }

    /// Ends the edge in order, or quickly because a part `has_failed`.
    pub(super) async fn end(self, has_failed: bool) {
        let end = if has_failed {
            End::GivenUp
        } else {
            End::InOrder
        };
        if let Some(thread) = self.thread {
            // The process ends anyway.
            thread.end(end).await.ok();
        }
    }
}

impl EdgeThread {
    /// Gives a command, and waits for its answer.
    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok();
        answer.await.map_err(|_| internal(&"its thread has ended"))
    }

    /// Ends the edge, and waits until its tasks have ended.
    async fn end(self, end: End) -> Result<(), Failure> {
        let ended = self.ask(|reply| Command::End(end, reply)).await?;
        ended.map_err(|error| failure(&error))?;
        // A thread that has panicked is a failure of the process.
        self.ended.await.ok();
        Ok(())
    }
}

/// The thread of an edge.
fn run(
    start: EdgeStart,
    mut sockets: Sockets,
    started: oneshot::Sender<Result<Addresses, EdgeError>>,
    mut commands: mpsc::Receiver<Command>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            started.send(Err(error.into())).ok();
            return;
        }
    };
    runtime.block_on(async {
        let EdgeStart {
            config,
            options,
            component,
            metrics,
        } = start;
        let edge = process::start(&config, options, &mut sockets, &component, &metrics).await;
        match edge {
            Ok(edge) => {
                let addresses = Addresses {
                    first: edge.address(),
                    tls: edge.tls_address(),
                    quic: edge.quic_address(),
                };
                started.send(Ok(addresses)).ok();
                drive(edge, &mut commands).await;
            }
            Err(error) => {
                started.send(Err(error)).ok();
            }
        }
    });
}

/// Runs an edge to its end.
async fn drive(mut edge: Edge, commands: &mut mpsc::Receiver<Command>) {
    let (end, reply) = loop {
        match commands.recv().await {
            Some(Command::GiveSockets(reply)) => {
                reply.send(edge.take_sockets()).ok();
            }
            Some(Command::TakePackets(reply)) => {
                reply.send(edge.take_packets()).ok();
            }
            Some(Command::End(end, reply)) => break (end, Some(reply)),
            // The process ends.
            None => break (End::GivenUp, None),
        }
    };
    let mut ended = Ok(());
    match end {
        End::InOrder => edge.end().await,
        End::GivenUp => edge.give_up().await,
        End::AtOnce => edge.end_at_once().await,
        End::HandedOver(next) => ended = edge.hand_over_to(take_packets(next)).await,
    }
    if let Some(reply) = reply {
        reply.send(ended).ok();
    }
}

/// Tells the next edge to read packets of QUIC.
async fn take_packets(next: mpsc::Sender<Command>) -> Result<(), EdgeError> {
    let (reply, taken) = oneshot::channel();
    next.send(Command::TakePackets(reply)).await.ok();
    taken.await.unwrap_or(Err(EdgeError::Ended))
}

fn failure(error: &EdgeError) -> Failure {
    let flag = match error {
        EdgeError::Listen(_) => "--listen: ",
        EdgeError::Quic(_) => "quic.listen: ",
        _ => "",
    };
    Failure::new(error.exit(), format!("{flag}{error}"))
}

fn internal(error: &impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Internal, format!("edge: {error}"))
}
