//! The measured server: Grandstand, Grandstand behind HAProxy, or another.

use std::net::SocketAddr;

use grandstand_common::process::sys::raise_open_files;
use grandstand_harness::ports::Port;

use super::options::Options;
use super::peer::Peer;
use super::server::{Place, Server};
use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::proc::Usage;
use crate::host::servers::{Servers, ServersUsage, Wanted};
use crate::host::tls::Certificate;
use crate::load::job::Job;

/// Open files of a proxy besides those of the spectators' connections.
const OTHER_FILES: u64 = 400;

/// A running server. The processes are dropped before their certificate and ports, and proxies before the edge.
#[derive(Debug)]
pub(super) struct Running {
    theirs: Option<Server>,
    ours: Option<Box<Servers>>,
    /// The addresses for clients.
    targets: Vec<SocketAddr>,
    certificate: Option<Certificate>,
    _ports: Vec<Port>,
}

impl Running {
    /// Starts a server on its core.
    pub(super) async fn start(
        peer: Peer,
        options: &Options,
        cores: Cores,
    ) -> Result<Self, BenchError> {
        let certificate = options.tls.then(Certificate::make).transpose()?;
        let processes = match peer {
            Peer::Haproxy => proxies(options.spectators, raise_open_files()),
            _ => 1,
        };
        let ports = (0..processes).map(|_| Port::try_take());
        let ports = ports.collect::<Result<Vec<_>, _>>()?;
        let mut targets: Vec<_> = ports.iter().map(Port::address).collect();
        let mut theirs = None;
        let mut ours = None;
        if peer.has_edge() {
            let encrypted = certificate.as_ref().filter(|_| peer.is_ours());
            let variables =
                encrypted.map(|certificate| certificate.variables("TLS_LISTEN", targets[0]));
            let wanted = Wanted {
                workers: 1,
                edges: 1,
                cores,
            };
            let servers = Servers::start_with(wanted, &variables.unwrap_or_default()).await?;
            ours = Some(Box::new(servers));
        }
        let edge = ours.as_ref().map(|servers| servers.address());
        if peer.is_ours() {
            if certificate.is_none() {
                targets = edge.into_iter().collect();
            }
        } else {
            let place = Place {
                dir: &options.dir,
                ports: &ports,
                certificate: certificate.as_ref(),
                edge,
            };
            theirs = Some(Server::start(peer, &place, cores).await?);
        }
        Ok(Self {
            theirs,
            ours,
            targets,
            certificate,
            _ports: ports,
        })
    }

    /// The first address for clients.
    pub(super) fn address(&self) -> SocketAddr {
        self.targets[0]
    }

    /// The same job with this server.
    pub(super) fn job(&self, job: Job) -> Job {
        Job {
            targets: self.targets.clone(),
            tls: self.certificate.as_ref().map(Certificate::file),
            ..job
        }
    }

    /// CPU time includes all processes that deliver a message. Memory is that of the processes with connections,
    /// because the memory of NATS and the worker does not grow with them.
    pub(super) fn usage(&self) -> Result<ServersUsage, BenchError> {
        let mut sum = Usage::default();
        let mut add = |used: Usage| {
            sum.cpu_s += used.cpu_s;
            sum.memory += used.memory;
        };
        if let Some(servers) = &self.ours {
            let used = servers.usage()?;
            add(Usage {
                cpu_s: used.all().cpu_s,
                ..used.edges
            });
        }
        if let Some(server) = &self.theirs {
            add(server.usage()?);
        }
        Ok(ServersUsage {
            edges: sum,
            ..ServersUsage::default()
        })
    }
}

/// The number of proxies whose open files suffice for both ends of this many connections.
fn proxies(connections: u32, files: u64) -> u64 {
    let each = (files.saturating_sub(OTHER_FILES) / 2).max(1);
    u64::from(connections).div_ceil(each).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_gives_the_number_of_proxies() {
        assert_eq!(proxies(0, 20_000), 1);
        assert_eq!(proxies(9_800, 20_000), 1);
        assert_eq!(proxies(10_000, 20_000), 2);
        assert_eq!(proxies(10_000, u64::MAX), 1);
    }
}
