//! Closes clients of a shard while memory is short, and tells those that stay.

use std::rc::Rc;
use std::time::Duration;

use crate::limits::SharedLimits;
use crate::shard::handle::Shard;

/// The time between two rounds: 4 % of the clients are closed per second.
const ROUND: Duration = Duration::from_millis(500);

/// Sheds what the lack of memory demands, forever.
pub(crate) async fn drive_shedding(shard: Rc<Shard>, limits: SharedLimits) {
    loop {
        tokio::time::sleep(ROUND).await;
        let pressure = limits.pressure();
        shard.run(|core, connections, now| core.shed(pressure, now, connections));
    }
}
