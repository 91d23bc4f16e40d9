//! The permissions that each role needs (`config/nats.conf`).

use grandstand_types::layout::Layout;

use crate::bus::nats::names::{BucketName, Names};
use crate::bus::nats::trial::{Direction, TRIAL, Trial};
use crate::bus::types::{Bucket, BusRole};
use crate::subject::{self, pattern};

/// A permission that a role needs.
#[derive(Debug, Clone)]
pub(super) struct Need {
    trial: Trial,
    /// Whether it is tried at the start. A permission that is needed only to create the cluster is not.
    is_tried: bool,
    /// The purpose of the permission.
    pub(super) why: &'static str,
}

impl Need {
    pub(super) fn direction(&self) -> Direction {
        self.trial.direction
    }

    pub(super) fn permission(&self) -> &str {
        &self.trial.permission
    }
}

/// The trials of the permissions that are the same in every layout of the cluster.
pub(super) fn in_general(names: &Names, role: BusRole) -> Vec<Trial> {
    tried(general(names, role))
}

/// The trials of the permissions for the partitions and streams of a layout.
pub(super) fn in_layout(names: &Names, role: BusRole, layout: &Layout) -> Vec<Trial> {
    tried(of_layout(names, role, layout))
}

/// All permissions of a role, each once.
pub(super) fn all(names: &Names, role: BusRole) -> Vec<Need> {
    let mut all = general(names, role);
    all.extend(of_layout(names, role, &Layout::new(1, 1)));
    let mut each = Vec::<Need>::new();
    for need in all {
        let same = |other: &Need| {
            other.direction() == need.direction() && other.permission() == need.permission()
        };
        if !each.iter().any(same) {
            each.push(need);
        }
    }
    each
}

fn tried(needs: Vec<Need>) -> Vec<Trial> {
    let tried = needs.into_iter().filter(|need| need.is_tried);
    tried.map(|need| need.trial).collect()
}

fn general(names: &Names, role: BusRole) -> Vec<Need> {
    let mut needs = Needs::new(names);
    needs.inbox(role);
    needs.stream("INFO", "checks of streams and buckets");
    let leases = needs.bucket(Bucket::Leases);
    let record = names.record();
    match role {
        BusRole::Edge => {
            needs.answers(BusRole::Worker, "answers to probes of workers");
            needs.publish(pattern::LIVE, "live messages, to the owner of a room");
            needs.publish(pattern::CTL, "what clients watch, to the owner of a room");
            needs.publish(pattern::WORKER_ALIVE, "probes of workers");
            needs.publish(pattern::WORKER_LINK, "which rooms were in lost batches");
            needs.publish(pattern::API, "requests of the HTTP API, to other edges");
            needs.subscribe(pattern::EDGE, "batches of workers");
            needs.subscribe(pattern::API, "requests of the HTTP API, of other edges");
            needs.subscribe(pattern::PROCESS_ALIVE, "probes of this process");
            needs.subscribe(pattern::HOT, "batches for hot rooms");
            needs.read_one(&leases, "the leases");
            needs.read_one(&record, "the record of the cluster");
            needs.revoke();
            needs.publish(subject::LEADERBOARD, "questions about leaderboards");
            needs.read_one(&needs.bucket(Bucket::Listings), "the rooms in lobbies");
        }
        BusRole::Worker => {
            needs.answers(BusRole::Edge, "answers to edges");
            needs.answers(BusRole::Operator, "answers to operators");
            needs.publish(pattern::EDGE, "batches for edges");
            needs.publish(pattern::HOT, "batches for hot rooms");
            needs.publish(pattern::OUT, "what games emit");
            needs.publish(pattern::PROCESS_ALIVE, "probes of edges");
            needs.publish(pattern::WORKER_ALIVE, "probes of workers");
            needs.subscribe(pattern::LIVE, "live messages of clients");
            needs.subscribe(pattern::CTL, "what edges watch");
            needs.subscribe(pattern::WORKER_ALIVE, "probes of this worker");
            needs.subscribe(
                pattern::WORKER_LINK,
                "questions of edges about lost batches",
            );
            needs.create("CREATE", "the streams and buckets, if they are missing");
            needs.create("UPDATE", "the limits of the log, when it is created");
            needs.get(&record);
            needs.write_records();
            let worlds = needs.bucket(Bucket::Worlds);
            needs.get(&worlds);
            needs.write(&worlds, TRIAL);
            let listings = needs.bucket(Bucket::Listings);
            needs.get(&listings);
            needs.write(&listings, TRIAL);
        }
        BusRole::Repartition => {
            needs.stream("CREATE", "the streams of the next layout");
            needs.stream("UPDATE", "the limit of the next log");
            needs.stream("DELETE", "the streams of the former layout");
            needs.get(&record);
            needs.write_records();
        }
        BusRole::Archive => {
            needs.answers(BusRole::Edge, "answers to edges");
            needs.answers(BusRole::Tool, "answers to tools");
            needs.subscribe(subject::LEADERBOARD, "questions about leaderboards");
            needs.request(
                GET,
                &record.stream(),
                &record.stream(),
                "the record of the cluster",
            );
            needs.read_stream(&names.out(), "what games emit");
        }
        BusRole::Outlet => {
            needs.read_one(&record, "the record of the cluster");
            needs.read_stream(&names.out(), "what games emit and call");
            let bucket = needs.bucket(Bucket::Outlet);
            let why = "what is delivered, and what is not";
            needs.read_one(&bucket, why);
            needs.add(
                Direction::Publish,
                bucket.subject(">"),
                bucket.subject(TRIAL),
                why,
            );
        }
        BusRole::Operator => {
            needs.publish(pattern::CTL, "questions about rooms, to their owners");
            needs.read_one(&record, "the record of the cluster");
        }
        BusRole::Tool => {
            needs.publish(subject::LEADERBOARD, "questions about leaderboards");
            needs.get(&record);
            needs.read(&names.out());
        }
    }
    needs.all
}

fn of_layout(names: &Names, role: BusRole, layout: &Layout) -> Vec<Need> {
    let mut needs = Needs::new(names);
    let entries = match role {
        BusRole::Archive | BusRole::Tool => None,
        BusRole::Edge => Some("inputs, joins and leaves: the log"),
        BusRole::Outlet => Some("answers to calls"),
        BusRole::Operator => Some("kicks, messages and ends of rooms"),
        BusRole::Worker => Some("timers, and players of dead edges"),
        BusRole::Repartition => Some("entries that no snapshot covers"),
    };
    for (partition, why) in layout.all_partitions().flat_map(|p| Some(p).zip(entries)) {
        let subject = names.subject(format!("in.{partition}.{TRIAL}"));
        needs.add(
            Direction::Publish,
            names.subject(pattern::LOG.to_owned()),
            subject,
            why,
        );
    }
    if matches!(
        role,
        BusRole::Edge | BusRole::Archive | BusRole::Outlet | BusRole::Operator
    ) {
        return needs.all;
    }
    for stream in layout.all_streams() {
        needs.read(&names.log(stream));
    }
    let indexes = 0..usize::from(layout.streams);
    let buckets = indexes.map(|index| Bucket::Rooms(layout.partition(index)));
    for bucket in buckets {
        needs.read(&names.bucket(layout, bucket).stream());
    }
    if role != BusRole::Tool {
        for partition in layout.all_partitions() {
            let bucket = names.bucket(layout, Bucket::Rooms(partition));
            needs.write(&bucket, &format!("{partition}.{TRIAL}"));
        }
    }
    needs.all
}

/// The API that reads a message of a stream.
const GET: &str = "$JS.API.STREAM.MSG.GET";

struct Needs<'a> {
    names: &'a Names,
    all: Vec<Need>,
}

impl<'a> Needs<'a> {
    fn new(names: &'a Names) -> Self {
        Self {
            names,
            all: Vec::new(),
        }
    }

    fn add(
        &mut self,
        direction: Direction,
        permission: String,
        subject: String,
        why: &'static str,
    ) {
        self.all.push(Need {
            trial: Trial {
                direction,
                permission,
                subject,
            },
            is_tried: true,
            why,
        });
    }

    fn bucket(&self, bucket: Bucket) -> BucketName {
        self.names.bucket(&Layout::new(1, 1), bucket)
    }

    fn publish(&mut self, pattern: &str, why: &'static str) {
        self.message(Direction::Publish, pattern, why);
    }

    fn subscribe(&mut self, pattern: &str, why: &'static str) {
        self.message(Direction::Subscribe, pattern, why);
    }

    fn message(&mut self, direction: Direction, pattern: &str, why: &'static str) {
        let permission = self.names.subject(pattern.to_owned());
        let subject = permission.replace('*', TRIAL);
        self.add(direction, permission, subject, why);
    }

    /// The answers to this process.
    fn inbox(&mut self, role: BusRole) {
        let inbox = self.names.inbox_of(role);
        let subject = format!("{inbox}.{TRIAL}.*");
        let why = "answers, and what is read of streams and buckets";
        self.add(Direction::Subscribe, format!("{inbox}.>"), subject, why);
        // A message to itself that comes back shows that NATS has all earlier ones.
        let why = match role {
            BusRole::Worker => "round trips, and answers to other workers",
            _ => "round trips",
        };
        self.answers(role, why);
    }

    /// Answers to processes of a role.
    fn answers(&mut self, to: BusRole, why: &'static str) {
        let inbox = self.names.inbox_of(to);
        let subject = format!("{inbox}.{TRIAL}.{TRIAL}");
        self.add(Direction::Publish, format!("{inbox}.>"), subject, why);
    }

    /// Requests of an API: those that are permitted, and the one that is tried.
    fn request(&mut self, api: &str, permitted: &str, tried: &str, why: &'static str) {
        let permission = format!("{api}.{permitted}");
        let subject = format!("{api}.{tried}");
        self.add(Direction::Publish, permission, subject, why);
    }

    /// Requests about streams.
    fn stream(&mut self, operation: &str, why: &'static str) {
        self.request(&format!("$JS.API.STREAM.{operation}"), "*", TRIAL, why);
    }

    /// Requests about streams that are made only if one is missing.
    fn create(&mut self, operation: &str, why: &'static str) {
        self.stream(operation, why);
        if let Some(last) = self.all.last_mut() {
            last.is_tried = false;
        }
    }

    /// Reads of single keys of any bucket.
    fn get(&mut self, bucket: &BucketName) {
        self.request(GET, "*", &bucket.stream(), "reads of keys");
    }

    /// Reads of any stream.
    fn read(&mut self, stream: &str) {
        self.request(GET, "*", stream, "reads of keys");
        self.consume(stream, [">", ">", ">"], "reads of the log and of buckets");
    }

    /// Reads of one bucket only. An edge must not read rooms.
    fn read_one(&mut self, bucket: &BucketName, why: &'static str) {
        self.read_stream(&bucket.stream(), why);
    }

    /// Reads of one stream only.
    fn read_stream(&mut self, stream: &str, why: &'static str) {
        self.request(GET, stream, stream, why);
        let (all, one) = (format!("{stream}.>"), format!("{stream}.*"));
        self.consume(stream, [&all, &one, &all], why);
    }

    /// The revocations, which the admin API of an edge writes.
    fn revoke(&mut self) {
        let bucket = self.bucket(Bucket::Revocations);
        self.read_one(&bucket, "the revocations");
        let (permission, subject) = (bucket.subject(">"), bucket.subject(TRIAL));
        let why = "revocations, by the admin API";
        self.add(Direction::Publish, permission, subject, why);
    }

    /// Consumers of a stream: their creation, their end, and their flow control.
    fn consume(&mut self, stream: &str, permissions: [&str; 3], why: &'static str) {
        let consumer = format!("{stream}.{TRIAL}");
        let one_more = format!("{consumer}.{TRIAL}");
        let [create, delete, control] = permissions;
        self.request("$JS.API.CONSUMER.CREATE", create, &one_more, why);
        self.request("$JS.API.CONSUMER.DELETE", delete, &consumer, why);
        self.request("$JS.FC", control, &one_more, why);
    }

    fn write(&mut self, bucket: &BucketName, key: &str) {
        let (permission, subject) = ("$KV.>".to_owned(), bucket.subject(key));
        let why = "snapshots, checkpoints, leases, records";
        self.add(Direction::Publish, permission, subject, why);
    }

    /// Writes of the records of the cluster and its workers.
    fn write_records(&mut self) {
        for bucket in [
            Bucket::Workers,
            Bucket::Leases,
            Bucket::Quarantine,
            Bucket::Cluster,
        ] {
            self.write(&self.bucket(bucket), TRIAL);
        }
    }
}

#[cfg(test)]
mod tests;
