//! Refusals of the log, such as of a full stream, for the process' readiness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use grandstand_common::bus::AppendError;
use grandstand_common::id::Partition;
use parking_lot::Mutex;

/// The time after its last refusal at which a partition is forgotten, because nothing is appended to it any more. Longer
/// than a chain's longest backoff and an append's timeout together.
const FORGET_AFTER: Duration = Duration::from_secs(12);
/// NATS' error code for a message that is larger than the stream allows: the fault of one client, not of the log.
const TOO_LARGE: u32 = 10_054;

/// The partitions whose entries the log refuses, with the server's words. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LogRefusals(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether `partitions` has entries: all that an append reads while the log works.
    any: AtomicBool,
    partitions: Mutex<BTreeMap<Partition, (Instant, String)>>,
}

impl LogRefusals {
    /// Notes the result of an append.
    pub(super) fn note(
        &self,
        partition: Partition,
        result: Result<(), &AppendError>,
        now: Instant,
    ) {
        match result {
            Ok(()) => {
                if self.0.any.load(Ordering::Relaxed) {
                    let mut partitions = self.0.partitions.lock();
                    partitions.remove(&partition);
                    self.0.any.store(!partitions.is_empty(), Ordering::Relaxed);
                }
            }
            Err(AppendError::Refused { code, description }) if *code != TOO_LARGE => {
                let mut partitions = self.0.partitions.lock();
                let words = format!("{description} ({code})");
                partitions.insert(partition, (now, words));
                self.0.any.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }

    /// The server's words about one of the partitions whose entries the log refuses.
    pub(crate) fn current(&self, now: Instant) -> Option<String> {
        if !self.0.any.load(Ordering::Relaxed) {
            return None;
        }
        let mut partitions = self.0.partitions.lock();
        partitions.retain(|_, (at, _)| now < *at + FORGET_AFTER);
        self.0.any.store(!partitions.is_empty(), Ordering::Relaxed);
        let (_, (_, words)) = partitions.first_key_value()?;
        Some(words.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u32) -> AppendError {
        AppendError::Refused {
            code,
            description: "maximum bytes exceeded".into(),
        }
    }

    #[test]
    fn d31_a_full_log_is_known_until_it_stores_an_entry_or_nothing_is_appended_any_more() {
        let (log, now) = (
            LogRefusals::default(),
            tokio::time::Instant::now().into_std(),
        );
        log.note(Partition(3), Err(&refused(TOO_LARGE)), now);
        assert_eq!(log.current(now), None);
        log.note(Partition(3), Err(&refused(10_077)), now);
        log.note(Partition(4), Err(&refused(10_077)), now);
        let words = "maximum bytes exceeded (10077)".to_owned();
        assert_eq!(log.current(now), Some(words.clone()));
        log.note(Partition(3), Ok(()), now);
        assert_eq!(log.current(now), Some(words));
        assert_eq!(log.current(now + FORGET_AFTER), None);
    }
}
