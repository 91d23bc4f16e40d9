//! The end of a lane, as far as its clients have not been told.

use std::sync::Arc;

use grandstand_common::clock::Now;

use super::lane_clients::LaneClients;

/// The clients of a lane that has ended, of a room whose name may live on.
#[derive(Debug)]
pub(super) struct EndedTerm {
    pub(super) term: u32,
    pub(super) code: Arc<str>,
    pub(super) clients: LaneClients,
    pub(super) at: Now,
}
