//! A player: a task with a connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::id::PlayerId;
use grandstand_game::{Rng, ScriptedPlayer};
use grandstand_harness::client::{Client, ClientOptions};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::table::Table;
use crate::error::BenchError;

/// A player hears something within this time.
const SILENCE: Duration = Duration::from_secs(3600);

/// A player of a room.
pub(super) struct Player {
    client: Client,
    id: PlayerId,
    place: usize,
    generation: u64,
    room: String,
    game: Arc<Played>,
    rng: Rng,
    table: Rc<RefCell<Table>>,
    /// The due time of the unanswered input, and whether an update has come since.
    sent: Option<(Instant, bool)>,
}

/// The game that is played.
pub(super) struct Played {
    pub(super) name: String,
    pub(super) params: Value,
    pub(super) scripted: ScriptedPlayer,
}

impl Played {
    fn room(&self, place: usize, generation: u64) -> String {
        format!("{}-bench-{place}-{generation}", self.name)
    }
}

impl Player {
    async fn join(&mut self) {
        let params = json!({"params": self.game.params});
        self.client.start_join(&self.room, params).await;
        if let (Some(reduce), Some(room)) = (
            self.game.scripted.reduce,
            self.client.rooms.get_mut(&self.room),
        ) {
            room.reduce_with(reduce);
        }
    }

    /// Plays until the run is over.
    pub(super) async fn play(&mut self) -> Result<(), BenchError> {
        let mut due = None;
        loop {
            let (interval, is_over) = {
                let table = self.table.borrow();
                (table.interval, table.is_over)
            };
            if due.is_none()
                && let Some(interval) = interval
            {
                due = Some(Instant::now() + interval.mul_f64(self.rng.random_range(0.0..1.0)));
            }
            // Without a due time, it looks again soon.
            let at = due.unwrap_or_else(|| Instant::now() + Duration::from_millis(20));
            tokio::select! {
                () = sleep_until(at) => {
                    if let (Some(at), Some(interval), false) = (due, interval, is_over) {
                        self.act(at).await;
                        due = Some(at + interval);
                    }
                }
                message = self.client.next_within(SILENCE) => match message {
                    Some(message) => self.on_message(&message).await?,
                    None => return Err(self.failed("the connection was closed")),
                },
            }
            if is_over && self.sent.is_none() {
                return Ok(());
            }
            if is_over {
                due = None;
            }
        }
    }

    /// Sends the input that is due at `at`, if there is one.
    async fn act(&mut self, at: Instant) {
        let is_in_window = self.table.borrow().is_in_window(at);
        let room = self.client.rooms.get(&self.room);
        let Some(room) = room.filter(|room| room.is_shown() && room.unanswered() == 0) else {
            self.table.borrow_mut().tally.unsent += u64::from(is_in_window);
            return;
        };
        let mut view = room.view.clone();
        if let (Some(members), false) = (view.as_object_mut(), room.direct.is_null()) {
            members.insert("private".to_owned(), room.direct.clone());
        }
        let data = (self.game.scripted.play)(&view, &self.id, &mut self.rng);
        if data.is_null() {
            self.table.borrow_mut().passes += u64::from(is_in_window);
            return;
        }
        if self.game.scripted.is_realtime {
            let live = json!({"type": "live", "room": self.room, "data": data});
            self.client.send(live).await;
        }
        self.client.input(&self.room, data).await;
        self.sent = Some((at, false));
        let tally = &mut self.table.borrow_mut().tally;
        tally.sent += 1;
        tally.sent_in_window += u64::from(is_in_window);
    }

    async fn on_message(&mut self, message: &Value) -> Result<(), BenchError> {
        // A run is long: what was said is not kept.
        self.client.log.clear();
        if let Some(room) = self.client.rooms.get_mut(&self.room) {
            room.updates.clear();
        }
        if message["type"] == "error" && message["code"] != "room_unavailable" {
            return Err(self.failed(&message.to_string()));
        }
        if message["room"] != self.room {
            return Ok(());
        }
        let now = Instant::now();
        let is_finished = message["type"] == "reject" && message["code"] == "finished";
        {
            let table = &mut self.table.borrow_mut();
            let measured = self.sent.filter(|(at, _)| table.is_in_window(*at));
            match message["type"].as_str() {
                Some("update") => {
                    if let Some((at, false)) = measured {
                        table.tally.latencies.record_us(micros(now - at), 1);
                        table.tally.in_window += 1;
                    }
                    if let Some((_, has_update)) = &mut self.sent {
                        *has_update = true;
                    }
                }
                Some("reject") => table.tally.rejected += u64::from(measured.is_some()),
                _ => {}
            }
            let room = self.client.rooms.get(&self.room);
            if room.is_some_and(|room| room.unanswered() == 0) && self.sent.is_some() {
                if let Some((at, _)) = measured {
                    table.tally.acks.record_us(micros(now - at), 1);
                }
                self.sent = None;
            }
            let generation = &mut table.generations[self.place];
            if is_finished && *generation == self.generation {
                *generation += 1;
                table.finished += 1;
            }
        }
        self.follow().await;
        Ok(())
    }

    /// Goes to the next room of its place if the game is over and its last input is answered.
    async fn follow(&mut self) {
        let generation = self.table.borrow().generations[self.place];
        if generation == self.generation || self.sent.is_some() {
            return;
        }
        let leave = json!({"type": "leave", "room": self.room});
        self.client.send(leave).await;
        self.client.rooms.remove(&self.room);
        self.generation = generation;
        self.room = self.game.room(self.place, generation);
        self.join().await;
    }

    fn failed(&self, why: &str) -> BenchError {
        BenchError::Failed(format!("{} in {}: {why}", self.id, self.room))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Connects a player, who joins the first room of the place.
pub(super) async fn enter(
    options: ClientOptions,
    name: &str,
    place: usize,
    game: Arc<Played>,
    table: Rc<RefCell<Table>>,
    gate: &Semaphore,
) -> Result<Player, BenchError> {
    let id = name.parse::<PlayerId>();
    let id = id.map_err(|error| BenchError::Failed(error.to_string()))?;
    let _pass = gate.acquire().await;
    let mut player = Player {
        client: Client::connect(options).await,
        id,
        place,
        generation: 0,
        room: game.room(place, 0),
        game,
        rng: Rng::seed_from_u64(place as u64),
        table,
        sent: None,
    };
    player.join().await;
    while !player.client.rooms[&player.room].is_shown() {
        match player.client.next().await {
            Some(message) => player.on_message(&message).await?,
            None => return Err(player.failed("the connection was closed")),
        }
    }
    player.table.borrow_mut().tally.live += 1;
    Ok(player)
}
