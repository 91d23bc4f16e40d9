//! The numbers of what each worker sends to this edge: a loss is seen, and asked for (D19).

use std::collections::BTreeMap;

use crate::core::ids::RoomKey;

/// A worker's numbers.
#[derive(Debug, Default)]
struct Link {
    /// The last number that came.
    last: u64,
    /// The last number that the worker said it has sent.
    claimed: u64,
    /// Numbers that did not come, not yet asked for or not yet answered.
    gap: Option<(u64, u64)>,
    /// A request for the gap is under way.
    asking: bool,
}

/// The links from all workers.
#[derive(Debug, Default)]
pub(crate) struct WorkerLinks {
    links: BTreeMap<String, Link>,
    /// Rooms whose acks wait until it is known whether a gap was about them, and in which worker's numbers that gap is:
    /// another worker's answers say nothing about it.
    held: BTreeMap<RoomKey, Box<str>>,
}

impl WorkerLinks {
    /// A batch has come. Returns whether it is new; one that is not has been asked for already.
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

    /// The worker says that `number` is the last that it sent. If `ordered`, it says so behind it.
    pub(crate) fn handle_claim(&mut self, worker: &str, number: u64, ordered: bool) {
        let link = self.link(worker);
        link.claimed = link.claimed.max(number);
        if ordered {
            link.settle();
        }
    }

    /// Time has passed since the claims so far: what they named should have come. Returns whether something is missing.
    pub(crate) fn settle(&mut self) -> bool {
        for link in self.links.values_mut() {
            link.settle();
        }
        self.links.values().any(|l| l.gap.is_some())
    }

    /// Whether something of the worker's is missing that it has not answered for.
    pub(crate) fn has_gap(&self, worker: &str) -> bool {
        self.links.get(worker).is_some_and(|l| l.gap.is_some())
    }

    /// Whether a claim waits to be settled, or a gap to be asked for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.links
            .values()
            .any(|l| l.claimed > l.last || (l.gap.is_some() && !l.asking))
    }

    /// The next gap to ask a worker for. Call until `None`.
    pub(crate) fn poll_request(&mut self) -> Option<(String, u64, u64)> {
        let (worker, link) = self
            .links
            .iter_mut()
            .find(|(_, l)| l.gap.is_some() && !l.asking)?;
        link.asking = true;
        let (from, to) = link.gap?;
        Some((worker.clone(), from, to))
    }

    /// The worker has answered for the gap up to `to`.
    pub(crate) fn answered(&mut self, worker: &str, to: u64) {
        if let Some(link) = self.links.get_mut(worker) {
            link.asking = false;
            link.gap = link
                .gap
                .filter(|gap| gap.1 > to)
                .map(|gap| (gap.0.max(to + 1), gap.1));
        }
    }

    /// The worker did not answer: it is to be asked again.
    pub(crate) fn unanswered(&mut self, worker: &str) {
        if let Some(link) = self.links.get_mut(worker) {
            link.asking = false;
        }
    }

    /// The worker is gone, and with it what it sent: its rooms are asked for at their next owner.
    pub(crate) fn forget(&mut self, worker: &str) {
        self.links.remove(worker);
    }

    /// Holds a room's acks until this worker has answered for its gap.
    pub(crate) fn hold(&mut self, room: RoomKey, worker: &str) {
        self.held.insert(room, worker.into());
    }

    /// Whether a room's acks wait for a worker's answer.
    pub(crate) fn is_held(&self, room: RoomKey) -> bool {
        self.held.contains_key(&room)
    }

    /// Holds a room's acks no longer.
    pub(crate) fn release(&mut self, room: RoomKey) {
        self.held.remove(&room);
    }

    /// Takes the rooms whose acks waited for this worker, if it has answered for all of its gap.
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
        self.links.entry(worker.to_owned()).or_default()
    }
}

impl Link {
    fn miss(&mut self, from: u64, to: u64) {
        let (first, last) = self.gap.unwrap_or((from, to));
        self.gap = Some((first.min(from), last.max(to)));
    }

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
    fn d19_a_hole_is_asked_for_until_it_is_answered() {
        let mut links = WorkerLinks::default();
        assert!(links.handle_batch("w", 1));
        assert!(links.handle_batch("w", 2));
        assert_eq!(links.poll_request(), None);
        assert!(links.handle_batch("w", 5));
        assert!(!links.handle_batch("w", 4), "late: it is asked for already");
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
    fn d19_the_last_message_is_missed_by_a_beat() {
        let mut links = WorkerLinks::default();
        assert!(links.handle_batch("w", 1));
        links.handle_claim("w", 2, true);
        assert_eq!(links.poll_request(), Some(("w".into(), 2, 2)));
    }

    #[test]
    fn d19_a_claim_out_of_order_waits() {
        let mut links = WorkerLinks::default();
        links.handle_claim("w", 1, false);
        assert_eq!(links.poll_request(), None);
        assert!(links.is_waiting());
        assert!(links.handle_batch("w", 1));
        assert!(!links.settle());
        links.handle_claim("w", 2, false);
        assert!(links.settle());
        assert_eq!(links.poll_request(), Some(("w".into(), 2, 2)));
    }
}
