//! Runs an edge with one shard that sends every message back to its client. The WebSocket conformance suite and the
//! measurements of connections use it: `cargo run -p grandstand-edge --example echo -- 127.0.0.1:9001`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::supervisor::Supervisor;
use grandstand_edge::server::Server;
use grandstand_edge::server::connections::Connections;
use grandstand_edge::server::context::ServerOptions;
use grandstand_edge::server::echo::EchoHandler;
use grandstand_edge::server::listen::{ListenOptions, Listener, bind};
use grandstand_edge::server::metrics::ServerMetrics;
use grandstand_edge::server::routes::{Route, RouteLimits, Routes};
use grandstand_edge::websocket::deflate::DeflateOptions;
use tokio::sync::watch;
use tokio::task::LocalSet;

fn main() -> anyhow::Result<()> {
    let addr = std::env::args().nth(1);
    let addr = addr.as_deref().unwrap_or("127.0.0.1:9001").parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let connections = Connections::new(Duration::from_secs(25))?;
    let route = Route {
        path: "/v1/echo",
        handler: Rc::new(EchoHandler::new(
            connections.clone(),
            DeflateOptions::default(),
        )),
        limits: Cell::new(RouteLimits {
            message_bytes: EchoHandler::LIMIT,
            outbox_bytes: EchoHandler::LIMIT,
        }),
    };
    let listeners = bind(&ListenOptions::new(addr), 1)?;
    LocalSet::new().block_on(&runtime, async {
        let routes = Routes::new(vec![route], Arc::new(BTreeMap::new()));
        let server = Server::new(
            ServerOptions {
                deflate: true,
                ..ServerOptions::default()
            },
            connections,
            ServerMetrics::default(),
            routes,
            "echo".parse()?,
        );
        let supervisor = Supervisor::default();
        server.start(&supervisor, Rc::default());
        for socket in listeners {
            println!("ws://{}/v1/echo", socket.local_addr()?);
            let listener = Listener {
                socket,
                tls: None,
                is_proxied: false,
            };
            let (_end, ended) = watch::channel(None);
            server.accept(listener, &supervisor, ended).await?;
        }
        Ok(())
    })
}
