//! Answers requests about leaderboards on the bus.

use std::time::Duration;

use grandstand_common::bus::Bus;
use grandstand_common::leaderboard::{LeaderboardAnswer, LeaderboardError, LeaderboardErrorCode};
use grandstand_common::subject;
use tokio::time::sleep;

use super::leaderboards::Leaderboards;
use super::metrics::{Answered, ArchiveMetrics};

/// The most requests that wait. More are dropped, and their senders get no answer in time.
const CAPACITY: usize = 256;

/// The pause after the bus has refused a subscription.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers requests, one after the other. Forever.
pub(super) async fn answer_requests(
    bus: Bus,
    mut leaderboards: Leaderboards,
    metrics: ArchiveMetrics,
) {
    loop {
        match bus.subscribe(subject::LEADERBOARD, CAPACITY).await {
            Ok(mut requests) => {
                while let Some(request) = requests.next().await {
                    // Trials of permissions have no sender to answer to.
                    let Some(reply) = request.reply else { continue };
                    let answer = answer(&mut leaderboards, &request.payload, &metrics).await;
                    match serde_json::to_vec(&answer) {
                        Ok(answer) => {
                            if let Err(error) = bus.publish(reply, answer.into()).await {
                                tracing::debug!(%error, "an answer about a leaderboard is not sent");
                            }
                        }
                        Err(error) => tracing::error!(%error, "an answer is not JSON"),
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cannot listen for questions"),
        }
        sleep(PAUSE).await;
    }
}

async fn answer(
    leaderboards: &mut Leaderboards,
    request: &[u8],
    metrics: &ArchiveMetrics,
) -> LeaderboardAnswer {
    let asked = match serde_json::from_slice(request) {
        Ok(request) => leaderboards.page(&request).await,
        Err(error) => Err(LeaderboardError::new(
            LeaderboardErrorCode::BadRequest,
            format!("the request is wrong: {error}"),
        )),
    };
    match asked {
        Ok(page) => {
            metrics.questions.inc(Answered::Page);
            LeaderboardAnswer::Page(page)
        }
        Err(error) => {
            metrics.questions.inc(match error.code {
                LeaderboardErrorCode::Unavailable => Answered::Unavailable,
                _ => Answered::Refused,
            });
            LeaderboardAnswer::Error(error)
        }
    }
}
