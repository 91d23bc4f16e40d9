//! Real processes and independent clients, on the embedded bus and on a real NATS server.

#![allow(clippy::unwrap_used)]

/// Makes a test of each function for each setup of Grandstand.
macro_rules! on {
    ($($site:ident: $($name:ident),+;)+) => {
        $(mod $site {
            use grandstand_harness::site::Site;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Site::$site().await).await;
            })+
        })+
    };
}

mod game;

mod watching;

mod measured;

mod serving;

mod hot;

mod restarts;

mod plugs;

mod sessions;

mod admission;

mod key_sets;

mod admin_api;

mod worker_api;

mod http_api;

mod http_queues;

mod http_ranks;

mod serverless;

mod upkeep;

mod processes;

mod replay;

mod outside;

mod matchmaking;

mod results;

mod bots;

mod rooms;

mod check;

mod supervision;

mod streams;

mod descriptors;

mod hostile;
