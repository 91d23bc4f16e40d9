//! The games that come with Grandstand.

pub use grandstand_games::arena::Arena;
pub use grandstand_games::http::HttpRoom;
pub use grandstand_games::memory::Memory;
pub use grandstand_games::memory_queue::MemoryQueue;
pub use grandstand_games::relay::Relay;
