//! Answers questions about leaderboards from a database.

use std::time::Duration;

use grandstand_common::leaderboard::{
    LeaderboardError, LeaderboardErrorCode, LeaderboardPage, LeaderboardRequest,
};
use tokio::time::timeout;

use super::batch::StoreError;
use super::page::{NoPage, page};
use super::store::{Database, Reader};

/// The most time for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The leaderboards of a database. It is connected when it is needed, and again after a failure.
#[derive(Debug)]
pub(crate) struct Leaderboards {
    database: Database,
    reader: Option<Reader>,
}

impl Leaderboards {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            reader: None,
        }
    }

    /// The rows that a request asks for.
    ///
    /// # Errors
    /// If the request is wrong, the player has no result, or the database is unavailable.
    pub(crate) async fn page(
        &mut self,
        request: &LeaderboardRequest,
    ) -> Result<LeaderboardPage, LeaderboardError> {
        let is_old = self.reader.is_some();
        let asked = self.ask(request).await;
        // The database may have closed an idle connection.
        let asked = match asked {
            Err(NoPage::Store(_)) if is_old => self.ask(request).await,
            asked => asked,
        };
        asked.map_err(|no_page| match no_page {
            NoPage::Request(error) => error,
            NoPage::Store(error) => {
                tracing::debug!(%error, "a question about a leaderboard has no answer");
                let code = LeaderboardErrorCode::Unavailable;
                LeaderboardError::new(code, format!("the database is unavailable: {error}"))
            }
        })
    }

    async fn ask(&mut self, request: &LeaderboardRequest) -> Result<LeaderboardPage, NoPage> {
        let reader = self.reader.take().filter(|reader| !reader.is_closed());
        let asking = async {
            let mut reader = match reader {
                Some(reader) => reader,
                None => self.database.reader().await?,
            };
            let reading = reader.begin().await?;
            let asked = page(&reading, request).await;
            if !matches!(asked, Err(NoPage::Store(_))) {
                reading.end().await?;
                self.reader = Some(reader);
            }
            asked
        };
        let too_slow = || NoPage::Store(StoreError::Unavailable("it does not answer".to_owned()));
        timeout(TIMEOUT, asking)
            .await
            .unwrap_or_else(|_| Err(too_slow()))
    }
}
