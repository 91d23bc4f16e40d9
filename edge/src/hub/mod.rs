//! Rooms on this edge: who is in them, what they are shown, and how it gets to them.

pub mod room;

pub mod tail;

pub mod lane;

pub mod hold;

pub mod feed;

pub mod serve;

pub mod flush;
