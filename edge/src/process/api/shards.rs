//! Asks the shards of an edge.

use grandstand_common::id::RoomId;
use grandstand_common::process::admin::{ApiAnswer, ask};
use tokio::sync::{mpsc, oneshot};

use crate::core::{ListedRoom, Part};
use crate::shard::questions::{Asked, Question};

/// The problem with a shard that does not answer.
const SILENT: &str = "a shard does not answer; /health says whether its loop turns";

/// The queue of questions to a shard.
pub(crate) type Asker = mpsc::Sender<Question>;

/// The shards of an edge.
#[derive(Debug)]
pub(super) struct Shards(Vec<Asker>);

/// The place in a list that goes over all shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: usize,
    pub(super) slot: usize,
}

impl Shards {
    pub(super) fn new(shards: Vec<Asker>) -> Self {
        Self(shards)
    }

    /// Lists up to `limit` items from a place on, and returns the place to continue from; `None` at the end.
    pub(super) async fn list<T>(
        &self,
        from: Place,
        limit: usize,
        question: impl Fn(Asked, oneshot::Sender<Part<T>>) -> Question,
    ) -> Result<(Vec<T>, Option<Place>), ApiAnswer> {
        let mut items = Vec::new();
        let mut slot = from.slot;
        for (shard, asker) in self.0.iter().enumerate().skip(from.shard) {
            let asked = Asked {
                from: slot,
                limit: limit - items.len(),
            };
            if asked.limit == 0 {
                return Ok((items, Some(Place { shard, slot })));
            }
            let (more, next) = ask(asker, |reply| question(asked, reply), SILENT).await?;
            items.extend(more);
            if let Some(slot) = next {
                return Ok((items, Some(Place { shard, slot })));
            }
            slot = 0;
        }
        Ok((items, None))
    }

    /// A room, as each shard knows it that does.
    pub(super) async fn room(&self, id: &RoomId) -> Result<Vec<ListedRoom>, ApiAnswer> {
        let mut found = Vec::new();
        for asker in &self.0 {
            let room = ask(asker, |reply| Question::Room(id.clone(), reply), SILENT).await?;
            found.extend(room);
        }
        Ok(found)
    }
}
