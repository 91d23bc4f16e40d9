//! Runs a simulation event by event.

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
                if let Some(event) = self.events.remove(&id) {
                    self.handle(event);
                }
            } else {
                // At least one millisecond: a timeout without an effect must not stop the clock.
                self.ms = next.max(self.ms + 1);
            }
        }
    }

    /// Executes a machine's commands, as the driver does.
    fn drive(&mut self, index: usize) {
        let now = self.now();
        while self.nodes[index].alive && !self.nodes[index].paused {
            let log_ms = 1_000_000 + self.ms;
            let Some(command) = self.nodes[index].machine.poll_command(now, log_ms) else {
                return;
            };
            match command {
                LeaseCommand::Put {
                    record,
                    value,
                    expected,
                } => self.send(index, record, Some((value, expected))),
                LeaseCommand::Get { record } => self.send(index, record, None),
                LeaseCommand::Delete { .. } => {}
                LeaseCommand::Probe(probe) => self.probe(index, probe),
                LeaseCommand::Start {
                    partition, epoch, ..
                } => {
                    let last = self.epochs.insert(partition, epoch);
                    assert!(
                        last < Some(epoch),
                        "seed {}: {partition} {last:?} {epoch:?}",
                        self.seed
                    );
                    let ms = self.rng.random_range(0..200);
                    self.schedule(
                        ms,
                        Event::Read {
                            node: index,
                            partition,
                            epoch,
                        },
                    );
                    let version = self.nodes[index].version;
                    if self.rng.random_bool(0.3) {
                        let ms = self.rng.random_range(0..1_000);
                        self.schedule(
                            ms,
                            Event::Wants {
                                node: index,
                                partition,
                                epoch,
                                version,
                            },
                        );
                    }
                }
                LeaseCommand::Needs {
                    partition, needs, ..
                } => {
                    let version = self.nodes[index].version.min(needs[GAME]);
                    let stored = self.needs(partition);
                    assert!(
                        stored >= version || self.was_rolled_back,
                        "seed {}",
                        self.seed
                    );
                    if self.nodes[index].machine.may_act(now) && stored >= version {
                        let written = self.written.entry(partition).or_default();
                        *written = version.max(*written);
                    }
                }
                LeaseCommand::Stop { partition, .. } => {
                    let ms = self.rng.random_range(0..50);
                    self.schedule(
                        ms,
                        Event::Stopped {
                            node: index,
                            partition,
                        },
                    );
                }
                LeaseCommand::Lost { .. } => {}
                LeaseCommand::Dead | LeaseCommand::RolledBack => {
                    self.nodes[index].alive = false;
                    let carried_over = self.nodes[index].machine.carried_over();
                    self.spawn(carried_over);
                }
                LeaseCommand::Left => self.nodes[index].alive = false,
            }
        }
    }

    fn send(&mut self, node: usize, record: RecordKey, put: Option<(Bytes, u64)>) {
        self.count += 1;
        let id = self.count;
        let connection = self.nodes[node].connection;
        let is_put = put.is_some();
        let op = Op {
            id,
            record: record.clone(),
            put,
        };
        self.nodes[node].waiting.insert(id, record);
        self.nodes[node].puts.insert(id, is_put);
        if self.nodes[node].up {
            let ms = self.delay();
            self.schedule(
                ms,
                Event::Arrives {
                    node,
                    connection,
                    op,
                },
            );
        }
        self.schedule(PUT_TIMEOUT, Event::TimedOut { node, id });
    }

    fn probe(&mut self, node: usize, probe: Probe) {
        let target = self.nodes.iter();
        let target = target
            .clone()
            .find(|node| *node.machine.id() == probe.worker);
        // A server without routes has no responders for workers of other servers.
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
        self.schedule(
            ms,
            Event::Probed {
                node,
                probe,
                outcome,
            },
        );
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrives { .. } if self.ms < self.stalled_until => {
                let ms = self.stalled_until - self.ms;
                self.schedule(ms, event);
            }
            Event::Arrives {
                node,
                connection,
                op,
            } => self.store(node, connection, op),
            Event::Backup => self.backup = (self.store.clone(), self.revision),
            Event::Resumes { node } => {
                self.nodes[node].paused = false;
                for event in std::mem::take(&mut self.nodes[node].held) {
                    self.handle(event);
                }
            }
            Event::Connected { node } => {
                self.nodes[node].up = true;
                self.nodes[node].connection += 1;
                let now = self.now();
                self.nodes[node].machine.handle_connection(now, true);
                self.show_all(node);
            }
            Event::Answered { node, .. }
            | Event::TimedOut { node, .. }
            | Event::Shown { node, .. }
            | Event::Probed { node, .. }
            | Event::Read { node, .. }
            | Event::Wants { node, .. }
            | Event::Stopped { node, .. } => {
                if self.nodes[node].paused {
                    self.nodes[node].held.push(event);
                } else if self.nodes[node].alive {
                    self.deliver(event);
                }
            }
        }
    }

    /// Executes an operation in the store.
    fn store(&mut self, node: usize, connection: u64, op: Op) {
        let key = format!("{:?}", op.record);
        let found = self.store.get(&key).map(|(_, entry)| entry.clone());
        let answer = match op.put {
            None => Answer::Get(found.map_or(GetOutcome::Missing, GetOutcome::Found)),
            Some((_, expected)) if found.as_ref().map_or(0, |entry| entry.revision) != expected => {
                Answer::Put(PutOutcome::Conflict)
            }
            Some((value, _)) => {
                self.revision += 1;
                let entry = KvEntry {
                    key: op.record.key(),
                    value: Some(value),
                    revision: self.revision,
                    time_ms: 1_000_000 + self.ms,
                };
                self.store.insert(key, (op.record.clone(), entry.clone()));
                self.show(&op.record, &entry);
                if let RecordKey::Lease(partition) = op.record {
                    self.check_needs(partition);
                }
                Answer::Put(PutOutcome::Stored(self.revision))
            }
        };
        let lost = !self.calm && self.rng.random_bool(0.02);
        if !lost && self.nodes[node].up && self.nodes[node].connection == connection {
            let ms = self.delay();
            self.schedule(
                ms,
                Event::Answered {
                    node,
                    id: op.id,
                    answer,
                },
            );
        }
    }

    fn show(&mut self, record: &RecordKey, entry: &KvEntry) {
        for node in 0..self.nodes.len() {
            if !self.nodes[node].alive || !self.nodes[node].up {
                continue;
            }
            let at = (self.ms + self.delay()).max(self.nodes[node].shown_at);
            self.nodes[node].shown_at = at;
            let connection = self.nodes[node].connection;
            let record = record.clone();
            let entry = entry.clone();
            self.schedule(
                at - self.ms,
                Event::Shown {
                    node,
                    connection,
                    record,
                    entry,
                },
            );
        }
    }

    /// Delivers an event to its worker.
    fn deliver(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Answered { node, id, answer } => {
                let node = &mut self.nodes[node];
                if let Some(record) = node.waiting.remove(&id) {
                    match answer {
                        Answer::Put(outcome) => node.machine.handle_put(&record, outcome),
                        Answer::Get(look) => node.machine.handle_get(now, &record, &look),
                    }
                }
            }
            Event::TimedOut { node, id } => {
                let node = &mut self.nodes[node];
                if let Some(record) = node.waiting.remove(&id) {
                    if node.puts[&id] {
                        node.machine.handle_put(&record, PutOutcome::Unknown);
                    } else {
                        node.machine.handle_get(now, &record, &GetOutcome::Failed);
                    }
                }
            }
            Event::Shown {
                node,
                connection,
                record,
                entry,
            } => {
                let node = &mut self.nodes[node];
                if node.connection == connection && node.up {
                    show(&mut node.machine, now, &record, &entry);
                }
            }
            Event::Probed {
                node,
                probe,
                outcome,
            } => {
                let machine = &mut self.nodes[node].machine;
                machine.handle_probe(now, &probe, outcome);
            }
            Event::Read {
                node,
                partition,
                epoch,
            } => {
                let machine = &mut self.nodes[node].machine;
                if machine.epoch(partition) == Some(epoch) {
                    machine.handle_ready(partition);
                }
            }
            Event::Wants {
                node,
                partition,
                epoch,
                version,
            } => {
                let machine = &mut self.nodes[node].machine;
                if machine.epoch(partition) == Some(epoch) {
                    machine.handle_needs(partition, &games(version));
                }
            }
            Event::Stopped { node, partition } => {
                self.nodes[node].machine.handle_stopped(partition);
            }
            _ => unreachable!("the other events do not go to a worker"),
        }
    }
}

pub(super) fn show(machine: &mut LeaseMachine, now: Instant, record: &RecordKey, entry: &KvEntry) {
    match record {
        RecordKey::Worker(_) => machine.handle_worker(now, entry),
        RecordKey::Lease(_) => machine.handle_lease(now, entry),
    }
}
