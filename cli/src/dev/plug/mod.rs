//! Plugs that the page of `grandstand dev` pulls, to show what players see when a part of the server dies: an API at
//! `/dev/` on the admin port.
//!
//! The API passes a [`Pull`] to the main loop of the process, which owns the parts, and answers once the new part serves.

mod pull;

mod origins;

mod history;

mod api;

use std::sync::Arc;

use grandstand_common::process::admin::PageApi;
use tokio::sync::mpsc;

use api::PlugApi;
pub(super) use history::Histories;
pub(super) use origins::origins;
pub(super) use pull::{Plug, Pull, Refusal};

/// The folder of the API.
const PREFIX: &str = "/dev/";

/// The header that all requests have.
const HEADER: &str = "x-grandstand-plug";

/// The requests for the API that may be answered: those of programs and of pages of these origins.
pub(super) fn access(origins: Vec<String>) -> PageApi {
    PageApi::new(PREFIX, HEADER, origins)
}

/// The API, and the plugs that it pulls.
pub(super) fn api(histories: Histories) -> (Arc<PlugApi>, mpsc::Receiver<Pull>) {
    let (pulls, pulled) = mpsc::channel(1);
    (PlugApi::new(pulls, histories), pulled)
}
