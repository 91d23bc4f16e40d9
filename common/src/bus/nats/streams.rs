//! Creates and checks the streams and buckets.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use grandstand_types::layout::Layout;

use crate::bus::connect_error::ConnectError;
use crate::bus::error::BusError;
use crate::bus::nats::connection::Connection;
use crate::bus::nats::names::Names;
use crate::bus::nats::pub_ack::{
    DISABLED_FOR_ACCOUNT, EXISTS, NO_CLUSTER, NO_MEMORY, NO_RESOURCES, NO_STORAGE,
    NOT_ENOUGH_SERVERS,
};
use crate::bus::nats::size_limits::SizeLimits;
use crate::bus::options::{self, BusOptions, LOG_MAX_AGE_S, LogLimit, Storage};
use crate::bus::types::Bucket;
use crate::subject;

/// The largest limit of a stream of the log by [`LogLimit::Share`].
const LARGEST_SHARE: i64 = 8 << 30;
/// The smallest one. A server without space for it is refused.
pub(super) const SMALLEST_SHARE: i64 = 1 << 20;

/// The configuration that all streams share.
fn base(options: &BusOptions) -> Config {
    Config {
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
    }
}

/// The configuration of all streams of a layout: those of the log first.
fn wanted(options: &BusOptions, layout: &Layout) -> Vec<Config> {
    let base = base(options);
    let names = Names::new(options);
    let log = layout.all_streams().map(|stream| Config {
        name: names.log(stream),
        subjects: layout
            .all_partitions()
            .filter(|partition| layout.stream_of(*partition) == stream)
            .map(|partition| names.subject(subject::log_partition(partition)))
            .collect(),
        max_age: options.log_max_age,
        max_bytes: match options.log_limit {
            LogLimit::Share | LogLimit::Unlimited => -1,
            LogLimit::Bytes(bytes) => i64::try_from(bytes).unwrap_or(i64::MAX),
        },
        // Message ids are not used (D3), but the default window must not exceed max_age.
        duplicate_window: options.log_max_age.min(Duration::from_secs(120)),
        ..base.clone()
    });
    let buckets = options::buckets(layout).into_iter();
    let buckets = buckets.map(|bucket| wanted_bucket(options, layout, bucket));
    log.chain(buckets).collect()
}

fn wanted_bucket(options: &BusOptions, layout: &Layout, bucket: Bucket) -> Config {
    let bucket = Names::new(options).bucket(layout, bucket);
    Config {
        name: bucket.stream(),
        subjects: vec![bucket.subject(">")],
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        allow_message_ttl: true,
        duplicate_window: Duration::from_secs(120),
        ..base(options)
    }
}

/// Creates or checks the stream of the bucket with the cluster's record.
pub(super) async fn ensure_record(
    connection: &Connection,
    how: (&BusOptions, &str),
) -> Result<(), ConnectError> {
    let first = how.0.layout();
    let record = [wanted_bucket(how.0, &first, Bucket::Cluster)];
    ensure_all(connection, how, record.into(), 0)
        .await
        .map(drop)
}

/// Creates missing streams of a layout and checks existing ones.
pub(super) async fn ensure_layout(
    connection: &Connection,
    how: (&BusOptions, &str),
    layout: &Layout,
) -> Result<(), ConnectError> {
    let streams = usize::from(layout.streams);
    let limits = ensure_all(connection, how, wanted(how.0, layout), streams).await?;
    connection.replies.set_size_limits(limits);
    Ok(())
}

/// Checks the streams of a layout that exist.
pub(super) async fn check_existing(
    connection: &Connection,
    options: &BusOptions,
    layout: &Layout,
) -> Result<(), ConnectError> {
    for wanted in wanted(options, layout) {
        match connection.stream_info(&wanted.name).await {
            Ok(info) => check(&wanted, &info.config, options)?,
            Err(BusError::NoStream) => {}
            Err(cause) => {
                let stream = wanted.name;
                return Err(ConnectError::Setup { stream, cause });
            }
        }
    }
    Ok(())
}

/// Creates and checks streams, the first `logs` of which are of the log. Returns the sizes that they accept.
async fn ensure_all(
    connection: &Connection,
    (options, url): (&BusOptions, &str),
    all: Vec<Config>,
    logs: usize,
) -> Result<SizeLimits, ConnectError> {
    let mut limits = SizeLimits::default();
    let mut share = LARGEST_SHARE;
    for (index, config) in all.into_iter().enumerate() {
        let is_log = index < logs;
        let found = connection.stream_info(&config.name).await;
        let is_missing = matches!(found, Err(BusError::NoStream));
        let result = match found {
            Ok(info) => {
                check(&config, &info.config, options)?;
                limits.lower(is_log, info.config.max_message_size);
                if is_log && info.config.max_bytes > 0 {
                    share = share.min(info.config.max_bytes);
                }
                Ok(())
            }
            Err(BusError::NoStream) if !options.creates() => {
                let stream = config.name;
                return Err(ConnectError::NotSetUp { stream });
            }
            Err(BusError::NoStream) if is_log && options.log_limit == LogLimit::Share => {
                let missing = logs as i64 - index as i64;
                create_with_share(connection, &config, (missing, &mut share)).await
            }
            Err(BusError::NoStream) => connection.create_stream(&config).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) if is_missing && connection.replies.was_set_up() => tracing::warn!(
                stream = config.name,
                "the stream was gone and is created again; what it held is lost"
            ),
            Ok(()) => {}
            Err(BusError::Unavailable) => {
                return Err(ConnectError::NoJetStream {
                    url: url.to_owned(),
                });
            }
            Err(BusError::Server {
                code: DISABLED_FOR_ACCOUNT,
                ..
            }) => {
                return Err(ConnectError::NoJetStreamForAccount {
                    url: url.to_owned(),
                });
            }
            Err(BusError::Server {
                code: NO_CLUSTER, ..
            }) => {
                return Err(ConnectError::NoCluster {
                    url: url.to_owned(),
                    replicas: options.replicas,
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
    Ok(limits)
}

/// Creates a stream of the log with a share of the storage that NATS has left for the `missing` streams of the log. The
/// share is at most `share`, that of the streams before, and becomes the next one's limit.
///
/// NATS does not tell how much storage it has, but it refuses a limit that exceeds it. A stream with twice the limit of
/// all missing ones therefore shows that the log leaves at least half to the buckets.
async fn create_with_share(
    connection: &Connection,
    config: &Config,
    (missing, share): (i64, &mut i64),
) -> Result<(), BusError> {
    let mut config = config.clone();
    // A stream that is created must be changed afterwards, so that is tried first.
    if let Err(error @ BusError::Denied { .. }) = connection.update_stream(&config).await {
        return Err(error);
    }
    loop {
        config.max_bytes = *share * 2 * missing;
        match connection.create_stream(&config).await {
            Ok(()) => break,
            // Another process has created it.
            Err(BusError::Server { code: EXISTS, .. }) => return Ok(()),
            Err(error) if is_out_of_space(&error) && *share > SMALLEST_SHARE => *share /= 2,
            Err(error) => return Err(error),
        }
    }
    config.max_bytes = *share;
    connection.update_stream(&config).await?;
    tracing::info!(
        stream = config.name,
        max_bytes = *share,
        "created a stream of the log"
    );
    Ok(())
}

/// Whether the server has not as much storage as a stream wants.
pub(super) fn is_out_of_space(error: &BusError) -> bool {
    match error {
        BusError::Server {
            code: NOT_ENOUGH_SERVERS,
            description,
        } => {
            description.contains("insufficient storage")
                || description.contains("insufficient memory")
        }
        BusError::Server { code, .. } => [NO_RESOURCES, NO_MEMORY, NO_STORAGE].contains(code),
        _ => false,
    }
}

/// Compares the settings that keep rooms safe; others are the operator's choice.
fn check(wanted: &Config, found: &Config, options: &BusOptions) -> Result<(), ConnectError> {
    let name = &wanted.name;
    let subjects = |config: &Config| {
        let mut subjects = config.subjects.clone();
        subjects.sort_unstable();
        subjects.join(" ")
    };
    let (subjects_found, subjects_wanted) = (subjects(found), subjects(wanted));
    let entries = Names::new(options).subject("in.".to_owned());
    let in_log = |config: &Config| config.subjects.iter().all(|s| s.starts_with(&entries));
    let is_log = in_log(wanted);
    if subjects_found != subjects_wanted && is_log && in_log(found) {
        return Err(ConnectError::OtherCluster {
            partitions: options.partitions,
            streams: options.streams,
            stream: name.clone(),
            found: found.subjects.len(),
            wanted: wanted.subjects.len(),
        });
    }
    let same = |field, found: String, wanted: String, fix: String| {
        if found == wanted {
            return Ok(());
        }
        Err(ConnectError::Mismatch {
            what: format!("the stream {name}"),
            field,
            found,
            wanted,
            fix,
        })
    };
    let edit = |flag: &str, value: String| edit_command(name, flag, &value);
    let recreate = || {
        format!(
            "it cannot be changed: use another NATS account, or `nats stream rm {name}`, which deletes its contents"
        )
    };
    macro_rules! same {
        ($($field:literal $of:ident $fix:expr),* $(,)?) => {
            $(same($field, format!("{:?}", found.$of), format!("{:?}", wanted.$of), $fix)?;)*
        };
    }
    same("subjects", subjects_found, subjects_wanted, recreate())?;
    same! {
        "retention" retention recreate(),
        "storage" storage format!("set cluster.memory_storage as it is there; {}", recreate()),
        "replicas" num_replicas format!(
            "set cluster.replicas to {}, or {}",
            found.num_replicas,
            edit("--replicas", wanted.num_replicas.to_string())
        ),
        "discard policy" discard edit("--discard", "new".to_owned()),
        "max_age" max_age match is_log {
            true => {
                let change = edit("--max-age", format!("{}s", wanted.max_age.as_secs()));
                match found.max_age.as_secs() {
                    age if LOG_MAX_AGE_S.contains(&age) => {
                        format!("set cluster.log_max_age_s to {age}, or {change}")
                    }
                    // `cluster.log_max_age_s` refuses it.
                    _ => change,
                }
            }
            false => edit("--max-age", "0".to_owned()),
        },
        "history (max_msgs_per_subject)" max_messages_per_subject
            edit("--max-msgs-per-subject", wanted.max_messages_per_subject.to_string()),
        "max_msgs" max_messages edit("--max-msgs", "-1".to_owned()),
        "max_consumers" max_consumers recreate(),
        "no_ack" no_ack edit("--ack", "true".to_owned()),
        "sealed" sealed recreate(),
    }
    if wanted.allow_message_ttl {
        let ttl = edit("--allow-msg-ttl", String::new());
        let ttl = ttl.replace('=', "");
        same! { "allow_msg_ttl" allow_message_ttl ttl }
    }
    let is_share = is_log && options.log_limit == LogLimit::Share;
    warn_of_byte_limit(wanted, found, is_share);
    Ok(())
}

/// The command that changes a setting of a stream.
fn edit_command(stream: &str, flag: &str, value: &str) -> String {
    format!("`nats stream edit {stream} {flag}={value}`")
}

/// Warns of a byte limit that differs from the configured one, because a stream keeps the limit that it has. With
/// `is_share` any limit will do.
fn warn_of_byte_limit(wanted: &Config, found: &Config, is_share: bool) {
    let name = &wanted.name;
    if is_share && found.max_bytes < 0 {
        let fix = edit_command(name, "--max-bytes", &LARGEST_SHARE.to_string());
        tracing::warn!(
            stream = name,
            "the stream has no byte limit, so that a full disk would stop all rooms: {fix}, or set \
             cluster.log_max_bytes to -1"
        );
    } else if !is_share && found.max_bytes != wanted.max_bytes {
        let (found, wanted) = (found.max_bytes, wanted.max_bytes);
        let what =
            "the stream keeps the byte limit that it has (-1 is none), whatever is configured";
        tracing::warn!(stream = name, found, wanted, "{what}");
    }
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
        let all = wanted(&options, &options.layout());
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
    fn a_differing_stream_configuration_is_named() {
        let options = BusOptions::default();
        let wanted = wanted(&options, &options.layout()).remove(0);
        let mut found = wanted.clone();
        found.subjects.reverse();
        assert!(check(&wanted, &found, &options).is_ok());
        found.retention = RetentionPolicy::WorkQueue;
        let error = check(&wanted, &found, &options).unwrap_err().to_string();
        assert!(
            error.contains("IN_0") && error.contains("retention"),
            "{error}"
        );
        found.subjects.pop();
        let error = check(&wanted, &found, &options).unwrap_err().to_string();
        assert!(error.contains("cluster.partitions is 256"), "{error}");
    }
}
