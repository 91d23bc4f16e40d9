//! Real processes and clients that are not ours, on the embedded bus and on a real NATS server.

#![allow(clippy::unwrap_used)]

/// Makes a test of each function, for each way to set Grandstand up.
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

mod serving;

mod hot;

mod restarts;

mod sessions;

mod admission;

mod upkeep;

mod processes;

mod replay;
