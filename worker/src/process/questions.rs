//! Questions of operators to the room loops. A loop answers in its turns, so that an answer is a state between two entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use grandstand_common::id::RoomId;
use grandstand_common::process::admin::{ApiAnswer, ask};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Engine, RoomPlace};
pub use crate::partition::LiveState;
use crate::partition::{ListedRoom, Page};

/// The questions that may wait for a loop. More operators wait before they ask.
const QUESTIONS: usize = 16;

/// The slots that are looked at in one turn of a loop: some tens of microseconds.
const SLOTS: usize = 512;

/// The problem with a room loop that does not answer.
pub(super) const SILENT: &str = "a room loop does not answer; /health says whether it turns";

/// A part of a list, and the place to continue from; `None` at its end.
pub(super) type Part = (Vec<ListedRoom>, Option<RoomPlace>);

/// A question to a room loop, and where its answer goes.
#[derive(Debug)]
pub(super) enum Question {
    /// The rooms from this place on, at most this many.
    Rooms(RoomPlace, usize, oneshot::Sender<Part>),
    Room(RoomId, oneshot::Sender<Option<ListedRoom>>),
    State(RoomId, oneshot::Sender<Option<LiveState>>),
}

/// The queue of questions to a loop.
pub(super) type Asker = mpsc::Sender<Question>;

/// The loops of a worker that take questions, by their numbers. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Questions(Arc<Mutex<BTreeMap<u64, Asker>>>);

impl Questions {
    /// Adds a loop. It gets its questions from what is returned.
    pub(super) fn add(&self, number: u64) -> mpsc::Receiver<Question> {
        let (asker, questions) = mpsc::channel(QUESTIONS);
        self.0.lock().insert(number, asker);
        questions
    }

    /// Removes a loop.
    pub(super) fn remove(&self, number: u64) {
        self.0.lock().remove(&number);
    }

    /// The state of a room in memory; `None` if no loop has it there.
    ///
    /// # Errors
    /// 503 if a loop does not answer.
    pub async fn live_state(&self, room: &RoomId) -> Result<Option<LiveState>, ApiAnswer> {
        for (_, asker) in self.from(0) {
            let state = ask(&asker, |reply| Question::State(room.clone(), reply), SILENT).await?;
            if state.is_some() {
                return Ok(state);
            }
        }
        Ok(None)
    }

    /// The loops from a number on.
    pub(super) fn from(&self, number: u64) -> Vec<(u64, Asker)> {
        let loops = self.0.lock();
        let loops = loops.range(number..);
        loops
            .map(|(number, asker)| (*number, asker.clone()))
            .collect()
    }
}

/// Answers a question. Whoever asked may have given up.
pub(super) fn answer(engine: &Engine, question: Question) {
    let partitions = engine.partitions();
    match question {
        Question::Rooms(from, limit, reply) => {
            let mut page = Page::new(limit, SLOTS);
            let next = partitions.list_rooms(from, &mut page);
            reply.send((page.into_items(), next)).ok();
        }
        Question::Room(id, reply) => {
            reply.send(partitions.room(&id)).ok();
        }
        Question::State(id, reply) => {
            reply.send(partitions.live_state(&id)).ok();
        }
    }
}
