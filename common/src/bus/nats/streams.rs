//! The streams and buckets that must be there.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::bus::nats::wire::Wire;
use crate::bus::{BusError, BusOptions, ConnectError, Storage};
use crate::id::Partition;
use crate::subject;

/// What the names of the log's streams begin with.
const LOG: &str = "IN_";

/// `IN_{k}`: a stream of the log.
pub(super) fn log_name(stream: u16) -> String {
    format!("{LOG}{stream}")
}

/// `KV_{bucket}`: the stream of a bucket, so named that other tools see it as one.
pub(super) fn kv_name(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// `$KV.{bucket}.{key}`: where a key is put.
pub(super) fn kv_subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// All that must be there.
fn wanted(options: &BusOptions) -> Vec<Config> {
    let base = Config {
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        num_replicas: options.replicas,
        storage: match options.storage {
            Storage::File => StorageType::File,
            Storage::Memory => StorageType::Memory,
        },
        ..Config::default()
    };
    let log = (0..options.streams).map(|k| Config {
        name: log_name(k),
        subjects: (k..options.partitions)
            .step_by(usize::from(options.streams))
            .map(|p| subject::log_partition(Partition(p)))
            .collect(),
        max_age: options.log_max_age,
        // Message ids are not used (D3); the default must not exceed max_age.
        duplicate_window: options.log_max_age.min(Duration::from_secs(120)),
        ..base.clone()
    });
    let buckets = options.buckets().into_iter().map(|bucket| {
        let bucket = options.bucket_name(bucket);
        Config {
            name: kv_name(&bucket),
            subjects: vec![kv_subject(&bucket, ">")],
            max_messages_per_subject: 1,
            allow_rollup: true,
            deny_delete: true,
            allow_message_ttl: true,
            duplicate_window: Duration::from_secs(120),
            ..base.clone()
        }
    });
    log.chain(buckets).collect()
}

/// Makes what is missing and checks what is there.
pub(super) async fn ensure(
    wire: &Wire,
    options: &BusOptions,
    url: &str,
) -> Result<(), ConnectError> {
    for config in wanted(options) {
        let result = match wire.stream_info(&config.name).await {
            Ok(info) => {
                check(&config, &info.config, options)?;
                Ok(())
            }
            Err(BusError::NoStream) => wire.create_stream(&config).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {}
            Err(BusError::Unavailable) => {
                return Err(ConnectError::NoJetStream {
                    url: url.to_owned(),
                });
            }
            Err(cause) => {
                return Err(ConnectError::Setup {
                    stream: config.name,
                    cause,
                });
            }
        }
    }
    Ok(())
}

/// Compares what decides whether rooms are safe there; other settings are the operator's.
fn check(wanted: &Config, found: &Config, options: &BusOptions) -> Result<(), ConnectError> {
    let same = |field, found: String, wanted_is: String| {
        if found == wanted_is {
            return Ok(());
        }
        Err(ConnectError::Mismatch {
            what: format!("the stream {}", wanted.name),
            field,
            found,
            wanted: wanted_is,
        })
    };
    let subjects = |config: &Config| {
        let mut subjects = config.subjects.clone();
        subjects.sort_unstable();
        subjects.join(" ")
    };
    let differ = subjects(found) != subjects(wanted);
    if differ && wanted.name.starts_with(LOG) && found.subjects.iter().all(|s| s.starts_with("in."))
    {
        return Err(ConnectError::OtherCluster {
            partitions: options.partitions,
            streams: options.streams,
            stream: wanted.name.clone(),
            found: found.subjects.len(),
            wanted: wanted.subjects.len(),
        });
    }
    same("subjects", subjects(found), subjects(wanted))?;
    macro_rules! same_debug {
        ($($name:literal $field:ident),*) => {
            $(same($name, format!("{:?}", found.$field), format!("{:?}", wanted.$field))?;)*
        };
    }
    same_debug!(
        "retention" retention,
        "replicas" num_replicas,
        "storage" storage,
        "discard policy" discard,
        "max_age" max_age,
        "max_msgs_per_subject" max_messages_per_subject,
        "allow_msg_ttl" allow_message_ttl
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_is_in_one_stream() {
        let options = BusOptions {
            streams: 3,
            partitions: 8,
            ..BusOptions::default()
        };
        let all = wanted(&options);
        let mut subjects: Vec<_> = all
            .iter()
            .filter(|config| config.name.starts_with("IN_"))
            .flat_map(|config| config.subjects.clone())
            .collect();
        subjects.sort_unstable();
        let expected: Vec<_> = (0..8).map(|p| format!("in.{p}.*")).collect();
        assert_eq!(subjects, expected);
        assert_eq!(all[1].subjects, ["in.1.*", "in.4.*", "in.7.*"]);
        assert!(all.iter().any(|config| config.name == "KV_rooms_2"));
    }

    #[test]
    fn another_configuration_is_named() {
        let wanted = wanted(&BusOptions::default()).remove(0);
        let mut found = wanted.clone();
        found.subjects.reverse();
        let options = BusOptions::default();
        assert!(check(&wanted, &found, &options).is_ok());
        found.retention = RetentionPolicy::WorkQueue;
        let error = check(&wanted, &found, &options).unwrap_err().to_string();
        assert!(
            error.contains("IN_0") && error.contains("retention"),
            "{error}"
        );
        found.subjects.pop();
        let error = check(&wanted, &found, &options).unwrap_err().to_string();
        assert!(error.contains("cluster.partitions is 64"), "{error}");
    }
}
