//! Rooms on this edge: who is in them, what they are shown, and how it gets to them.

pub mod room;

pub mod sessions;

pub mod chain;

pub mod lane;

pub mod update_ring;

pub mod frame_log;

pub mod delay;
