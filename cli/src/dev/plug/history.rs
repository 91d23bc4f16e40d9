//! The history of a room: its last entries as `grandstand replay` reads them, the state that follows from all, and whether
//! the room in memory has the same.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusRole, NatsErrors};
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::id::RoomId;
use grandstand_common::process::admin::{ApiAnswer, StatusCode};
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::BusSource;
use grandstand_game::Games;
use grandstand_worker::process::questions::{LiveState, Questions};
use grandstand_worker::replay::{
    self, Comparison, Line, NoRoom, Output, ReplayError, Report, Request,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// The entries of an answer if the request does not say.
const LIMIT: usize = 200;

/// The most entries of an answer.
const MAX_LIMIT: usize = 1000;

/// The most time for a replay. `grandstand replay` has no limit.
const REPLAY_WITHIN: Duration = Duration::from_secs(10);

/// Everything that a replay needs.
#[derive(Debug, Clone)]
pub(in crate::dev) struct Histories {
    pub(in crate::dev) bus: BusSource,
    pub(in crate::dev) cluster: ClusterSettings,
    pub(in crate::dev) games: Games,
    pub(in crate::dev) questions: Questions,
    pub(in crate::dev) supervisor: Supervisor,
    /// One permit, which a replay takes, so that the replays of a process use one thread.
    pub(in crate::dev) only: Arc<Semaphore>,
}

/// A history, in JSON.
#[derive(Serialize)]
struct History {
    room: String,
    entries: Vec<Entry>,
    /// The state after the last entry; for a deleted room, the state before its deletion.
    state: Option<Value>,
    /// `None` if there is nothing to compare with.
    equal: Option<bool>,
}

/// An entry of a history, in JSON.
#[derive(Serialize)]
struct Entry {
    seq: u64,
    time: String,
    event: Value,
}

/// The reason why there is no history.
enum NoHistory {
    Replay(ReplayError),
    /// NATS cannot be reached, or there is no thread.
    Unavailable(String),
}

impl Histories {
    /// The history of a room for this query.
    ///
    /// # Errors
    /// 400 for a request that is wrong, 404 without such a room, 503 if the log cannot be read or is too long.
    pub(super) async fn show(&self, room: &str, query: &str) -> Result<ApiAnswer, ApiAnswer> {
        let room = room.parse::<RoomId>().map_err(|error| {
            let text = format!("the room id {error}");
            ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_room", &text)
        })?;
        let limit = limit(query)?;
        // The log has all entries of this state, because they were read from there.
        let live = self.questions.live_state(&room).await?;
        let (line, report) = self.replay(room, limit, live).await.map_err(problem)?;
        Ok(ApiAnswer::json(
            StatusCode::OK,
            &history(line, report, live),
        ))
    }

    /// Replays a room on a thread of its own, up to the last entry of its `live` state.
    async fn replay(
        &self,
        room: RoomId,
        limit: usize,
        live: Option<LiveState>,
    ) -> Result<(VecDeque<Line>, Report), NoHistory> {
        // It is never closed.
        let only = Arc::clone(&self.only).acquire_owned().await.ok();
        let (reply, replayed) = oneshot::channel();
        let this = self.clone();
        let body = move || {
            let _only = only;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let result = match runtime {
                Ok(runtime) => runtime.block_on(this.read(room, limit, live)),
                Err(error) => Err(NoHistory::Unavailable(error.to_string())),
            };
            // Whoever asked may have gone.
            reply.send(result).ok();
        };
        let started = self.supervisor.thread("history", body);
        started.map_err(|error| NoHistory::Unavailable(error.to_string()))?;
        let ended = || NoHistory::Unavailable("the replay has panicked".to_owned());
        replayed.await.map_err(|_| ended())?
    }

    async fn read(
        &self,
        room: RoomId,
        limit: usize,
        live: Option<LiveState>,
    ) -> Result<(VecDeque<Line>, Report), NoHistory> {
        let bus = self.connect().await?;
        let mut request = Request {
            room,
            instance: None,
            until: live.map(|live| live.last),
            from_snapshot: false,
        };
        let began = Instant::now();
        loop {
            let mut lines = VecDeque::with_capacity(limit);
            let mut take = |line: &Line| {
                if began.elapsed() > REPLAY_WITHIN {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                if lines.len() == limit {
                    lines.pop_front();
                }
                lines.push_back(line.clone());
                Ok(())
            };
            let output = Output {
                line: Some(&mut take),
                progress: &mut |_| {},
            };
            match replay::replay(&bus, &self.games, &request, output).await {
                Ok(report) => return Ok((lines, report)),
                // The log has forgotten the room's first entries.
                Err(ReplayError::NoRoom(
                    NoRoom::BeginningGone { .. } | NoRoom::OtherLog { .. },
                )) if !request.from_snapshot => {
                    request.from_snapshot = true;
                }
                Err(error) => return Err(NoHistory::Replay(error)),
            }
        }
    }

    async fn connect(&self) -> Result<Bus, NoHistory> {
        match &self.bus {
            BusSource::Shared(bus) => Ok(bus.clone()),
            BusSource::Nats => {
                let errors = NatsErrors::default();
                let cluster = &self.cluster;
                let bus = cluster.connect("history", BusRole::Tool, &errors, &self.supervisor);
                bus.await
                    .map_err(|error| NoHistory::Unavailable(error.to_string()))
            }
        }
    }
}

fn history(lines: VecDeque<Line>, report: Report, live: Option<LiveState>) -> History {
    let equal = equal(&report, live);
    History {
        room: report.room.to_string(),
        entries: lines.iter().map(entry).collect(),
        state: report.state.map(|state| state.json),
        equal,
    }
}

/// Whether the replay has the state of the room in memory; without one, that of the stored room.
fn equal(report: &Report, live: Option<LiveState>) -> Option<bool> {
    if !report.is_well() {
        return Some(false);
    }
    if let Some(live) = live {
        return Some(report.state.as_ref().map(|state| state.hash) == live.hash);
    }
    match report.comparison {
        Comparison::Equal { .. } | Comparison::BothDeleted { .. } => Some(true),
        _ => None,
    }
}

fn entry(line: &Line) -> Entry {
    let mut event = serde_json::to_value(line).unwrap_or_default();
    if let Some(fields) = event.as_object_mut() {
        for field in ["seq", "time", "time_ms"] {
            fields.remove(field);
        }
    }
    Entry {
        seq: line.seq,
        time: line.time.clone(),
        event,
    }
}

fn limit(query: &str) -> Result<usize, ApiAnswer> {
    if query.is_empty() {
        return Ok(LIMIT);
    }
    let limit = query.strip_prefix("limit=");
    let limit = limit.and_then(|limit| limit.parse().ok());
    let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        let text = format!("the query may have `limit`, an integer from 1 to {MAX_LIMIT}");
        ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_query", &text)
    })
}

fn problem(why: NoHistory) -> ApiAnswer {
    let unavailable =
        |text: &str| ApiAnswer::problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text);
    match why {
        NoHistory::Replay(ReplayError::NoRoom(why)) => {
            let text = why.to_string();
            ApiAnswer::problem(StatusCode::NOT_FOUND, "no_such_room", &text)
        }
        NoHistory::Replay(ReplayError::Output(_)) => unavailable(&format!(
            "the room cannot be replayed within {} s; `grandstand replay` has no limit",
            REPLAY_WITHIN.as_secs()
        )),
        NoHistory::Replay(error) => unavailable(&error.to_string()),
        NoHistory::Unavailable(text) => unavailable(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_200_unless_the_query_says_otherwise() {
        assert_eq!(limit("").unwrap(), 200);
        assert_eq!(limit("limit=1").unwrap(), 1);
        assert_eq!(limit("limit=1000").unwrap(), 1000);
        for query in [
            "limit=0",
            "limit=1001",
            "limit=",
            "limit=1&limit=2",
            "n=1",
            "limit=-1",
        ] {
            assert_eq!(limit(query).unwrap_err().status, 400, "{query}");
        }
    }
}
