//! What happens, one event after the other.

use super::*;

impl Sim {
    pub(super) fn run(&mut self, until: u64) {
        loop {
            for index in 0..self.nodes.len() {
                self.drive(index);
            }
            self.check();
            let timeouts = self.nodes.iter().filter(|node| node.alive && !node.paused);
            let timeout = timeouts
                .filter_map(|node| node.machine.poll_timeout())
                .map(|at| at.duration_since(self.start).as_millis() as u64)
                .min();
            let event = self.queue.peek().map(|Reverse((at, _))| *at);
            let next = timeout.into_iter().chain(event).min().unwrap_or(until);
            if next.max(self.ms) >= until {
                self.ms = until;
                return;
            }
            if event.is_some_and(|at| at <= next) {
                let Reverse((at, id)) = self.queue.pop().unwrap();
                self.ms = self.ms.max(at);
                let event = self.events.remove(&id).unwrap();
                self.happen(event);
            } else {
                // Another millisecond at least: a timeout that nothing comes of must not stop the clock.
                self.ms = next.max(self.ms + 1);
            }
        }
    }

    /// What the driver does.
    fn drive(&mut self, index: usize) {
        let now = self.now();
        while self.nodes[index].alive && !self.nodes[index].paused {
            let unix_ms = 1_000_000 + self.ms;
            let Some(command) = self.nodes[index].machine.poll_command(now, unix_ms) else {
                return;
            };
            match command {
                LeaseCommand::Put {
                    place,
                    value,
                    expected,
                } => self.send(index, place, Some((value, expected))),
                LeaseCommand::Look { place } => self.send(index, place, None),
                LeaseCommand::Forget { .. } => {}
                LeaseCommand::Probe(probe) => self.probe(index, probe),
                LeaseCommand::Start { partition, epoch } => {
                    let last = self.epochs.insert(partition, epoch);
                    assert!(
                        last < Some(epoch),
                        "seed {}: {partition} {last:?} {epoch:?}",
                        self.seed
                    );
                    let ms = self.rng.random_range(0..200);
                    self.later(
                        ms,
                        Happens::Read {
                            node: index,
                            partition,
                            epoch,
                        },
                    );
                }
                LeaseCommand::Stop { partition } => {
                    let ms = self.rng.random_range(0..50);
                    self.later(
                        ms,
                        Happens::Stopped {
                            node: index,
                            partition,
                        },
                    );
                }
                LeaseCommand::Lost { .. } => {}
                LeaseCommand::Dead => {
                    self.nodes[index].alive = false;
                    self.spawn();
                }
                LeaseCommand::Gone => self.nodes[index].alive = false,
            }
        }
    }

    fn send(&mut self, node: usize, place: RecordKey, put: Option<(Bytes, u64)>) {
        self.count += 1;
        let (id, link, is_put) = (self.count, self.nodes[node].link, put.is_some());
        let op = Op {
            id,
            place: place.clone(),
            put,
        };
        self.nodes[node].waiting.insert(id, place);
        self.nodes[node].puts.insert(id, is_put);
        if self.nodes[node].up {
            let ms = self.delay();
            self.later(ms, Happens::Arrives { node, link, op });
        }
        self.later(PUT_TIMEOUT, Happens::TimedOut { node, id });
    }

    fn probe(&mut self, node: usize, probe: Probe) {
        let target = self.nodes.iter();
        let target = target
            .clone()
            .find(|node| *node.machine.id() == probe.worker);
        // The first server has lost its routes: whoever is connected elsewhere seems to be gone.
        let cut = self.clustered && self.ms < self.cut_until;
        let is_cut = cut
            && probe.observer == Observer::First
            && probe.worker != *self.nodes[node].machine.id();
        let (outcome, ms) = match target {
            _ if !self.nodes[node].up => (ProbeOutcome::Timeout, 300),
            _ if is_cut => (ProbeOutcome::NoResponders, 1),
            Some(target) if target.alive && target.up && !target.paused => (ProbeOutcome::Alive, 1),
            Some(target) if target.alive && target.up => (ProbeOutcome::Timeout, 300),
            _ => (ProbeOutcome::NoResponders, 1),
        };
        self.later(
            ms,
            Happens::Probed {
                node,
                probe,
                outcome,
            },
        );
    }

    fn happen(&mut self, event: Happens) {
        match event {
            Happens::Arrives { .. } if self.ms < self.stalled_until => {
                let ms = self.stalled_until - self.ms;
                self.later(ms, event);
            }
            Happens::Arrives { node, link, op } => self.store(node, link, op),
            Happens::Resumes { node } => {
                self.nodes[node].paused = false;
                for event in std::mem::take(&mut self.nodes[node].held) {
                    self.happen(event);
                }
            }
            Happens::LinkUp { node } => {
                self.nodes[node].up = true;
                self.nodes[node].link += 1;
                let now = self.now();
                self.nodes[node].machine.handle_link(now, true);
                self.show_all(node);
            }
            Happens::Answered { node, .. }
            | Happens::TimedOut { node, .. }
            | Happens::Shown { node, .. }
            | Happens::Probed { node, .. }
            | Happens::Read { node, .. }
            | Happens::Stopped { node, .. } => {
                if self.nodes[node].paused {
                    self.nodes[node].held.push(event);
                } else if self.nodes[node].alive {
                    self.hear(event);
                }
            }
        }
    }

    /// The store's side.
    fn store(&mut self, node: usize, link: u64, op: Op) {
        let key = format!("{:?}", op.place);
        let found = self.store.get(&key).map(|(_, entry)| entry.clone());
        let answer = match op.put {
            None => Answer::Look(found.map_or(Look::Missing, Look::Found)),
            Some((_, expected)) if found.as_ref().map_or(0, |entry| entry.revision) != expected => {
                Answer::Put(PutOutcome::Conflict)
            }
            Some((value, _)) => {
                self.revision += 1;
                let entry = KvEntry {
                    key: op.place.key(),
                    value: Some(value),
                    revision: self.revision,
                    time_ms: 1_000_000 + self.ms,
                };
                self.store.insert(key, (op.place.clone(), entry.clone()));
                self.show(&op.place, &entry);
                Answer::Put(PutOutcome::Stored(self.revision))
            }
        };
        let lost = !self.calm && self.rng.random_bool(0.02);
        if !lost && self.nodes[node].up && self.nodes[node].link == link {
            let ms = self.delay();
            self.later(
                ms,
                Happens::Answered {
                    node,
                    id: op.id,
                    answer,
                },
            );
        }
    }

    fn show(&mut self, place: &RecordKey, entry: &KvEntry) {
        for node in 0..self.nodes.len() {
            if !self.nodes[node].alive || !self.nodes[node].up {
                continue;
            }
            let at = (self.ms + self.delay()).max(self.nodes[node].shown_at);
            self.nodes[node].shown_at = at;
            let link = self.nodes[node].link;
            let (place, entry) = (place.clone(), entry.clone());
            self.later(
                at - self.ms,
                Happens::Shown {
                    node,
                    link,
                    place,
                    entry,
                },
            );
        }
    }

    /// The worker's side.
    fn hear(&mut self, event: Happens) {
        let now = self.now();
        match event {
            Happens::Answered { node, id, answer } => {
                let node = &mut self.nodes[node];
                if let Some(place) = node.waiting.remove(&id) {
                    match answer {
                        Answer::Put(outcome) => node.machine.handle_put(&place, outcome),
                        Answer::Look(look) => node.machine.handle_look(now, &place, &look),
                    }
                }
            }
            Happens::TimedOut { node, id } => {
                let node = &mut self.nodes[node];
                if let Some(place) = node.waiting.remove(&id) {
                    if node.puts[&id] {
                        node.machine.handle_put(&place, PutOutcome::Unknown);
                    } else {
                        node.machine.handle_look(now, &place, &Look::Failed);
                    }
                }
            }
            Happens::Shown {
                node,
                link,
                place,
                entry,
            } => {
                let node = &mut self.nodes[node];
                if node.link == link && node.up {
                    show(&mut node.machine, now, &place, &entry);
                }
            }
            Happens::Probed {
                node,
                probe,
                outcome,
            } => {
                let machine = &mut self.nodes[node].machine;
                machine.handle_probe(now, &probe, outcome);
            }
            Happens::Read {
                node,
                partition,
                epoch,
            } => {
                let machine = &mut self.nodes[node].machine;
                if machine.epoch(partition) == Some(epoch) {
                    machine.handle_ready(partition);
                }
            }
            Happens::Stopped { node, partition } => {
                self.nodes[node].machine.handle_stopped(partition);
            }
            _ => unreachable!("the others are not for a worker"),
        }
    }
}

pub(super) fn show(machine: &mut LeaseMachine, now: Instant, place: &RecordKey, entry: &KvEntry) {
    match place {
        RecordKey::Worker(_) => machine.handle_worker(now, entry),
        RecordKey::Lease(_) => machine.handle_lease(now, entry),
    }
}
