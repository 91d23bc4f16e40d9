//! What is measured.

pub mod common;

pub mod idle;

pub mod fanout;
