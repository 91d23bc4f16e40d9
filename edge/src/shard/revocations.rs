//! Ends what a shard's clients have by revoked tokens.

use std::rc::Rc;

use grandstand_common::auth::Revocations;

use crate::shard::handle::Shard;

/// The slots of clients that are looked at before other tasks run. If all of them are closed, that takes about half a
/// millisecond.
const SLOTS: usize = 64;

/// Looks at all clients after each change, forever.
pub(crate) async fn drive_revocations(shard: Rc<Shard>, revocations: Revocations) {
    let mut changes = revocations.changes();
    // The sender is in `revocations`.
    while changes.changed().await.is_ok() {
        let mut next = (!revocations.is_empty()).then_some(0);
        while let Some(slot) = next {
            next = shard.run(|core, conns, now| core.handle_revocations(slot, SLOTS, now, conns));
            tokio::task::yield_now().await;
        }
    }
}
