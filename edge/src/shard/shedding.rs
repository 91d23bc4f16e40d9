//! Closes clients of a shard while memory is short.

use std::rc::Rc;
use std::time::Duration;

use crate::limits::{Pressure, SharedLimits};
use crate::shard::handle::Shard;

/// The time between two rounds: 4 % of the clients are closed per second.
const ROUND: Duration = Duration::from_millis(500);

/// Closes clients while memory is short, forever.
pub(crate) async fn drive_shedding(shard: Rc<Shard>, limits: SharedLimits) {
    loop {
        tokio::time::sleep(ROUND).await;
        let pressure = limits.pressure();
        if pressure >= Pressure::Spectators {
            let with_players = pressure >= Pressure::Players;
            shard.run(|core, connections, _| core.shed(with_players, connections));
        }
    }
}
