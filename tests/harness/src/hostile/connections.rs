//! Hostile handshakes and connections.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use socket2::{SockFilter, SockRef};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::attack::Attack;
use super::attacker::Attacker;
use super::end::End;
use super::frames;
use super::raw::{Raw, request};

/// The connections that one attacker holds at a time.
const HELD: usize = 60;

/// The time between two bytes of a slow request.
const BYTE_EVERY: Duration = Duration::from_millis(100);

/// The time for which a client vanishes: longer than it takes to notice with the heartbeat of a test.
const VANISHED: Duration = Duration::from_secs(5);

/// The instruction of a packet filter that returns how many bytes of a packet to keep (linux/filter.h).
const BPF_RETURN: u16 = 0x06;

/// The messages that a client sends at once without reading the answers, slow enough for the limit of messages.
const ASKED: usize = 16;
const ASK_EVERY: Duration = Duration::from_millis(40);

/// Holds many connections, each until the edge ends it.
pub(super) async fn hold(attacker: Attacker, attack: Attack) {
    let mut held = JoinSet::new();
    loop {
        while held.len() < HELD {
            let attacker = attacker.clone();
            held.spawn(async move {
                let end = match attack {
                    Attack::Slowloris => slow_request(&attacker).await,
                    Attack::HalfOpen => no_request(&attacker).await,
                    Attack::Vanished => vanish(&attacker).await,
                    _ => no_pong(&attacker).await,
                };
                attacker.ended(end);
                attacker.rest().await;
            });
        }
        held.join_next().await;
    }
}

async fn slow_request(attacker: &Attacker) -> End {
    let Some(mut raw) = attacker.connect().await else {
        return End::Closed;
    };
    let request = request(&attacker.token, "");
    for byte in request.as_bytes().chunks(1) {
        if raw.socket.write_all(byte).await.is_err() {
            break;
        }
        tokio::select! {
            end = raw.status() => return end,
            () = sleep(BYTE_EVERY) => {}
        }
    }
    raw.status().await
}

async fn no_request(attacker: &Attacker) -> End {
    match attacker.connect().await {
        Some(mut raw) => raw.status().await,
        None => End::Closed,
    }
}

async fn no_pong(attacker: &Attacker) -> End {
    match attacker.open("").await {
        Ok(mut raw) => raw.end(false).await,
        Err(end) => end,
    }
}

/// Opens a WebSocket, and is as good as switched off for a while: its kernel drops what arrives, and answers nothing.
/// Then it sees what the edge has sent last.
async fn vanish(attacker: &Attacker) -> End {
    let mut raw = match attacker.open("").await {
        Ok(raw) => raw,
        Err(end) => return end,
    };
    let drop_all = [SockFilter::new(BPF_RETURN, 0, 0, 0)];
    let filter = |raw: &Raw, is_gone: bool| {
        if is_gone {
            SockRef::from(&raw.socket).attach_filter(&drop_all)
        } else {
            SockRef::from(&raw.socket).detach_filter()
        }
    };
    if filter(&raw, true).is_err() {
        return End::Open;
    }
    sleep(VANISHED).await;
    if filter(&raw, false).is_err() {
        return End::Open;
    }
    raw.end(false).await
}

/// Opens a WebSocket, and closes the connection.
pub(super) async fn reconnect(attacker: &Attacker) -> End {
    match attacker.open("").await {
        Ok(_) => End::Open,
        Err(end) => end,
    }
}

/// Sends bytes that begin like a record of TLS.
pub(super) async fn tls_garbage(attacker: &Attacker) -> End {
    let connected = Raw::connect(attacker.target.tls, attacker.from, false).await;
    let Ok(mut raw) = connected else {
        return End::Closed;
    };
    let mut bytes = vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01];
    bytes.extend((0..600_u32).map(|at| (at * 31) as u8));
    raw.socket.write_all(&bytes).await.ok();
    raw.status().await
}

/// Claims to be a player, with an unsigned token.
pub(super) async fn alg_none(attacker: &Attacker) -> End {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"none","typ":"JWT"}"#);
    let claims = encode(r#"{"sub":"mallory","exp":4102444800,"rooms":{"*":"player"}}"#);
    let Some(mut raw) = attacker.connect().await else {
        return End::Closed;
    };
    match raw.upgrade(&format!("{header}.{claims}."), "").await {
        Ok(()) => raw.end(true).await,
        Err(end) => end,
    }
}

/// Asks and never reads.
pub(super) async fn never_reads(attacker: &Attacker) -> End {
    let connected = Raw::connect(attacker.target.plain, attacker.from, true).await;
    let Ok(mut raw) = connected else {
        return End::Closed;
    };
    if let Err(end) = raw.upgrade(&attacker.token, "").await {
        return end;
    }
    // The answer is an error that repeats the room.
    let room = "r".repeat(64);
    let ask = format!(r#"{{"type":"leave","room":"{room}"}}"#);
    let ask = frames::masked(frames::TEXT, ask.as_bytes()).repeat(ASKED);
    while raw.socket.write_all(&ask).await.is_ok() {
        sleep(ASK_EVERY).await;
    }
    End::Closed
}
