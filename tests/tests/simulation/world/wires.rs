//! Carries out the commands of edges and the worker on the bus, with its faults.

use super::*;

/// A write of a key.
pub(super) struct Put {
    bucket: Bucket,
    key: String,
    value: Option<Bytes>,
    expected: u64,
}

impl World {
    pub(super) fn edge_command(&mut self, i: usize, command: core::Command) {
        match command {
            core::Command::Append {
                subject,
                payload,
                tag,
                ..
            } => self.edge_append(i, subject, payload, tag),
            core::Command::Interest {
                subject,
                payload,
                tag,
            } => {
                let partition = tag.partition;
                assert_eq!(subject::parse_partition(&subject), Some(partition));
                self.order += 1;
                let id = self.order;
                self.asked.insert(id, (i, tag));
                let ready = |(p, _, ready)| p == partition && ready;
                if !self.owner.partitions().iter().any(ready) {
                    return self.after(1..5, SimEvent::Answer(i, id, None));
                }
                self.at(self.ms + 1000, SimEvent::Answer(i, id, None));
                if self.chance(self.plan.lost) {
                    return;
                }
                let interest = Interest::decode(payload).expect("an interest");
                let to = format!("{i}.{id}");
                let ask = move |owner: &mut Engine, now: command::Now| {
                    owner.handle_interest(now, partition, &interest, Some(to));
                };
                self.after(0..5, SimEvent::Engine(self.generation, Box::new(ask)));
            }
            core::Command::Link {
                payload,
                worker,
                to,
                ..
            } => {
                let current = worker == format!("w-{}", self.generation);
                let lost = !current || self.chance(self.plan.lost);
                let now = self.owner_now();
                let request = LinkRequest::decode(payload).expect("a request");
                let reply = (!lost).then(|| {
                    let reply = self.owner.handle_link_request(now, &request);
                    Bytes::from(reply.encode_to_vec())
                });
                let answer = move |core: &mut Core, now: Now, _: &mut Sockets| {
                    core.handle_link_reply(&worker, to, reply, now);
                };
                let answer = self.to_edge(i, answer);
                self.after(1..10, answer);
            }
            core::Command::Subscribe { room } => {
                // The route takes effect only after a while.
                let route = move |world: &mut World| {
                    world.routes.insert((i, subject::hot(&room)));
                };
                self.after(0..200, SimEvent::Store(Box::new(route)));
            }
            core::Command::Unsubscribe { room } => {
                self.routes.remove(&(i, subject::hot(&room)));
            }
            core::Command::Publish { subject, payload } => {
                let partition =
                    subject::parse_partition(&subject).expect("live goes to a partition");
                let live = Live::decode(payload).expect("a live message");
                let generation = self.generation;
                let hear = move |owner: &mut Engine, now: command::Now| {
                    owner.handle_live(now, partition, live);
                };
                self.after(0..5, SimEvent::Engine(generation, Box::new(hear)));
            }
        }
    }

    pub(super) fn edge_append(
        &mut self,
        i: usize,
        subject: String,
        payload: Bytes,
        tag: AppendTag,
    ) {
        let answer = move |stored: Result<u64, AppendFailure>| {
            move |core: &mut Core, now: Now, _: &mut Sockets| core.handle_appended(tag, stored, now)
        };
        if self.chance(self.plan.lost) {
            // The answer fails at once, as on a disconnect, or never comes.
            if self.rng.random_bool(0.5) {
                let answer = self.to_edge(i, answer(Err(AppendFailure::Retry)));
                self.after(1..50, answer);
            }
            return;
        }
        let copies = 1 + usize::from(self.chance(self.plan.repeated));
        for _ in 0..copies {
            let (subject, payload) = (subject.clone(), payload.clone());
            let heard = !self.chance(self.plan.lost);
            let generation = self.edges[i].generation;
            let store = move |world: &mut World| {
                let seq = world.store.append(subject, payload, 1_000_000 + world.ms);
                if heard {
                    let answer = SimEvent::Edge(i, generation, Box::new(answer(Ok(seq))));
                    world.after(0..4, answer);
                }
            };
            self.along((1 << 40, i), SimEvent::Store(Box::new(store)));
        }
    }

    /// The worker reads new entries of the log.
    pub(super) fn feed_owner(&mut self) {
        let now = self.owner_now();
        let places: Vec<_> = self.readers.iter().map(|(&p, &from)| (p, from)).collect();
        for (partition, from) in places {
            let entries = self.store.read(partition, from);
            let count = entries.len() as u64;
            for (i, entry) in entries.into_iter().enumerate() {
                self.readers.insert(partition, entry.seq + 1);
                self.owner
                    .handle_log(now, Partition(partition), &entry, count - 1 - i as u64);
            }
        }
    }

    pub(super) fn outcome(&mut self, token: Token, outcome: Outcome) {
        let generation = self.generation;
        let tell =
            move |owner: &mut Engine, now: command::Now| owner.handle_outcome(now, token, outcome);
        self.after(0..5, SimEvent::Engine(generation, Box::new(tell)));
    }

    pub(super) fn owner_command(&mut self, command: command::Command) {
        use command::Command as C;
        let now = self.owner_now();
        match command {
            C::Publish { subject, payload } => self.publish(&subject, &payload),
            C::Reply { to, payload } => self.reply(&to, payload),
            C::Append {
                subject,
                payload,
                token,
            } => self.append(subject, payload, token),
            C::Emit {
                id, body, token, ..
            } => self.emit(id, body, token),
            C::PutIf {
                bucket,
                key,
                value,
                expected,
                token,
            }
            | C::PutExpiring {
                bucket,
                key,
                value,
                expected,
                token,
                ..
            } => {
                let put = Put {
                    bucket,
                    key,
                    value: Some(value),
                    expected,
                };
                self.write(put, token);
            }
            C::DeleteIf {
                bucket,
                key,
                expected,
                token,
            } => {
                let put = Put {
                    bucket,
                    key,
                    value: None,
                    expected,
                };
                self.write(put, token);
            }
            C::Get { bucket, key, token } => {
                let found = self.store.get(bucket, &key);
                self.outcome(token, Outcome::Value(found));
            }
            C::LogState { token, .. } => {
                let log = LogState {
                    first: 1,
                    last: self.store.log.len() as u64,
                    created_ms: 1,
                };
                self.outcome(token, Outcome::Log(log));
            }
            C::OpenLog { partition, from } => {
                self.readers.insert(partition.0, from);
                if self.store.read(partition.0, from).is_empty() {
                    self.owner.handle_log_idle(now, partition);
                }
            }
            C::CloseLog { partition } => {
                self.readers.remove(&partition.0);
            }
            C::OpenKv { partition, source } => {
                let prefix = subject::partition_prefix(partition);
                let entries = self.store.list(source.bucket(partition), &prefix);
                self.order += 1;
                self.watched.insert((partition.0, source), self.order);
                self.read_keys((partition, source), entries);
            }
            C::CloseKv { partition, source } => {
                self.watched.remove(&(partition.0, source));
            }
            C::Ready { partition, epoch } => {
                assert_eq!(epoch, Epoch(self.epoch));
                self.tell_lease(partition.0, true);
            }
            C::Released { .. } => {}
            command @ (C::RaiseNeeds { .. }
            | C::Lost { .. }
            | C::RolledBack { .. }
            | C::OpenRoom { .. }
            | C::CloseRoom { .. }) => {
                panic!(
                    "no game has versions, no owner loses a partition, no room is full: {command:?}"
                )
            }
        }
    }

    /// Answers an edge's request, unless the answer is lost.
    fn reply(&mut self, to: &str, payload: Bytes) {
        let parts: Vec<u64> = to
            .split('.')
            .map(|n| n.parse().expect("the reply address consists of numbers"))
            .collect();
        let edge = parts[0] as usize;
        if !self.chance(self.plan.lost) {
            let answer = SimEvent::Answer(edge, parts[1], Some(payload));
            self.after(0..5, answer);
        }
    }

    /// Sends a message of the worker to one edge, or to all edges that watch a hot room.
    fn publish(&mut self, subject: &str, payload: &Bytes) {
        let is_hot = subject.starts_with("hot.");
        for edge in 0..EDGES {
            let reached = if is_hot {
                self.routes.contains(&(edge, subject.to_owned()))
            } else {
                self.edge_of(subject) == Some(edge)
            };
            if !reached || self.away[edge] {
                continue;
            }
            let copies = if self.chance(self.plan.lost) {
                0
            } else {
                1 + usize::from(self.chance(self.plan.repeated))
            };
            for _ in 0..copies {
                let payload = payload.clone();
                let tell = move |core: &mut Core, now: Now, sockets: &mut Sockets| {
                    if is_hot {
                        core.handle_hot(payload, now, sockets)
                    } else {
                        core.handle_batch(payload, now, sockets)
                    }
                };
                let path = self.generation | u64::from(is_hot) << 50;
                let tell = self.to_edge(edge, tell);
                self.along((path, edge), tell);
            }
        }
    }

    /// Runs a write of the worker. It happens even if the worker has died, and its answer may be lost.
    pub(super) fn write(&mut self, put: Put, token: Token) {
        if self.chance(self.plan.lost) {
            return self.outcome(token, Outcome::Failed);
        }
        let heard = !self.chance(self.plan.lost);
        let generation = self.generation;
        let store = move |world: &mut World| {
            let Put {
                bucket,
                key,
                value,
                expected,
            } = put;
            let stored = world.store.put(bucket, &key, value, expected);
            if stored.is_some() {
                world.tell_watcher(bucket, &key);
            }
            let outcome = match stored {
                _ if !heard => Outcome::Failed,
                Some(revision) => Outcome::Stored(revision),
                None => Outcome::Conflict,
            };
            if generation == world.generation {
                world.outcome(token, outcome);
            }
        };
        let late = if self.chance(self.plan.reordered) {
            1..1500
        } else {
            0..5
        };
        self.after(late, SimEvent::Store(Box::new(store)));
    }

    /// Delivers stored keys to the worker's reader. Half of the readers of rooms are slow.
    fn read_keys(&mut self, reader: (Partition, KvSource), entries: Vec<KvEntry>) {
        let path = (1 << 41, usize::from(reader.0.0));
        let pause = match reader.1 {
            KvSource::Rooms if self.chance(0.5) => 300,
            _ => 1,
        };
        let mut behind = entries.len() as u64;
        for entry in entries {
            behind -= 1;
            let pause = self.rng.random_range(0..pause);
            let at = self.paths.entry(path).or_default();
            *at = self.ms.max(*at) + pause;
            let deliver = move |owner: &mut Engine, now: command::Now| {
                owner.handle_kv(now, reader, entry, behind);
            };
            self.deliver_key(reader, deliver);
        }
        let idle = move |owner: &mut Engine, now: command::Now| owner.handle_kv_idle(now, reader);
        self.deliver_key(reader, idle);
    }

    /// Tells the worker what a reader of keys delivers, unless another one replaces that reader first.
    fn deliver_key(
        &mut self,
        (partition, source): (Partition, KvSource),
        tell: impl FnOnce(&mut Engine, command::Now) + 'static,
    ) {
        let (generation, key) = (self.generation, (partition.0, source));
        let number = self.watched.get(&key).copied();
        let deliver = move |world: &mut World| {
            if generation == world.generation && world.watched.get(&key).copied() == number {
                let now = world.owner_now();
                tell(&mut world.owner, now);
            }
        };
        self.in_order(
            (1 << 41, usize::from(partition.0)),
            SimEvent::Store(Box::new(deliver)),
        );
    }

    /// Delivers a changed key to the worker's reader.
    fn tell_watcher(&mut self, bucket: Bucket, key: &str) {
        let Some(entry) = self.store.get(bucket, key) else {
            return;
        };
        let reads = |(p, source): &&(u16, KvSource)| {
            let partition = Partition(*p);
            source.bucket(partition) == bucket
                && key.starts_with(&subject::partition_prefix(partition))
        };
        let Some(&(p, source)) = self.watched.keys().find(reads) else {
            return;
        };
        let reader = (Partition(p), source);
        let deliver = move |owner: &mut Engine, now: command::Now| {
            owner.handle_kv(now, reader, entry, 0);
        };
        self.deliver_key(reader, deliver);
    }
}
