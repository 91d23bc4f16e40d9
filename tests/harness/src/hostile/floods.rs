//! Hostile frames and messages on an open WebSocket.

use tokio::io::AsyncWriteExt as _;

use super::attack::Attack;
use super::attacker::Attacker;
use super::end::End;
use super::frames::{self, masked};

/// The frames that are written at once.
const BATCH: usize = 64;

/// The offer of compression.
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// The rooms that are joined and left in turn.
const ROOMS: usize = 40;

/// Opens a WebSocket and sends the frames of an attack until the edge ends it.
pub(super) async fn flood(attacker: &Attacker, attack: Attack) -> End {
    let extra = if attack == Attack::DeflateBomb {
        DEFLATE
    } else {
        ""
    };
    let mut raw = match attacker.open(extra).await {
        Ok(raw) => raw,
        Err(end) => return end,
    };
    let text = |text: &str| masked(frames::TEXT, text.as_bytes());
    match attack {
        Attack::PingFlood => {
            let frames = masked(frames::PING, &[b'p'; 125]).repeat(BATCH);
            raw.flood(|| frames.clone()).await
        }
        Attack::TinyFrames => {
            let mut begun = false;
            let frame = masked(frames::CONTINUATION, b"x");
            raw.flood(|| {
                if std::mem::replace(&mut begun, true) {
                    frame.repeat(BATCH)
                } else {
                    masked(frames::TEXT_BEGIN, b"x")
                }
            })
            .await
        }
        Attack::EmptyMessages => {
            let frames = text("").repeat(BATCH);
            raw.flood(|| frames.clone()).await
        }
        Attack::Unmasked => {
            let frame = frames::unmasked(frames::TEXT, b"{}");
            raw.flood(|| frame.clone()).await
        }
        Attack::Oversized => {
            let mut frame = frames::header(frames::TEXT, 1 << 30, 0x80);
            frame.extend([b' '; 1024]);
            raw.flood(|| frame.clone()).await
        }
        Attack::JoinFlood => {
            let mut frames = Vec::new();
            for room in 0..ROOMS {
                for kind in ["join", "leave"] {
                    let message = format!(r#"{{"type":"{kind}","room":"relay-flood-{room}"}}"#);
                    frames.extend(text(&message));
                }
            }
            raw.flood(|| frames.clone()).await
        }
        Attack::DeflateBomb => {
            let bomb = frames::bomb();
            raw.flood(|| bomb.clone()).await
        }
        // A player who sends as much as it can.
        _ => {
            let mut seq = 0;
            let data = "x".repeat(1024);
            let join = text(r#"{"type":"join","room":"relay-busy"}"#);
            if raw.socket.write_all(&join).await.is_err() || !raw.until(b"\"joined\"").await {
                return End::Closed;
            }
            raw.flood(|| {
                seq += 1;
                text(&format!(
                    r#"{{"type":"input","room":"relay-busy","seq":{seq},"data":"{data}"}}"#
                ))
            })
            .await
        }
    }
}
