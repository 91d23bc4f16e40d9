//! The compared servers, their protocols, and whether they are installed.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use grandstand_harness::programs;

use crate::load::dialect::Dialect;

/// The path of Debian's package.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Grandstand in JSON: edge, worker and NATS
    Grandstand,
    /// Grandstand in protobuf
    GrandstandProto,
    /// Grandstand without TLS behind HAProxy, which terminates it
    Haproxy,
    /// Bun's WebSocket server, which is uWebSockets underneath
    Bun,
    /// Elysia on Bun
    Elysia,
    /// Nchan in nginx
    Nchan,
    /// A task for each connection and a broadcast channel, in Rust
    Naive,
    /// Node's ws
    Ws,
    /// The WebSocket listener of nats-server
    Nats,
    /// Socket.IO with its Redis adapter
    SocketIo,
}

impl Peer {
    /// All servers.
    pub const ALL: [Self; 10] = [
        Self::Grandstand,
        Self::GrandstandProto,
        Self::Haproxy,
        Self::Bun,
        Self::Elysia,
        Self::Nchan,
        Self::Naive,
        Self::Ws,
        Self::Nats,
        Self::SocketIo,
    ];

    /// The label in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Grandstand => "Grandstand",
            Self::GrandstandProto => "Grandstand, protobuf",
            Self::Haproxy => "HAProxy + Grandstand",
            Self::Bun => "Bun (uWebSockets)",
            Self::Elysia => "Bun + Elysia",
            Self::Nchan => "Nchan (nginx)",
            Self::Naive => "naive tokio-tungstenite broadcast",
            Self::Ws => "Node ws",
            Self::Nats => "nats-server WebSocket",
            Self::SocketIo => "Socket.IO + Redis",
        }
    }

    /// The name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grandstand => "grandstand",
            Self::GrandstandProto => "grandstand_proto",
            Self::Haproxy => "haproxy",
            Self::Bun => "bun",
            Self::Elysia => "elysia",
            Self::Nchan => "nchan",
            Self::Naive => "naive",
            Self::Ws => "ws",
            Self::Nats => "nats",
            Self::SocketIo => "socketio",
        }
    }

    /// Whether it is a Grandstand and nothing else.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Grandstand | Self::GrandstandProto)
    }

    /// Whether clients reach an edge, directly or not.
    pub(super) fn has_edge(self) -> bool {
        self.is_ours() || self == Self::Haproxy
    }

    /// Whether it is measured with TLS, or without.
    pub(super) fn offers(self, tls: bool) -> bool {
        match self {
            Self::Grandstand | Self::GrandstandProto | Self::Bun | Self::Nchan | Self::Ws => true,
            Self::Haproxy => tls,
            Self::Elysia | Self::Naive | Self::Nats | Self::SocketIo => !tls,
        }
    }

    /// The protocol.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Grandstand | Self::Haproxy => Dialect::Grandstand,
            Self::GrandstandProto => Dialect::GrandstandProto,
            Self::Bun | Self::Elysia | Self::Naive | Self::Ws => Dialect::Raw,
            Self::Nchan => Dialect::Nchan,
            Self::Nats => Dialect::Nats,
            Self::SocketIo => Dialect::SocketIo,
        }
    }

    /// Checks that the server can be measured, with TLS or without; the error names the missing part.
    pub(super) fn installed(self, dir: &Path, tls: bool) -> Result<(), Missing> {
        match (self.offers(tls), tls) {
            (true, _) => {}
            (false, true) => return Err(Missing::Tls),
            (false, false) => return Err(Missing::Plain),
        }
        let file = |path: PathBuf| {
            if path.exists() {
                Ok(())
            } else {
                Err(Missing::File(path))
            }
        };
        let program = |name| {
            if in_path(name) {
                Ok(())
            } else {
                Err(Missing::Program(name))
            }
        };
        match self {
            Self::Grandstand | Self::GrandstandProto => Ok(()),
            Self::Haproxy => program(HAPROXY),
            Self::Bun => file(bun(dir)),
            Self::Elysia => {
                file(bun(dir))?;
                file(dir.join("node_modules/elysia"))
            }
            Self::Nchan => {
                program("nginx")?;
                file(NCHAN.into())
            }
            Self::Naive => file(programs::bin_dir().join(NAIVE)),
            Self::Ws => {
                program("node")?;
                file(dir.join("node_modules/ws"))
            }
            Self::Nats => programs::find_nats()
                .map(drop)
                .map_err(|_| Missing::Program("nats-server")),
            Self::SocketIo => {
                program("node")?;
                file(dir.join("node_modules/socket.io"))?;
                program("redis-server")
            }
        }
    }
}

/// Debian's program.
pub(super) const HAPROXY: &str = "haproxy";

/// The program that is built with the workspace.
pub(super) const NAIVE: &str = "naive-broadcast";

/// The path of Bun as npm installs it.
pub(super) fn bun(dir: &Path) -> PathBuf {
    dir.join("node_modules/.bin/bun")
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// The reason to skip a server.
#[derive(Debug, thiserror::Error)]
pub(super) enum Missing {
    #[error("{} is missing", .0.display())]
    File(PathBuf),
    #[error("{0} is missing")]
    Program(&'static str),
    #[error("it is measured only without --tls")]
    Tls,
    #[error("it is measured only with --tls")]
    Plain,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => f.write_str(self.name()),
        }
    }
}
