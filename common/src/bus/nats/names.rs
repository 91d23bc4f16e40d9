//! The names of a cluster's subjects, streams and buckets in NATS, as other tools show them.
//!
//! Several clusters share a NATS account if each has a name. It is the first token of all subjects, and precedes the names
//! of all streams and buckets. A cluster without a name has the plain ones.

use std::sync::Arc;

use async_nats::header::{self, HeaderMap};
use grandstand_types::layout::Layout;

use crate::bus::options::{self, BusOptions};
use crate::bus::types::{Bucket, BusRole};

/// The names of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Empty, or the name of the cluster.
    cluster: Arc<str>,
    role: Option<BusRole>,
}

impl Names {
    pub(super) fn new(options: &BusOptions) -> Self {
        Self {
            cluster: options.cluster.as_str().into(),
            role: options.role,
        }
    }

    /// A subject of the bus as NATS knows it. NATS' own subjects, such as `_INBOX` and `$JS`, have no prefix.
    pub(super) fn subject(&self, subject: String) -> String {
        if self.cluster.is_empty() || subject.starts_with(['_', '$']) {
            subject
        } else {
            format!("{}.{subject}", self.cluster)
        }
    }

    /// A subject of the bus, of that which NATS delivers.
    pub(super) fn plain(&self, subject: String) -> String {
        let prefix = subject.strip_prefix(&*self.cluster);
        match prefix.and_then(|rest| rest.strip_prefix('.')) {
            Some(plain) if !self.cluster.is_empty() => plain.to_owned(),
            _ => subject,
        }
    }

    /// The subjects of answers to processes of a role, without what tells the connections apart.
    pub(super) fn inbox_of(&self, role: BusRole) -> String {
        let cluster = if self.cluster.is_empty() {
            String::new()
        } else {
            format!(".{}", self.cluster)
        };
        format!("_INBOX{cluster}.{role}")
    }

    /// The subjects of answers to this process.
    pub(super) fn inbox(&self) -> String {
        self.role
            .map_or_else(|| "_INBOX".to_owned(), |role| self.inbox_of(role))
    }

    /// `IN_{k}`: a stream of the log.
    pub(super) fn log(&self, stream: u16) -> String {
        self.prefixed(format!("IN_{stream}"))
    }

    /// `OUT`: the stream of what games emit.
    pub(super) fn out(&self) -> String {
        self.prefixed("OUT".to_owned())
    }

    pub(super) fn bucket(&self, layout: &Layout, bucket: Bucket) -> BucketName {
        BucketName(self.prefixed(options::bucket_name(layout, bucket)))
    }

    /// The bucket with the cluster's record, which every layout has.
    pub(super) fn record(&self) -> BucketName {
        self.bucket(&Layout::new(1, 1), Bucket::Cluster)
    }

    fn prefixed(&self, name: String) -> String {
        if self.cluster.is_empty() {
            name
        } else {
            format!("{}_{name}", self.cluster)
        }
    }
}

/// The name of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BucketName(String);

impl BucketName {
    /// `KV_{bucket}`: the stream of the bucket.
    pub(super) fn stream(&self) -> String {
        format!("KV_{}", self.0)
    }

    /// `$KV.{bucket}.{key}`: the subject of a key.
    pub(super) fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.0)
    }
}

/// The header that makes a put a compare-and-swap.
pub(super) fn expecting(revision: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let name = header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
    headers.insert(name, revision.to_string());
    headers
}

#[cfg(test)]
mod tests {
    use grandstand_types::id::Partition;

    use super::*;

    fn names(cluster: &str, role: Option<BusRole>) -> Names {
        Names::new(&BusOptions {
            cluster: cluster.to_owned(),
            role,
            ..BusOptions::default()
        })
    }

    #[test]
    fn a_cluster_without_a_name_has_plain_names() {
        let names = names("", None);
        assert_eq!(names.subject("in.7.a".to_owned()), "in.7.a");
        assert_eq!(names.plain("in.7.a".to_owned()), "in.7.a");
        assert_eq!(names.log(3), "IN_3");
        assert_eq!(names.record().stream(), "KV_cluster");
        assert_eq!(names.inbox(), "_INBOX");
    }

    #[test]
    fn the_name_of_a_cluster_is_a_part_of_every_name() {
        let names = names("eu-1", Some(BusRole::Edge));
        assert_eq!(names.subject("in.7.a".to_owned()), "eu-1.in.7.a");
        assert_eq!(names.plain("eu-1.in.7.a".to_owned()), "in.7.a");
        assert_eq!(names.log(3), "eu-1_IN_3");
        assert_eq!(names.out(), "eu-1_OUT");
        let rooms = names.bucket(&Layout::new(8, 4), Bucket::Rooms(Partition(1)));
        assert_eq!(rooms.stream(), "KV_eu-1_rooms_1");
        assert_eq!(rooms.subject("1.a"), "$KV.eu-1_rooms_1.1.a");
        assert_eq!(names.inbox(), "_INBOX.eu-1.edge");
    }

    #[test]
    fn subjects_of_nats_itself_are_nobodys() {
        let names = names("eu-1", None);
        for subject in ["_INBOX.x.1", "$JS.API.INFO", "$KV.eu-1_leases.1"] {
            assert_eq!(names.subject(subject.to_owned()), subject);
            assert_eq!(names.plain(subject.to_owned()), subject);
        }
    }
}
