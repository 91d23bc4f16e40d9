//! Starts an edge: its sockets, its connection to the bus, the tasks that its shards share, and the shards.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::follow::follow;
use grandstand_common::id::{EdgeId, IdError};
use grandstand_common::process::admin::{Component, Phase};
use grandstand_common::supervisor::Supervisor;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::api::RevokeParts;
use super::config::{EdgeConfig, LimitsSection};
use super::edge::Edge;
use super::options::{BusSource, EdgeError, EdgeOptions};
use super::packets::{Packets, listen_quic};
use super::readiness::drive_readiness;
use super::reload::Replaceable;
use super::shard_end::Stop;
use super::shard_start::SharedState;
use super::shards::ShardStarter;
use super::sockets::{check, copies, listen};
use super::upgrade::Sockets;
use super::{certificates, leases, limits, liveness, lobby, tokens};
use crate::limits::SharedLimits;
use crate::server::listen::Listener;
use crate::server::proxy::SharedProxy;
use crate::server::quic::QuicListener;
use crate::server::tls::Tls;
use crate::shard::LogRefusals;
use crate::shard::bus::Leases;
use crate::shard::lobby::Lobby;
use crate::shard::metrics::EdgeMetrics;

/// Starts an edge with each shard on a thread of its own. The edge is ready when this returns. It takes its listening
/// sockets from `sockets` as far as they are there.
///
/// # Errors
/// See [`EdgeError`].
pub async fn start(
    config: &EdgeConfig,
    options: EdgeOptions,
    sockets: &mut Sockets,
    component: &Component,
    metrics: &EdgeMetrics,
) -> Result<Edge, EdgeError> {
    let tls = config.certificates()?;
    let is_first = sockets.is_empty();
    if is_first {
        // While the edge waits for NATS, clients are refused instead of waiting in a backlog.
        drop(Ports::open(config, tls.as_ref(), sockets, false)?);
    }
    check(sockets)?;
    let supervisor = options.supervisor.scope("edge");
    let bus = connect(config, &options, component, &supervisor).await?;
    metrics.bus.add(&bus);
    tokens::follow(&options.admission, &bus, component, &supervisor, metrics).await;

    let is_replaceable = options.is_replaceable;
    let ports = Ports::open(config, tls.as_ref(), sockets, is_replaceable)?;
    let addresses = ports.addresses()?;
    let copied = if is_replaceable {
        copies(&ports.listeners)?
    } else {
        Sockets::default()
    };
    let edges = edge_ids(config, ports.listeners.len())?;
    let alive = answer_probes(&bus, edges.first(), &supervisor).await?;
    let (limits_in_use, settings) = watch::channel(config.limits.clone());
    let shared = keep_shared_state(config, settings, &bus, &supervisor, metrics);
    let starter = ShardStarter {
        config,
        options: &options,
        shared: &shared,
        component,
        metrics,
    };
    let shards = starter.start(edges, ports.listeners, ports.quic).await?;
    if let Some(api) = &options.api {
        let revoke = RevokeParts {
            bus: bus.clone(),
            revocations: options.admission.verifier.revocations().clone(),
        };
        api.show(shards.askers, revoke, shared.limits.clone());
    }
    component.set(Phase::Ready);
    let readiness = drive_readiness(
        shared.dependencies(bus),
        component.clone(),
        metrics.degraded.clone(),
    );
    keep_until_stopped("readiness", readiness, shards.stop.subscribe(), &supervisor);
    let looks_every = keep_certificates(config, tls.as_ref(), &supervisor, metrics);
    let mut edge = Edge {
        address: addresses.first.unwrap_or(config.edge.listen),
        tls_address: addresses.tls,
        quic_address: ports.packets.as_ref().map(Packets::addr),
        stop: shards.stop,
        ended: shards.ended,
        drain: Duration::from_millis(config.edge.drain_ms),
        alive,
        supervisor: options.supervisor,
        limits: shared.limits,
        limits_in_use,
        sockets: copied,
        packets: ports.packets,
        reading: shards.reading,
        replaceable: Replaceable {
            admission: options.admission,
            tls,
            proxy: shared.proxy,
        },
        looks_every,
    };
    if is_first {
        edge.take_packets()?;
    }
    Ok(edge)
}

/// Reads the certificates again when their files change. Returns the sender of the time between two looks.
fn keep_certificates(
    config: &EdgeConfig,
    tls: Option<&Tls>,
    supervisor: &Supervisor,
    metrics: &EdgeMetrics,
) -> watch::Sender<Duration> {
    let (looks_every, every) = watch::channel(Duration::from_secs(config.tls.reload_s));
    if let Some(tls) = tls {
        let metrics = metrics.certificates.clone();
        let certificates = certificates::drive_certificates(tls.clone(), every, metrics);
        supervisor.keep("certificates", certificates);
    }
    looks_every
}

/// The sockets at which an edge listens.
struct Ports {
    /// The listeners of each shard.
    listeners: Vec<Vec<Listener>>,
    quic: Vec<QuicListener>,
    packets: Option<Packets>,
}

/// The addresses for clients over TCP.
#[derive(Default)]
struct Addresses {
    /// The address without TLS; if there is none, that with TLS.
    first: Option<SocketAddr>,
    tls: Option<SocketAddr>,
}

impl Ports {
    /// Opens the sockets, those in `sockets` first.
    fn open(
        config: &EdgeConfig,
        tls: Option<&Tls>,
        sockets: &mut Sockets,
        is_replaceable: bool,
    ) -> Result<Self, EdgeError> {
        let listeners = listen(config, tls, sockets)?;
        let (quic, packets) = listen_quic(config, tls, sockets, is_replaceable)?;
        Ok(Self {
            listeners,
            quic,
            packets,
        })
    }

    /// Reads the addresses from the listeners of the first shard. All shards have the same ones.
    fn addresses(&self) -> io::Result<Addresses> {
        let mut addresses = Addresses::default();
        for listener in self.listeners.first().into_iter().flatten() {
            let address = listener.socket.local_addr()?;
            addresses.first.get_or_insert(address);
            if listener.tls.is_some() {
                addresses.tls = Some(address);
            }
        }
        Ok(addresses)
    }
}

/// Connects the process to NATS, unless its shards share an embedded bus.
async fn connect(
    config: &EdgeConfig,
    options: &EdgeOptions,
    component: &Component,
    supervisor: &Supervisor,
) -> Result<Bus, EdgeError> {
    component.set(Phase::Starting("connecting to the bus".into()));
    match &options.bus {
        BusSource::Nats => {
            let name = &config.edge.name;
            let cluster = &config.cluster;
            Ok(cluster
                .start(name, BusRole::Edge, component, supervisor)
                .await?)
        }
        BusSource::Shared(bus) => Ok(bus.clone()),
    }
}

/// The ids of the shards, with the same random part.
fn edge_ids(config: &EdgeConfig, shards: usize) -> io::Result<Vec<EdgeId>> {
    let random: u32 = rand::random();
    (0..shards)
        // The configuration's validation has checked the name.
        .map(|shard| EdgeId::of_shard(&config.edge.name, shard, random))
        .collect::<Result<_, IdError>>()
        .map_err(io::Error::other)
}

/// Answers the liveness probes of workers to the process of `edge`, for as long as the returned task runs.
async fn answer_probes(
    bus: &Bus,
    edge: Option<&EdgeId>,
    supervisor: &Supervisor,
) -> Result<Option<AbortHandle>, EdgeError> {
    let Some(edge) = edge else {
        return Ok(None);
    };
    let answers = liveness::listen(bus.clone(), &edge.process()).await?;
    Ok(Some(supervisor.keep("alive", answers)))
}

/// Starts the tasks that keep the state of all shards current. `settings` has the section of limits in use.
fn keep_shared_state(
    config: &EdgeConfig,
    settings: watch::Receiver<LimitsSection>,
    bus: &Bus,
    supervisor: &Supervisor,
    metrics: &EdgeMetrics,
) -> SharedState {
    let now = Instant::now().into_std();
    let limits = SharedLimits::new(config.limits.shared(), now);
    let driven_limits =
        limits::drive_limits(limits.clone(), settings.clone(), metrics.limits.clone());
    supervisor.keep("limits", driven_limits);
    let layouts = follow(bus, supervisor);
    let (sender, leases) = watch::channel(Leases::default());
    supervisor.keep("leases", leases::drive_leases(bus.clone(), sender));
    supervisor.keep("clock", leases::drive_log_clock(bus.clone()));
    let lobby = Lobby::default();
    if config.edge.api {
        let clock = bus.log_clock().clone();
        let driven = lobby::drive_lobby(bus.clone(), lobby.clone(), clock);
        supervisor.keep("lobby", driven);
    }
    SharedState {
        lobby,
        leases,
        layouts,
        limits,
        settings,
        proxy: SharedProxy::new(config.proxy.options()),
        refusals: LogRefusals::default(),
        log_clock: bus.log_clock().clone(),
        errors: bus.errors().cloned().unwrap_or_default(),
    }
}

/// Keeps a task running until the shards are told to end.
fn keep_until_stopped(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
    mut stopped: watch::Receiver<Option<Stop>>,
    supervisor: &Supervisor,
) {
    supervisor.keep(name, async move {
        tokio::select! {
            () = task => {}
            _ = stopped.wait_for(Option::is_some) => {}
        }
    });
}
