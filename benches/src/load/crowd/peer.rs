//! The protocols of other servers.

use super::super::dialect::{Dialect, Step};
use super::super::{frame, timestamp};
use super::state::Crowd;

impl Crowd {
    pub(super) fn take_step(&mut self, client: usize, step: Step, now_ns: u64, out: &mut Vec<u8>) {
        match step {
            Step::Nothing => {}
            Step::Say(text) => frame::put(self.opcode(), text, out),
            Step::In => self.enter(client, now_ns),
        }
    }

    /// Handles a message of another server. Whatever its envelope, each message has one timestamp.
    pub(super) fn handle_peer(
        &mut self,
        client: usize,
        mut text: &[u8],
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        let mut timestamps = 0;
        while let Some((due_ns, end)) = timestamp::find(text) {
            self.count(due_ns, now_ns);
            text = &text[end..];
            timestamps += 1;
        }
        if timestamps == 0 || self.job.dialect == Dialect::Nats {
            let step = self.job.dialect.step(text);
            self.take_step(client, step, now_ns, out);
        }
    }

    /// Appends a message to publish.
    pub(super) fn put_publish(&self, due_ns: u64, out: &mut Vec<u8>) {
        let mut text = Vec::with_capacity(self.job.size as usize + 32);
        self.job
            .dialect
            .publish(due_ns, self.job.size as usize, &mut text);
        frame::put(self.opcode(), &text, out);
    }
}
