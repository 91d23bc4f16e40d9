//! The games that come with Grandstand.

pub mod arena;

pub mod memory;

pub mod memory_queue;

pub mod relay;

pub mod http;

use grandstand_game::Games;

/// Adds the games of this crate.
pub fn register(games: &mut Games) {
    games.add::<memory::Memory>();
    games.add::<relay::Relay>();
    games.add_queue::<memory_queue::MemoryQueue>();
    games.add::<http::HttpRoom>();
    games
        .add_realtime::<arena::Arena>()
        .played_by(arena::Arena::play);
}

/// The games of this crate.
pub fn all() -> Games {
    let mut games = Games::new();
    register(&mut games);
    games
}
