//! A client that sends as much as it can, of everything that a client can send.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::client::ClientOptions;
use crate::site::{everywhere, token};

/// The messages that are written before others have their turn.
const BURST: usize = 200;
/// The bytes of an input.
const INPUT: usize = 2_048;
/// The rooms that the client joins at random.
const ROOMS: u32 = 40;
/// The most time for one burst. An edge that stops reading holds the client back.
const BURST_TIMEOUT: Duration = Duration::from_millis(500);

/// Floods the edge at `address` for `time`. Connects again whenever it is thrown out.
pub(super) async fn flood(address: SocketAddr, time: Duration, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let end = Instant::now() + time;
    let reads = rng.random_bool(0.5);
    let options = ClientOptions::new(address).token(&token("flood", 3_600, &everywhere()));
    while Instant::now() < end {
        let opened = timeout(BURST_TIMEOUT, options.try_open()).await;
        let Ok(Ok(mut socket)) = opened else {
            sleep(BURST_TIMEOUT / 10).await;
            continue;
        };
        let mut seq = 0;
        while Instant::now() < end {
            let burst = async {
                for _ in 0..BURST {
                    socket.feed(message(&mut rng, &mut seq)).await.ok()?;
                }
                socket.flush().await.ok()
            };
            match timeout(BURST_TIMEOUT, burst).await {
                Ok(Some(())) | Err(_) => {}
                Ok(None) => break,
            }
            while reads && let Some(Some(read)) = socket.next().now_or_never() {
                if read.is_err() {
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

fn message(rng: &mut ChaCha8Rng, seq: &mut u64) -> Message {
    // Rooms of the run have other names, so that no message counts in its record.
    let room = format!("relay-flood-{}", rng.random_range(0..ROOMS));
    let text = match rng.random_range(0..8) {
        0 => return Message::Ping(vec![0; rng.random_range(0..125)].into()),
        1 => json!({"type": "ping", "id": 1}).to_string(),
        2 => "{\"type\":".to_owned(),
        3 => json!({"type": "join", "room": room, "params": {"idle_ms": 1_000}}).to_string(),
        4 => json!({"type": "leave", "room": room}).to_string(),
        5 => json!({"type": "live", "room": room, "data": "x".repeat(INPUT)}).to_string(),
        _ => {
            *seq += 1;
            let input = "x".repeat(INPUT);
            json!({"type": "input", "room": room, "seq": seq, "data": input}).to_string()
        }
    };
    Message::text(text)
}
