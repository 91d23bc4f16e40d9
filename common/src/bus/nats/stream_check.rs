//! Compares the settings of an existing stream with those that rooms need.

use async_nats::jetstream::stream::{Config, DiscardPolicy};

use crate::bus::connect_error::ConnectError;
use crate::bus::nats::names::Names;
use crate::bus::options::{BusOptions, LOG_MAX_AGE_S, LogLimit};

/// The largest limit of a stream of the log by [`LogLimit::Share`].
pub(super) const LARGEST_SHARE: i64 = 8 << 30;

/// Compares the settings that keep rooms safe; others are the operator's choice.
pub(super) fn check(
    wanted: &Config,
    found: &Config,
    options: &BusOptions,
) -> Result<(), ConnectError> {
    let entries = Names::new(options).subject("in.".to_owned());
    let in_log = |config: &Config| config.subjects.iter().all(|s| s.starts_with(&entries));
    let is_log = in_log(wanted);
    if is_log && in_log(found) && subjects(found) != subjects(wanted) {
        return Err(ConnectError::OtherCluster {
            partitions: options.partitions,
            streams: options.streams,
            stream: wanted.name.clone(),
            found: found.subjects.len(),
            wanted: wanted.subjects.len(),
        });
    }
    check_settings(wanted, found, is_log)?;
    let has_share = is_log || *wanted.name == Names::new(options).out();
    let is_share = has_share && options.log_limit == LogLimit::Share;
    warn_of_byte_limit(wanted, found, is_share);
    Ok(())
}

/// The subjects of a stream, in order.
fn subjects(config: &Config) -> String {
    let mut subjects = config.subjects.clone();
    subjects.sort_unstable();
    subjects.join(" ")
}

/// Compares the settings one by one. The error says how to change the first one that differs.
fn check_settings(wanted: &Config, found: &Config, is_log: bool) -> Result<(), ConnectError> {
    let name = &wanted.name;
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
    same("subjects", subjects(found), subjects(wanted), recreate())?;
    same! {
        "retention" retention recreate(),
        "storage" storage format!("set cluster.memory_storage as it is there; {}", recreate()),
        "replicas" num_replicas format!(
            "set cluster.replicas to {}, or {}",
            found.num_replicas,
            edit("--replicas", wanted.num_replicas.to_string())
        ),
        "discard policy" discard edit(
            "--discard",
            format!("{:?}", wanted.discard).to_lowercase(),
        ),
        "max_age" max_age max_age_fix(wanted, found, is_log),
        "history (max_msgs_per_subject)" max_messages_per_subject
            edit("--max-msgs-per-subject", wanted.max_messages_per_subject.to_string()),
        "max_msgs" max_messages edit("--max-msgs", "-1".to_owned()),
        "max_consumers" max_consumers recreate(),
        "no_ack" no_ack edit("--ack", "true".to_owned()),
        "sealed" sealed recreate(),
    }
    if found.duplicate_window < wanted.duplicate_window && wanted.discard == DiscardPolicy::Old {
        let window = format!("{}s", wanted.duplicate_window.as_secs());
        same! { "duplicate_window" duplicate_window edit("--dupe-window", window) }
    }
    if wanted.allow_message_ttl {
        let ttl = edit("--allow-msg-ttl", String::new());
        let ttl = ttl.replace('=', "");
        same! { "allow_msg_ttl" allow_message_ttl ttl }
    }
    Ok(())
}

/// The ways to make `max_age` as it is wanted, or to want it as it is.
fn max_age_fix(wanted: &Config, found: &Config, is_log: bool) -> String {
    let name = &wanted.name;
    if wanted.max_age.is_zero() {
        return edit_command(name, "--max-age", "0");
    }
    let seconds = format!("{}s", wanted.max_age.as_secs());
    let change = edit_command(name, "--max-age", &seconds);
    let age = found.max_age.as_secs();
    // `cluster.log_max_age_s` refuses other ages.
    if is_log && LOG_MAX_AGE_S.contains(&age) {
        format!("set cluster.log_max_age_s to {age}, or {change}")
    } else {
        change
    }
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
        let found = found.max_bytes;
        let wanted = wanted.max_bytes;
        let what =
            "the stream keeps the byte limit that it has (-1 is none), whatever is configured";
        tracing::warn!(stream = name, found, wanted, "{what}");
    }
}
