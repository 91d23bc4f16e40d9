//! The rooms that lobbies show, which the shards of a process share.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::auth::Grants;
use grandstand_common::id::RoomId;
use grandstand_common::record::RoomListing;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::server::backend::{LobbyPage, LobbyQuestion, LobbyRoom};

/// The time for which a listing counts after its owner has written it.
const KEPT_MS: u64 = 65_000;

/// The most time for an answer while the rooms are being read.
const WITHIN: Duration = Duration::from_secs(5);

/// The time for which the rooms are followed after the last question.
const FOLLOWED: Duration = Duration::from_secs(60);

/// The most rooms that are looked at for an answer, a fraction of a millisecond.
const LOOKED_AT: usize = 2_000;

/// The rooms that lobbies show. They are in memory only while somebody asks for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lobby(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    rooms: Mutex<BTreeMap<RoomId, Known>>,
    /// Whether all rooms are read.
    is_read: watch::Sender<bool>,
    /// The time of the last question.
    asked: watch::Sender<Option<Instant>>,
}

/// A room, and the time of its last write, Unix milliseconds by the clock of the bus.
#[derive(Debug)]
struct Known {
    listing: RoomListing,
    at_ms: u64,
}

impl Lobby {
    /// Answers a question, of rooms in which these rights allow to play or to watch. `None` if the rooms cannot be read.
    pub(super) async fn ask(
        &self,
        question: &LobbyQuestion,
        grants: &Grants,
        now_ms: impl Fn() -> u64,
    ) -> Option<LobbyPage> {
        self.0.asked.send_replace(Some(Instant::now()));
        let mut is_read = self.0.is_read.subscribe();
        let read = timeout(WITHIN, is_read.wait_for(|is_read| *is_read)).await;
        // An error means that the process ends.
        read.ok()?.ok()?;
        Some(self.page(question, grants, now_ms()))
    }

    fn page(&self, question: &LobbyQuestion, grants: &Grants, now_ms: u64) -> LobbyPage {
        let rooms = self.0.rooms.lock();
        let mut page = LobbyPage::default();
        for (looked_at, (room, known)) in range(&rooms, question).enumerate() {
            if page.rooms.len() == question.limit || looked_at == LOOKED_AT {
                page.is_partial = true;
                break;
            }
            page.last = Some(room.clone());
            let is_current = known.at_ms.saturating_add(KEPT_MS) > now_ms;
            let is_wanted = is_current && question.wants(room, &known.listing);
            if is_wanted && grants.room(room).is_some() {
                page.rooms.push(LobbyRoom {
                    room: room.clone(),
                    listing: known.listing.clone(),
                });
            }
        }
        page
    }

    /// Waits until somebody asks.
    pub(crate) async fn wanted(&self) {
        let mut asked = self.0.asked.subscribe();
        let is_recent = |asked: &Option<Instant>| asked.is_some_and(|at| at.elapsed() < FOLLOWED);
        // The sender is as old as the lobby.
        asked.wait_for(is_recent).await.ok();
    }

    /// Whether nobody has asked for a while.
    pub(crate) fn is_unwanted(&self) -> bool {
        let asked = *self.0.asked.borrow();
        asked.is_none_or(|at| at.elapsed() >= FOLLOWED)
    }

    /// Sets what a room's owner has written, or (`None`) that the room is gone.
    pub(crate) fn set(&self, room: RoomId, listing: Option<RoomListing>, at_ms: u64) {
        let mut rooms = self.0.rooms.lock();
        match listing {
            Some(listing) => drop(rooms.insert(room, Known { listing, at_ms })),
            None => drop(rooms.remove(&room)),
        }
    }

    /// Notes that all rooms are read.
    pub(crate) fn set_read(&self) {
        self.0.is_read.send_replace(true);
    }

    /// Forgets the rooms whose owners have not written them for a while.
    pub(crate) fn expire(&self, now_ms: u64) {
        let mut rooms = self.0.rooms.lock();
        rooms.retain(|_, known| known.at_ms.saturating_add(KEPT_MS) > now_ms);
    }

    /// Forgets all rooms, because they are not followed any more.
    pub(crate) fn clear(&self) {
        self.0.is_read.send_replace(false);
        self.0.rooms.lock().clear();
    }
}

/// The rooms behind the last one of the page before, as far as their names begin like those of the wanted game.
fn range<'a>(
    rooms: &'a BTreeMap<RoomId, Known>,
    question: &'a LobbyQuestion,
) -> impl Iterator<Item = (&'a RoomId, &'a Known)> {
    let game = question.game.as_deref().unwrap_or_default();
    let from = match &question.after {
        Some(after) if after.as_str() >= game => Bound::Excluded(after.as_str()),
        _ => Bound::Included(game),
    };
    rooms
        .range::<str, _>((from, Bound::Unbounded))
        .take_while(move |(room, _)| room.as_str().starts_with(game))
}

#[cfg(test)]
mod tests {
    use grandstand_common::auth::{Claims, Expected, Key, Signer, Verifier};
    use grandstand_common::envelope::Role;
    use grandstand_common::id::{Epoch, Instance};
    use grandstand_common::listing::Listing;

    use super::*;

    fn id(room: &str) -> RoomId {
        room.parse().unwrap()
    }

    fn listing(taken: usize, map: &str) -> RoomListing {
        RoomListing {
            epoch: Epoch(1),
            instance: Instance(7),
            players: 1,
            spectators: 0,
            listing: Listing::of_seats(taken, 2).with("map", map),
        }
    }

    fn lobby() -> Lobby {
        let lobby = Lobby::default();
        for (room, taken, map) in [
            ("race-1", 1, "desert"),
            ("race-2", 2, "desert"),
            ("race-3", 0, "city"),
            ("racer-1", 1, "desert"),
            ("chess-1", 1, "none"),
        ] {
            lobby.set(id(room), Some(listing(taken, map)), 1_000);
        }
        lobby.set_read();
        lobby
    }

    fn anyone() -> Grants {
        Grants::trusted("alice".parse().unwrap())
    }

    async fn ask(lobby: &Lobby, question: &LobbyQuestion) -> Vec<String> {
        let page = lobby.ask(question, &anyone(), || 2_000).await.unwrap();
        let rooms = page.rooms.iter();
        rooms.map(|listed| listed.room.to_string()).collect()
    }

    fn question() -> LobbyQuestion {
        LobbyQuestion {
            limit: 50,
            ..LobbyQuestion::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_are_chosen_by_game_state_and_labels() {
        let lobby = lobby();
        let all = ["chess-1", "race-1", "race-2", "race-3", "racer-1"];
        assert_eq!(ask(&lobby, &question()).await, all);
        let race = LobbyQuestion {
            game: Some("race".to_owned()),
            ..question()
        };
        let found = ask(&lobby, &race).await;
        assert_eq!(found, ["race-1", "race-2", "race-3"]);
        let open = LobbyQuestion {
            open: Some(true),
            labels: vec![("map".to_owned(), "desert".to_owned())],
            ..race
        };
        assert_eq!(ask(&lobby, &open).await, ["race-1"]);
        let full = LobbyQuestion {
            open: Some(false),
            ..question()
        };
        assert_eq!(ask(&lobby, &full).await, ["race-2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn pages_follow_one_another() {
        let lobby = lobby();
        let mut question = LobbyQuestion {
            limit: 2,
            ..question()
        };
        let mut found = Vec::new();
        loop {
            let page = lobby.ask(&question, &anyone(), || 2_000).await.unwrap();
            assert!(page.rooms.len() <= 2);
            found.extend(page.rooms.iter().map(|listed| listed.room.to_string()));
            if !page.is_partial {
                break;
            }
            question.after = page.last;
        }
        let all = ["chess-1", "race-1", "race-2", "race-3", "racer-1"];
        assert_eq!(found, all);
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_of_others_and_of_owners_that_are_gone_are_not_shown() {
        let lobby = lobby();
        let secret = b"a secret for tests only, 32 bytes";
        let claims = Claims::new("bob".parse().unwrap(), 60);
        let claims = claims.allow("race-*", Role::Player, None);
        let token = Signer::hs256(secret).unwrap().sign(&claims.unwrap());
        let keys = vec![Key::secret(secret).unwrap()];
        let verifier = Verifier::new(keys, Expected::default());
        let grants = verifier.verify(&token, 0).unwrap();
        let page = lobby.ask(&question(), &grants, || 2_000).await.unwrap();
        assert_eq!(page.rooms.len(), 3);
        let page = lobby.ask(&question(), &grants, || 66_001).await.unwrap();
        assert_eq!(page.rooms, []);
        lobby.expire(66_001);
        assert_eq!(ask(&lobby, &question()).await, [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_are_read_only_while_somebody_asks() {
        let lobby = Lobby::default();
        assert!(lobby.is_unwanted());
        let asked = lobby.ask(&question(), &anyone(), || 0).await;
        assert_eq!(asked, None, "nobody reads them");
        lobby.wanted().await;
        assert!(!lobby.is_unwanted());
        tokio::time::sleep(FOLLOWED).await;
        assert!(lobby.is_unwanted());
    }
}
