//! `quic`: the memory of an idle connection over QUIC, and the cost of live messages to viewers.

mod client;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use grandstand_common::envelope::Role;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::error::BenchError;
use crate::host::pin::{Cores, Pinned};
use crate::host::servers::{Servers, Wanted};
use crate::host::tls::Certificate;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::measure::settle;
use client::{Client, Clients, Transport, watch_websocket};

/// The most time for one client to connect.
const PATIENCE: Duration = Duration::from_secs(30);

/// QUIC: memory per idle connection, and live messages to viewers as datagrams, on streams and over WebSockets
///
/// The clients run in this process.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of idle connections
    #[arg(long, default_value_t = 2000)]
    pub connections: u32,
    /// Number of viewers, per transport
    #[arg(long, default_value_t = 500)]
    pub viewers: u32,
    /// Live messages per second
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
    /// Bytes of data per live message
    #[arg(long, default_value_t = 100)]
    pub size: u32,
}

/// The variables of an edge that serves QUIC at `to`.
fn variables(certificate: &Certificate, to: SocketAddr) -> Vec<(String, String)> {
    let mut variables = certificate.variables("QUIC_LISTEN", to);
    // All clients have one address.
    for limit in ["CONNECTIONS", "HANDSHAKES", "HANDSHAKES_PER_S"] {
        let name = format!("GRANDSTAND_EDGE_LIMITS_ADDRESS_{limit}");
        variables.push((name, "0".to_owned()));
    }
    variables
}

/// Runs the scenario.
///
/// # Errors
/// If servers are unavailable or a client does not connect.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let cores = Cores::apart();
    let mut report = Report::new("quic");
    let certificate = Certificate::make()?;
    let to = free_port()?;
    progress.phase("starting");
    let wanted = Wanted {
        workers: 1,
        edges: 1,
        cores,
    };
    let servers = Servers::start_with(wanted, &variables(&certificate, to)).await?;
    // Keeps the clients away from the servers' core.
    let _pinned = Pinned::to(cores.client).map_err(BenchError::Pin)?;
    let clients = Clients::new(to, certificate.der())?;

    let settings = &mut report.settings;
    settings.put("connections", options.connections);
    settings.put("viewers", options.viewers);
    settings.put_number("rate", options.rate);
    settings.put("size", options.size);
    measure_idle(options, &servers, &clients, &mut report, progress).await?;
    for transport in Transport::ALL {
        progress.phase(transport.name());
        measure_live(
            options,
            transport,
            common.seconds,
            &servers,
            &clients,
            &mut report,
        )
        .await?;
    }
    Ok(Outcome {
        chart: chart(&report, options),
        report,
    })
}

/// An address whose UDP port is free.
fn free_port() -> Result<SocketAddr, BenchError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let addr = socket.and_then(|socket| socket.local_addr());
    addr.map_err(BenchError::Load)
}

async fn in_time<T>(
    connecting: impl Future<Output = Result<T, BenchError>>,
) -> Result<T, BenchError> {
    let connected = timeout(PATIENCE, connecting).await;
    connected.map_err(|_| BenchError::Timeout {
        state: "a client was not connected".to_owned(),
        seconds: PATIENCE.as_secs(),
    })?
}

async fn measure_idle(
    options: &Options,
    servers: &Servers,
    clients: &Clients,
    report: &mut Report,
    progress: &mut Progress,
) -> Result<(), BenchError> {
    progress.phase("warming up");
    let mut idle = Vec::new();
    for client in 0..64 {
        let name = format!("warm-{client}");
        idle.push(in_time(clients.connect(&name, Role::Spectator)).await?);
    }
    settle(1.0).await;
    progress.phase("connecting");
    let before = servers.usage()?.edges;
    let begun = Instant::now();
    for client in 0..options.connections {
        let name = format!("idle-{client}");
        idle.push(in_time(clients.connect(&name, Role::Spectator)).await?);
        progress.step(
            f64::from(client) / f64::from(options.connections),
            &format!("{client} of {} connected", options.connections),
        );
    }
    let seconds = begun.elapsed().as_secs_f64();
    // Handshakes leave keys and timers behind for some seconds.
    settle(5.0).await;
    let after = servers.usage()?.edges;
    let connections = f64::from(options.connections.max(1));
    let figures = &mut report.figures;
    let used = after - before;
    figures.put_number("connects_per_s", connections / seconds);
    figures.put_number("edge_cpu_us_per_connect", used.cpu_s * 1e6 / connections);
    figures.put_number(
        "user_bytes_per_connection",
        used.memory as f64 / connections,
    );
    Ok(())
}

async fn measure_live(
    options: &Options,
    transport: Transport,
    seconds: f64,
    servers: &Servers,
    clients: &Clients,
    report: &mut Report,
) -> Result<(), BenchError> {
    let mut player = in_time(clients.connect("player", Role::Player)).await?;
    in_time(player.join(false)).await?;
    let seen = Arc::new(AtomicU64::new(0));
    let viewers = watch(options, transport, servers, clients, &seen).await?;
    settle(1.0).await;
    let before = servers.usage()?.edges;
    let start = seen.load(Ordering::Relaxed);
    let sent = play(&mut player, options, seconds).await?;
    settle(0.5).await;
    let after = servers.usage()?.edges;
    let end = seen.load(Ordering::Relaxed);
    for viewer in viewers {
        viewer.abort();
    }
    let delivered = (end - start) as f64;
    let expected = (sent * u64::from(options.viewers)) as f64;
    let used = after - before;
    let name = transport.name();
    let figures = &mut report.figures;
    figures.put_number(format!("{name}_deliveries"), delivered);
    figures.put_number(
        format!("{name}_delivered_percent"),
        delivered / expected.max(1.0) * 100.0,
    );
    figures.put_number(
        format!("{name}_edge_cpu_us_per_delivery"),
        used.cpu_s * 1e6 / delivered.max(1.0),
    );
    Ok(())
}

/// Connects the viewers of a transport.
async fn watch(
    options: &Options,
    transport: Transport,
    servers: &Servers,
    clients: &Clients,
    seen: &Arc<AtomicU64>,
) -> Result<Vec<JoinHandle<()>>, BenchError> {
    let mut viewers = Vec::new();
    for viewer in 0..options.viewers {
        let name = format!("viewer-{viewer}");
        let seen = Arc::clone(seen);
        viewers.push(match transport {
            Transport::WebSocket => {
                in_time(watch_websocket(servers.address(), &name, seen)).await?
            }
            _ => {
                let mut client = in_time(clients.connect(&name, Role::Spectator)).await?;
                in_time(client.join(transport == Transport::QuicDatagrams)).await?;
                client.count(seen)
            }
        });
    }
    Ok(viewers)
}

/// Sends live messages for some time. Returns their number.
async fn play(player: &mut Client, options: &Options, seconds: f64) -> Result<u64, BenchError> {
    let data = "x".repeat(options.size as usize);
    let live = format!(
        r#"{{"type":"live","room":"{}","data":"{data}"}}"#,
        client::ROOM
    );
    let mut ticks = interval(Duration::from_secs_f64(1.0 / options.rate.max(0.1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut sent = 0;
    while Instant::now() < end {
        ticks.tick().await;
        player.send(&live).await?;
        sent += 1;
    }
    Ok(sent)
}

fn chart(report: &Report, options: &Options) -> Chart {
    let bar = |transport: Transport| {
        let name = transport.name();
        let cost = report.figure(&format!("{name}_edge_cpu_us_per_delivery"));
        Line::new(name, vec![(0.0, cost)])
    };
    Chart {
        title: format!(
            "{} live messages per second to {} viewers",
            options.rate, options.viewers
        ),
        subtitle: format!(
            "an idle connection over QUIC takes {:.0} bytes in the edge",
            report.figure("user_bytes_per_connection")
        ),
        panels: vec![Panel {
            x: Axis::Names(vec!["CPU of the edge per delivery".to_owned()]),
            y: "µs",
            lines: Transport::ALL.map(bar).into(),
        }],
    }
}
