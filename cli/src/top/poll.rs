//! Asks processes what they say.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::exposition::Metrics;
use super::process::Reading;
use super::rooms;
use crate::admin::{AdminUrl, Report, ask};

/// The most time for the answers of a process.
const WITHIN: Duration = Duration::from_millis(900);

/// The rooms that are asked for.
const ROOMS: &str = "/v1/rooms?limit=1000";

/// Asks all processes at once. `token` is that of their admin API.
pub(super) async fn poll(
    urls: Vec<AdminUrl>,
    token: Option<&str>,
) -> Vec<(AdminUrl, Result<Reading, String>)> {
    join_all(urls.into_iter().map(async |url| {
        let reading = read(&url, token).await;
        (url, reading)
    }))
    .await
}

async fn read(url: &AdminUrl, token: Option<&str>) -> Result<Reading, String> {
    let asking = futures_util::future::join3(
        ask(url, "/metrics", None, WITHIN),
        ask(url, "/ready", None, WITHIN),
        ask(url, ROOMS, token, WITHIN),
    );
    let (metrics, ready, rooms) = asking.await;
    let at = Instant::now();
    let metrics = metrics.map_err(|why| why.to_string())?;
    if metrics.status != 200 {
        let status = metrics.status;
        return Err(format!(
            "{url}/metrics answers {status}: is this an admin port?"
        ));
    }
    let text = String::from_utf8_lossy(&metrics.body);
    let ready = ready.map_err(|why| why.to_string())?;
    let listed = rooms.map_err(|why| why.to_string()).and_then(|answer| {
        let page: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer.status {
            200 => Ok(rooms::read(&page)),
            401 | 403 => Err("the admin API wants a token: --token or --token-file".to_owned()),
            404 => Err("this process has no list of rooms".to_owned()),
            status => Err(format!("the admin API answers {status}")),
        }
    });
    let (rooms, has_more_rooms) = match listed {
        Ok((rooms, has_more)) => (Ok(rooms), has_more),
        Err(why) => (Err(why), false),
    };
    Ok(Reading {
        at,
        metrics: Metrics::parse(&text),
        ready: (ready.status, Report::read(&ready)),
        rooms,
        has_more_rooms,
    })
}
