//! The scenarios.

pub mod jobs;

pub mod measure;

pub mod figures;

pub mod variant;

pub mod stage;

pub mod engine;

pub mod views;

pub mod idle;

pub mod fanout;

pub mod rooms;

pub mod own_rooms;

pub mod arena;
pub mod matching;

pub mod mixed;

pub mod storm;

pub mod slow;

pub mod crowd;

pub mod quic;

pub mod pause;

pub mod hostile;

pub mod peers;

pub mod front;
