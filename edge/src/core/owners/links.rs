//! The numbers of the batches that each sender sends to this edge. A gap shows a lost batch, which the edge asks for
//! (D19). Each loop of a worker is a sender of its own.

use std::collections::BTreeMap;

use crate::core::ids::RoomKey;

/// The most workers whose numbers are kept, those included that are gone. If a worker that was dropped sends again, it
/// is asked for everything.
const MAX_LINKS: usize = 1024;

/// The numbers of one worker's batches.
#[derive(Debug, Default)]
struct Link {
    /// The last number that arrived or was noted as missing.
    last: u64,
    /// The last number that the worker claims to have sent.
    claimed: u64,
    /// The first and the last missing number, until the worker has replied about them.
    gap: Option<(u64, u64)>,
    /// A request about the gap is not yet answered.
    in_flight: bool,
    /// The number of batches and claims of all workers before its last one.
    heard: u64,
}

/// The numbers of all workers' batches.
#[derive(Debug, Default)]
pub(crate) struct WorkerLinks {
    links: BTreeMap<String, Link>,
    /// Rooms whose acks wait until a worker has said whether its gap is about them, and that worker. Another worker's
    /// reply does not release them.
    held: BTreeMap<RoomKey, Box<str>>,
    /// The number of batches and claims of all workers.
    heard: u64,
}

impl WorkerLinks {
    /// Notes a batch that has arrived. Returns whether it is new; a late one has been noted as missing already.
    pub(crate) fn handle_batch(&mut self, worker: &str, number: u64) -> bool {
        let link = self.link(worker);
        if number <= link.last {
            return false;
        }
        if number > link.last + 1 {
            link.miss(link.last + 1, number - 1);
        }
        link.last = number;
        true
    }

    /// Notes a worker's claim that `number` is the last that it sent.
    pub(crate) fn handle_claim(&mut self, worker: &str, number: u64) {
        self.link(worker).claim(number);
    }

    /// Notes a claim that arrived on the same subject as the batches, so that earlier numbers that have not arrived are
    /// missing.
    pub(crate) fn handle_ordered_claim(&mut self, worker: &str, number: u64) {
        let link = self.link(worker);
        link.claim(number);
        link.settle();
    }

    /// Marks claimed numbers that have not arrived as missing, because their grace period is over. Returns whether
    /// there is a gap.
    pub(crate) fn settle(&mut self) -> bool {
        for link in self.links.values_mut() {
            link.settle();
        }
        self.links.values().any(|l| l.gap.is_some())
    }

    /// Whether a worker's numbers have a gap about which it has not replied.
    pub(crate) fn has_gap(&self, worker: &str) -> bool {
        self.links.get(worker).is_some_and(|l| l.gap.is_some())
    }

    /// Whether a claim waits for [`settle`](Self::settle), or a gap for a request.
    pub(crate) fn needs_timer(&self) -> bool {
        self.links
            .values()
            .any(|l| l.claimed > l.last || (l.gap.is_some() && !l.in_flight))
    }

    /// The next request to a worker: its id, the first and the last missing number. Call until `None`.
    pub(crate) fn poll_request(&mut self) -> Option<(String, u64, u64)> {
        let (worker, link) = self
            .links
            .iter_mut()
            .find(|(_, l)| l.gap.is_some() && !l.in_flight)?;
        link.in_flight = true;
        let (from, to) = link.gap?;
        Some((worker.clone(), from, to))
    }

    /// Notes a worker's reply about its gap up to `to`.
    pub(crate) fn answered(&mut self, worker: &str, to: u64) {
        if let Some(link) = self.links.get_mut(worker) {
            link.in_flight = false;
            let rest = link.gap.filter(|&(_, last)| last > to);
            link.gap = rest.map(|(first, last)| (first.max(to + 1), last));
        }
    }

    /// Notes that a worker did not reply, so that it is asked again.
    pub(crate) fn unanswered(&mut self, worker: &str) {
        if let Some(link) = self.links.get_mut(worker) {
            link.in_flight = false;
        }
    }

    /// Requests nothing more of a worker that is gone: the next owners of its rooms are asked for a sync. Its numbers stay,
    /// so that a late batch is not taken for a new one.
    pub(crate) fn give_up(&mut self, worker: &str) {
        if let Some(link) = self.links.get_mut(worker) {
            link.gap = None;
            link.in_flight = false;
            link.claimed = link.last;
        }
    }

    /// Holds a room's acks until this worker has replied about its gap.
    pub(crate) fn hold(&mut self, room: RoomKey, worker: &str) {
        self.held.insert(room, worker.into());
    }

    /// Stops holding a room's acks.
    pub(crate) fn release(&mut self, room: RoomKey) {
        self.held.remove(&room);
    }

    /// Takes the rooms whose acks waited for this worker, if it has replied about all of its gap.
    pub(crate) fn take_released(&mut self, worker: &str) -> Vec<RoomKey> {
        if self.has_gap(worker) {
            return Vec::new();
        }
        let of_worker = self.held.iter().filter(|(_, by)| ***by == *worker);
        let released: Vec<_> = of_worker.map(|(&room, _)| room).collect();
        self.held.retain(|_, by| **by != *worker);
        released
    }

    fn link(&mut self, worker: &str) -> &mut Link {
        self.heard += 1;
        if !self.links.contains_key(worker) {
            self.evict();
        }
        let link = self.links.entry(worker.to_owned()).or_default();
        link.heard = self.heard;
        link
    }

    /// Drops the link that was not heard of for longest, if there are too many.
    fn evict(&mut self) {
        if self.links.len() < MAX_LINKS {
            return;
        }
        let oldest = self.links.iter().min_by_key(|(_, link)| link.heard);
        if let Some(worker) = oldest.map(|(worker, _)| worker.clone()) {
            self.links.remove(&worker);
        }
    }
}

impl Link {
    /// Adds missing numbers to the gap.
    fn miss(&mut self, from: u64, to: u64) {
        let (first, last) = self.gap.unwrap_or((from, to));
        self.gap = Some((first.min(from), last.max(to)));
    }

    fn claim(&mut self, number: u64) {
        self.claimed = self.claimed.max(number);
    }

    /// Marks the claimed numbers that have not arrived as missing.
    fn settle(&mut self) {
        if self.claimed > self.last {
            self.miss(self.last + 1, self.claimed);
            self.last = self.claimed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d19_a_gap_is_requested_until_the_worker_replies() {
        let mut links = WorkerLinks::default();
        assert!(links.handle_batch("w", 1));
        assert!(links.handle_batch("w", 2));
        assert_eq!(links.poll_request(), None);
        assert!(links.handle_batch("w", 5));
        assert!(
            !links.handle_batch("w", 4),
            "a late batch has been requested already"
        );
        assert_eq!(links.poll_request(), Some(("w".into(), 3, 4)));
        assert_eq!(links.poll_request(), None);
        links.unanswered("w");
        assert!(links.handle_batch("w", 8));
        assert_eq!(links.poll_request(), Some(("w".into(), 3, 7)));
        links.answered("w", 4);
        assert_eq!(links.poll_request(), Some(("w".into(), 5, 7)));
        links.answered("w", 7);
        assert_eq!(links.poll_request(), None);
    }

    #[test]
    fn d19_a_late_batch_of_a_worker_that_is_gone_is_not_new() {
        let mut links = WorkerLinks::default();
        assert!(links.handle_batch("w", 1));
        assert!(links.handle_batch("w", 3));
        links.give_up("w");
        assert_eq!(links.poll_request(), None);
        assert!(!links.handle_batch("w", 2));
        assert!(!links.handle_batch("w", 3));
        assert!(links.handle_batch("w", 4));
        assert_eq!(links.poll_request(), None);
    }

    #[test]
    fn d26_the_numbers_of_workers_that_are_gone_are_bounded() {
        let mut links = WorkerLinks::default();
        for start in 0..3 * MAX_LINKS {
            // Each worker that starts has another id.
            assert!(links.handle_batch(&format!("w-{start}"), 1));
            assert!(links.handle_batch("w", start as u64 + 1));
        }
        assert_eq!(links.links.len(), MAX_LINKS);
        assert_eq!(links.poll_request(), None);
    }

    #[test]
    fn d19_a_claim_shows_that_the_last_batch_is_missing() {
        let mut links = WorkerLinks::default();
        assert!(links.handle_batch("w", 1));
        links.handle_ordered_claim("w", 2);
        assert_eq!(links.poll_request(), Some(("w".into(), 2, 2)));
    }

    #[test]
    fn d19_a_claim_out_of_order_waits_for_its_grace_period() {
        let mut links = WorkerLinks::default();
        links.handle_claim("w", 1);
        assert_eq!(links.poll_request(), None);
        assert!(links.needs_timer());
        assert!(links.handle_batch("w", 1));
        assert!(!links.settle());
        links.handle_claim("w", 2);
        assert!(links.settle());
        assert_eq!(links.poll_request(), Some(("w".into(), 2, 2)));
    }
}
