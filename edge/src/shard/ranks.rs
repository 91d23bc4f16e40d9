//! Questions about leaderboards, for a crowd that asks for the same ranks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use grandstand_common::bus::Bus;
use grandstand_common::leaderboard::{
    LeaderboardAnswer, LeaderboardError, LeaderboardErrorCode, LeaderboardRequest,
};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// The time for which an answer is given again.
const KEPT: Duration = Duration::from_secs(1);

/// The most time for an answer, with the time for which the question waits for others.
const WITHIN: Duration = Duration::from_secs(5);

/// The most questions of a shard that wait for the archive. The archive answers one after the other.
const ASKED: usize = 8;

/// The most different questions that a shard knows. Further ones are refused until the oldest are answered.
const KNOWN: usize = 1024;

/// An answer, and the time of its arrival.
#[derive(Debug)]
struct Answered {
    answer: Rc<LeaderboardAnswer>,
    at: Instant,
}

/// The questions of one shard. Those that are equal are asked once.
#[derive(Debug)]
pub(super) struct Ranks {
    known: RefCell<HashMap<LeaderboardRequest, Rc<OnceCell<Answered>>>>,
    places: Semaphore,
}

impl Default for Ranks {
    fn default() -> Self {
        Self {
            known: RefCell::default(),
            places: Semaphore::new(ASKED),
        }
    }
}

impl Ranks {
    /// Asks the archive, unless somebody else does or has just done so.
    pub(super) async fn ask(
        &self,
        bus: &Bus,
        request: LeaderboardRequest,
    ) -> Rc<LeaderboardAnswer> {
        let question = request.clone();
        self.share(question, async move {
            match request.ask(bus, WITHIN).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::debug!(%error, "a question about a leaderboard has no answer");
                    unavailable("the archive of results does not answer; ask again later")
                }
            }
        })
        .await
    }

    /// The answer that `asks` gives, or has given to somebody else. A client that leaves passes the question on to the next.
    async fn share(
        &self,
        question: LeaderboardRequest,
        asks: impl Future<Output = LeaderboardAnswer>,
    ) -> Rc<LeaderboardAnswer> {
        let until = Instant::now() + WITHIN;
        let Some(cell) = self.cell(question) else {
            let text = "too many different questions about leaderboards wait; ask again later";
            return Rc::new(unavailable(text));
        };
        let asking = cell.get_or_init(|| async move {
            let asked = async move {
                // The semaphore is never closed.
                let _place = self.places.acquire().await;
                asks.await
            };
            let answer = timeout_at(until, asked).await.unwrap_or_else(|_| {
                unavailable("the archive of results has too many questions; ask again later")
            });
            Answered {
                answer: Rc::new(answer),
                at: Instant::now(),
            }
        });
        match timeout(WITHIN, asking).await {
            Ok(answered) => Rc::clone(&answered.answer),
            Err(_) => Rc::new(unavailable(
                "the archive of results does not answer; ask again later",
            )),
        }
    }

    /// The place of a question's answer; `None` if there are too many.
    fn cell(&self, question: LeaderboardRequest) -> Option<Rc<OnceCell<Answered>>> {
        let mut known = self.known.borrow_mut();
        let is_current = |cell: &Rc<OnceCell<Answered>>| match cell.get() {
            Some(answered) => answered.at.elapsed() < KEPT,
            // Nobody asks any more if all clients have left.
            None => Rc::strong_count(cell) > 1,
        };
        if let Some(cell) = known.get(&question)
            && is_current(cell)
        {
            return Some(Rc::clone(cell));
        }
        if known.len() >= KNOWN {
            known.retain(|_, cell| is_current(cell));
        }
        if known.len() >= KNOWN {
            return None;
        }
        let cell = Rc::<OnceCell<Answered>>::default();
        known.insert(question, Rc::clone(&cell));
        Some(cell)
    }
}

fn unavailable(text: &str) -> LeaderboardAnswer {
    LeaderboardAnswer::Error(LeaderboardError::new(
        LeaderboardErrorCode::Unavailable,
        text,
    ))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use grandstand_common::leaderboard::LeaderboardPage;

    use super::*;

    fn question(board: &str) -> LeaderboardRequest {
        serde_json::from_value(serde_json::json!({ "board": board })).unwrap()
    }

    fn page(players: u64) -> LeaderboardAnswer {
        LeaderboardAnswer::Page(LeaderboardPage {
            players,
            rows: Vec::new(),
            next: None,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_asks_once_a_second() {
        let ranks = Ranks::default();
        let asked = Cell::new(0);
        let ask = |board: &str| {
            ranks.share(question(board), async {
                asked.set(asked.get() + 1);
                tokio::time::sleep(Duration::from_millis(100)).await;
                page(asked.get())
            })
        };
        let (a, b, other) = tokio::join!(ask("a"), ask("a"), ask("b"));
        assert!(Rc::ptr_eq(&a, &b) && !Rc::ptr_eq(&a, &other));
        assert!(Rc::ptr_eq(&a, &ask("a").await));
        assert_eq!(asked.get(), 2);
        tokio::time::sleep(KEPT).await;
        assert_eq!(*ask("a").await, page(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_passes_its_question_on() {
        let ranks = Ranks::default();
        let gone = ranks.share(question("a"), pending());
        let stays = ranks.share(question("a"), async { page(7) });
        let gone = timeout(Duration::from_secs(1), gone);
        let (gone, stays) = tokio::join!(gone, stays);
        assert!(gone.is_err());
        assert_eq!(*stays, page(7));
    }

    #[tokio::test(start_paused = true)]
    async fn questions_have_an_end_and_a_bound() {
        let ranks = Ranks::default();
        let boards: Vec<_> = (0..KNOWN).map(|n| format!("board-{n}")).collect();
        let mut all: Vec<_> = boards
            .iter()
            .map(|board| Box::pin(ranks.share(question(board), pending())))
            .collect();
        for asking in &mut all {
            assert!(timeout(Duration::ZERO, asking).await.is_err());
        }
        let more = ranks.share(question("more"), async { page(1) }).await;
        assert!(matches!(&*more, LeaderboardAnswer::Error(_)), "{more:?}");
        tokio::time::sleep(WITHIN).await;
        for asking in all {
            let answer = asking.await;
            assert!(
                matches!(&*answer, LeaderboardAnswer::Error(_)),
                "{answer:?}"
            );
        }
        tokio::time::sleep(KEPT).await;
        let more = ranks.share(question("more"), async { page(1) }).await;
        assert_eq!(*more, page(1));
    }
}
