//! The permissions that a role needs (`docs/operations.md`, "Permissions in NATS").

use grandstand_types::layout::Layout;

use crate::bus::nats::kv_stream::{kv_name, kv_subject};
use crate::bus::nats::streams::log_name;
use crate::bus::nats::trial::{TRIAL, Trial, Verb};
use crate::bus::options;
use crate::bus::types::{Bucket, Role};
use crate::record::CLUSTER_KEY;

/// The trials of the permissions that are the same in every layout of the cluster.
pub(super) fn in_general(role: Role) -> Vec<Trial> {
    let mut trials = Trials::default();
    trials.add(Verb::Subscribe, "_INBOX.>", &format!("_INBOX.{TRIAL}.*"));
    trials.stream("INFO");
    trials.get(&bucket(Bucket::Cluster));
    match role {
        Role::Edge => {
            trials.messages(
                &["live.*", "ctl.*", "worker.*.alive", "worker.*.link"],
                &["edge.*", "process.*.alive", "hot.*"],
            );
            trials.read(role, &bucket(Bucket::Leases));
            trials.read(role, &bucket(Bucket::Cluster));
            let settings = kv_subject("cluster", CLUSTER_KEY);
            trials.publish("$KV.cluster.settings", &settings);
        }
        Role::Worker => {
            trials.messages(
                &["edge.*", "hot.*", "process.*.alive", "worker.*.alive"],
                &["live.*", "ctl.*", "worker.*.alive", "worker.*.link"],
            );
            trials.write_records();
        }
        Role::Repartition => {
            for verb in ["CREATE", "UPDATE", "DELETE"] {
                trials.stream(verb);
            }
            trials.write_records();
        }
        Role::Tool => {}
    }
    trials.0
}

/// The trials of the permissions for the partitions and streams of a layout.
pub(super) fn in_layout(role: Role, layout: &Layout) -> Vec<Trial> {
    let mut trials = Trials::default();
    if role != Role::Tool {
        for partition in layout.all_partitions() {
            trials.publish("in.*.*", &format!("in.{partition}.{TRIAL}"));
        }
    }
    if role == Role::Edge {
        return trials.0;
    }
    for stream in layout.all_streams() {
        trials.read(role, &log_name(stream));
    }
    for index in 0..usize::from(layout.streams) {
        let bucket = options::bucket_name(layout, Bucket::Rooms(layout.partition(index)));
        trials.read(role, &kv_name(&bucket));
    }
    if role != Role::Tool {
        for partition in layout.all_partitions() {
            let bucket = options::bucket_name(layout, Bucket::Rooms(partition));
            let key = format!("{partition}.{TRIAL}");
            trials.publish("$KV.>", &kv_subject(&bucket, &key));
        }
    }
    trials.0
}

/// The stream of a bucket that every layout has.
fn bucket(bucket: Bucket) -> String {
    kv_name(&options::bucket_name(&Layout::new(1, 1), bucket))
}

#[derive(Default)]
struct Trials(Vec<Trial>);

impl Trials {
    fn add(&mut self, verb: Verb, permission: &str, subject: &str) {
        self.0.push(Trial {
            verb,
            permission: permission.to_owned(),
            subject: subject.to_owned(),
        });
    }

    fn publish(&mut self, permission: &str, subject: &str) {
        self.add(Verb::Publish, permission, subject);
    }

    /// Requests about streams.
    fn stream(&mut self, verb: &str) {
        let api = format!("$JS.API.STREAM.{verb}");
        self.publish(&format!("{api}.*"), &format!("{api}.{TRIAL}"));
    }

    /// A read of one key of a stream.
    fn get(&mut self, stream: &str) {
        let api = "$JS.API.STREAM.MSG.GET";
        self.publish(&format!("{api}.*"), &format!("{api}.{stream}"));
    }

    /// Reads of a stream. An edge reads few streams, which its permissions name.
    fn read(&mut self, role: Role, stream: &str) {
        self.get(stream);
        let (of, one) = match role {
            Role::Edge => (format!("{stream}.>"), format!("{stream}.*")),
            Role::Worker | Role::Tool | Role::Repartition => (">".to_owned(), ">".to_owned()),
        };
        let (create, delete) = ("$JS.API.CONSUMER.CREATE", "$JS.API.CONSUMER.DELETE");
        let consumer = format!("{stream}.{TRIAL}");
        let created = format!("{create}.{consumer}.{TRIAL}");
        self.publish(&format!("{create}.{of}"), &created);
        self.publish(&format!("{delete}.{one}"), &format!("{delete}.{consumer}"));
        let flow = format!("$JS.FC.{consumer}.{TRIAL}");
        self.publish(&format!("$JS.FC.{of}"), &flow);
    }

    /// Writes of the records of the cluster and its workers.
    fn write_records(&mut self) {
        for bucket in [
            Bucket::Workers,
            Bucket::Leases,
            Bucket::Quarantine,
            Bucket::Cluster,
        ] {
            let name = options::bucket_name(&Layout::new(1, 1), bucket);
            self.publish("$KV.>", &kv_subject(&name, TRIAL));
        }
    }

    /// Messages between edges and workers, and answers to requests.
    fn messages(&mut self, publish: &[&str], subscribe: &[&str]) {
        for permission in publish {
            self.publish(permission, &permission.replace('*', TRIAL));
        }
        for permission in subscribe {
            let subject = permission.replace('*', TRIAL);
            self.add(Verb::Subscribe, permission, &subject);
        }
        self.publish("_INBOX.>", &format!("_INBOX.{TRIAL}.{TRIAL}"));
    }
}
