//! Starts an edge with its admin port, in the place of the process that runs if there is one.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use grandstand_common::exit::{Exit, ExitError as _, Failure};
use grandstand_common::process::admin::{Admin, ApiAccess, Component, Status};
use grandstand_common::process::metrics::{Build, registry};
use grandstand_common::process::reload::Reloads;
use grandstand_common::process::telemetry::Log;
use grandstand_common::supervisor::Supervisor;

use super::announce::announce;
use crate::process::api::EdgeApi;
use crate::process::config::EdgeConfig;
use crate::process::upgrade::{Earlier, Offer, Sockets, Takeover, UpgradeError};
use crate::process::{self, BusSource, Edge, EdgeError, EdgeOptions};
use crate::server::listen::{ListenError, SocketKind, adopt};
use crate::shard::metrics::EdgeMetrics;

/// The configuration key of the admin port, by which its socket is handed over.
const ADMIN: &str = "edge.admin";

/// The parts of the process that an edge needs to start.
pub(super) struct ProcessParts<'a> {
    pub(super) status: Status,
    pub(super) component: &'a Component,
    pub(super) log: &'a Log,
    pub(super) reloads: &'a Reloads<EdgeConfig>,
    pub(super) api: &'a Arc<EdgeApi>,
    pub(super) supervisor: &'a Supervisor,
}

/// A running edge with its admin port.
pub(super) struct Running {
    pub(super) edge: Edge,
    pub(super) admin: Admin,
    /// The right to use the API of the admin port.
    pub(super) access: ApiAccess,
    /// The socket at which the next process takes over.
    pub(super) offer: Option<Offer>,
    /// The sockets that the next process gets.
    pub(super) sockets: Sockets,
}

/// Starts the edge and its admin port. If a process runs that can be replaced, its sockets are used, and it is told to end
/// once this one accepts.
pub(super) async fn start(
    config: &EdgeConfig,
    activated: Sockets,
    process: ProcessParts<'_>,
) -> Result<Running, Failure> {
    let ProcessParts {
        status,
        component,
        log,
        reloads,
        api,
        supervisor,
    } = process;
    let mut registry = registry(Build {
        service: "edge",
        version: env!("CARGO_PKG_VERSION"),
    });
    log.register(&mut registry);
    reloads.register(&mut registry);
    let options = EdgeOptions {
        bus: BusSource::Nats,
        admission: process::admission(config)
            .map_err(|e| Failure::new(Exit::Config, e.to_string()))?,
        pages: Arc::new(BTreeMap::new()),
        echo: false,
        is_replaceable: config.upgrade.path().is_some(),
        api: Some(Arc::clone(api)),
        supervisor: supervisor.clone(),
    };
    let metrics = EdgeMetrics::register(&mut registry);
    let (takeover, mut sockets) = inherited(config, activated).await?;
    let listener = admin_listener(config, &mut sockets)?;
    let copy = listener.try_clone();
    let access = ApiAccess::new(Arc::clone(api), &config.edge.admin_token);
    let shared = access.clone();
    let answer = || {
        let started = Admin::start_at(listener, status, registry, Some(shared), supervisor);
        started.map_err(internal)
    };
    let starting = process::start(config, options, &mut sockets, component, &metrics);
    let (admin, mut edge) = match takeover {
        None => {
            let admin = answer()?;
            (admin, starting.await.map_err(not_started)?)
        }
        // Until this process is ready, the one that runs answers.
        Some(_) => {
            let edge = starting.await.map_err(not_started)?;
            (answer()?, edge)
        }
    };
    announce(config, &edge);
    sockets.close_rest();
    let mut offer = config.upgrade.path().map(Offer::new).transpose()?;
    match (takeover, &mut offer) {
        (None, Some(offer)) => offer.publish()?,
        (Some(takeover), Some(offer)) => {
            complete(takeover, api, supervisor).await;
            if let Err(error) = offer.publish() {
                tracing::error!(%error, "the next process cannot take over from this one");
            }
        }
        (_, None) => {}
    }
    edge.take_packets().map_err(not_started)?;
    let mut sockets = edge.take_sockets();
    if offer.is_some() {
        let copied = copy.and_then(|copy| sockets.push_copy(ADMIN, copy));
        copied.map_err(internal)?;
    }
    Ok(Running {
        edge,
        admin,
        access,
        offer,
        sockets,
    })
}

/// Tells the earlier process to end, and keeps the way to it while it drains.
async fn complete(takeover: Takeover, api: &EdgeApi, supervisor: &Supervisor) {
    let Some(Earlier { process, stream }) = takeover.complete().await else {
        return;
    };
    if let Err(error) = api.earlier().add(process, stream, supervisor).await {
        tracing::warn!(process, %error, "the earlier process does not answer: its metrics are missing");
    }
}

/// The sockets that come from the process that runs, or else from the service manager.
async fn inherited(
    config: &EdgeConfig,
    activated: Sockets,
) -> Result<(Option<Takeover>, Sockets), UpgradeError> {
    if let Some(path) = config.upgrade.path()
        && let Some((takeover, sockets)) = Takeover::begin(path).await?
    {
        return Ok((Some(takeover), sockets));
    }
    Ok((None, activated))
}

fn admin_listener(config: &EdgeConfig, sockets: &mut Sockets) -> Result<TcpListener, Failure> {
    let address = config.edge.admin;
    for socket in sockets.take(ADMIN) {
        let adopted = adopt(socket, SocketKind::Listener, address);
        if let Some(listener) = adopted.map_err(|e| Failure::new(Exit::Config, e.to_string()))? {
            return Ok(listener);
        }
    }
    Ok(Admin::bind(ADMIN, address)?)
}

fn not_started(error: EdgeError) -> Failure {
    let key = match error {
        EdgeError::Listen(ListenError::HandedOver(_)) => "",
        EdgeError::Listen(_) => "edge.listen: ",
        EdgeError::Quic(ListenError::HandedOver(_)) => "",
        EdgeError::Quic(_) => "quic.listen: ",
        _ => "",
    };
    Failure::new(error.exit(), format!("{key}{error}"))
}

pub(super) fn internal(error: std::io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("{ADMIN}: {error}"))
}
