//! `http`: rooms whose rules are an HTTP endpoint of the author's. `docs/games/serverless.md` describes them.
//!
//! The endpoint of a room is named by the first two parts of the room's name: `http-chat-7` asks the endpoint `http-chat`. What
//! happens in the room waits in a line of its own state, and goes to the endpoint one after the other, as calls. A reply
//! becomes updates.

mod happening;

mod reply;

mod room;

pub use room::{HttpParams, HttpRoom};
