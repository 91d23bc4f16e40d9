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
use crate::bus::nats::stream_check::{LARGEST_SHARE, check};
use crate::bus::options::{self, BusOptions, LogLimit, OUT_MAX_AGE, OUT_REPEAT_WINDOW, Storage};
use crate::bus::types::{Bucket, BusRole};
use crate::subject;
use crate::subject::pattern;

/// The smallest limit of a stream of the log by [`LogLimit::Share`]. A server without space for it is refused.
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

/// The purpose of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Log,
    Out,
    Bucket,
}

/// The configuration of all streams of a layout: those of the log first, then that of what games emit, which an edge does
/// not use.
fn wanted(options: &BusOptions, layout: &Layout) -> Vec<(Purpose, Config)> {
    let log = wanted_log(options, layout).into_iter();
    let is_edge = options.role == Some(BusRole::Edge);
    let out = (!is_edge).then(|| wanted_out(options));
    // Edges use no worlds and no outlets, and listings only when somebody asks; they are upgraded before the workers that
    // create the buckets.
    let buckets = options::buckets(layout).into_iter();
    let is_unused =
        |bucket: &Bucket| matches!(bucket, Bucket::Worlds | Bucket::Outlet | Bucket::Listings);
    let buckets = buckets.filter(|bucket| !is_edge || !is_unused(bucket));
    let buckets = buckets.map(|bucket| wanted_bucket(options, layout, bucket));
    log.map(|config| (Purpose::Log, config))
        .chain(out.map(|config| (Purpose::Out, config)))
        .chain(buckets.map(|config| (Purpose::Bucket, config)))
        .collect()
}

/// The limit of a stream that takes a share of the storage.
fn max_bytes(options: &BusOptions) -> i64 {
    match options.log_limit {
        LogLimit::Share | LogLimit::Unlimited => -1,
        LogLimit::Bytes(bytes) => i64::try_from(bytes).unwrap_or(i64::MAX),
    }
}

fn wanted_log(options: &BusOptions, layout: &Layout) -> Vec<Config> {
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
        max_bytes: max_bytes(options),
        // Message ids are not used (D3), but the default window must not exceed max_age.
        duplicate_window: options.log_max_age.min(Duration::from_secs(120)),
        ..base.clone()
    });
    log.collect()
}

/// The stream of what games emit. When it is full, its oldest items go first: rooms must not wait for its readers.
fn wanted_out(options: &BusOptions) -> Config {
    let names = Names::new(options);
    Config {
        name: names.out(),
        subjects: vec![names.subject(pattern::OUT.to_owned())],
        discard: DiscardPolicy::Old,
        max_age: OUT_MAX_AGE,
        max_bytes: max_bytes(options),
        duplicate_window: OUT_REPEAT_WINDOW,
        ..base(options)
    }
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
    options: &BusOptions,
    url: &str,
) -> Result<(), ConnectError> {
    let first = options.layout();
    let record = wanted_bucket(options, &first, Bucket::Cluster);
    ensure_all(connection, options, url, vec![(Purpose::Bucket, record)])
        .await
        .map(drop)
}

/// Creates missing streams of a layout and checks existing ones.
pub(super) async fn ensure_layout(
    connection: &Connection,
    options: &BusOptions,
    url: &str,
    layout: &Layout,
) -> Result<(), ConnectError> {
    let limits = ensure_all(connection, options, url, wanted(options, layout)).await?;
    connection.replies.set_size_limits(limits);
    Ok(())
}

/// Checks the streams of a layout that exist.
pub(super) async fn check_existing(
    connection: &Connection,
    options: &BusOptions,
    layout: &Layout,
) -> Result<(), ConnectError> {
    for (_, wanted) in wanted(options, layout) {
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

/// Creates and checks streams, buckets last. Returns the sizes that they accept.
async fn ensure_all(
    connection: &Connection,
    options: &BusOptions,
    url: &str,
    all: Vec<(Purpose, Config)>,
) -> Result<SizeLimits, ConnectError> {
    let mut limits = SizeLimits::default();
    let mut share = LARGEST_SHARE;
    let mut shares = all.iter().filter(|(p, _)| *p != Purpose::Bucket).count() as i64;
    for (purpose, config) in all {
        let has_share = purpose != Purpose::Bucket;
        let missing = shares;
        shares -= i64::from(has_share);
        let found = connection.stream_info(&config.name).await;
        let is_missing = matches!(found, Err(BusError::NoStream));
        let result = match found {
            Ok(info) => {
                check(&config, &info.config, options)?;
                if purpose != Purpose::Out {
                    limits.lower(purpose == Purpose::Log, info.config.max_message_size);
                }
                if has_share && info.config.max_bytes > 0 {
                    share = share.min(info.config.max_bytes);
                }
                Ok(())
            }
            Err(BusError::NoStream) if !options.creates() => {
                let stream = config.name;
                return Err(ConnectError::NotSetUp { stream });
            }
            Err(BusError::NoStream) if has_share && options.log_limit == LogLimit::Share => {
                create_with_share(connection, &config, missing, &mut share).await
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

/// Creates a stream with a share of the storage that NATS has left for the `missing` streams of the log and of what games
/// emit. The share is at most `share`, that of the streams before, and becomes the next one's limit.
///
/// NATS does not tell how much storage it has, but it refuses a limit that exceeds it. A stream with twice the limit of
/// all missing ones therefore shows that they leave at least half to the buckets.
async fn create_with_share(
    connection: &Connection,
    config: &Config,
    missing: i64,
    share: &mut i64,
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
        "created a stream with a limit"
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
            .filter(|(purpose, _)| *purpose == Purpose::Log)
            .flat_map(|(_, config)| config.subjects.clone())
            .collect();
        subjects.sort_unstable();
        let expected: Vec<_> = (0..8).map(|p| format!("in.{p}.*")).collect();
        assert_eq!(subjects, expected);
        assert_eq!(all[1].1.subjects, ["in.1.*", "in.4.*", "in.7.*"]);
        assert!(all.iter().any(|(_, config)| config.name == "KV_rooms_2"));
    }

    #[test]
    fn an_edge_does_not_wait_for_the_stream_of_what_games_emit() {
        let with = |role| {
            let options = BusOptions {
                role,
                ..BusOptions::default()
            };
            let all = wanted(&options, &options.layout());
            all.iter().any(|(_, config)| config.name == "OUT")
        };
        assert!(with(None) && with(Some(BusRole::Worker)));
        assert!(!with(Some(BusRole::Edge)));
    }

    #[test]
    fn a_window_of_ids_that_is_too_short_is_named() {
        let options = BusOptions::default();
        let wanted = wanted_out(&options);
        let mut found = wanted.clone();
        found.duplicate_window *= 2;
        assert!(check(&wanted, &found, &options).is_ok());
        found.duplicate_window /= 4;
        let error = check(&wanted, &found, &options).unwrap_err().to_string();
        assert!(
            error.contains("nats stream edit OUT --dupe-window=120s"),
            "{error}"
        );
        found = wanted.clone();
        found.max_age *= 2;
        let error = check(&wanted, &found, &options).unwrap_err().to_string();
        assert!(
            error.contains("nats stream edit OUT --max-age=604800s"),
            "{error}"
        );
    }

    #[test]
    fn a_differing_stream_configuration_is_named() {
        let options = BusOptions::default();
        let wanted = wanted(&options, &options.layout()).remove(0).1;
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
