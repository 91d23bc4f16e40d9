//! The only builder and parser of subjects and keys on the bus.
//!
//! | subject | carries |
//! | --- | --- |
//! | `in.{p}.{room}` | the log: a room's entries (JetStream) |
//! | `out.{topic}` | what games emit; `out.=call`: what they call (JetStream) |
//! | `live.{p}` | live messages to a partition's owner |
//! | `ctl.{p}` | an edge's interest, to a partition's owner (request) |
//! | `edge.{edge}` | everything for one edge |
//! | `process.{id}.alive` | liveness probe of an edge process (request) |
//! | `hot.{room}` | messages for all edges that watch a hot room |
//! | `worker.{id}.alive` | liveness probe of a worker (request) |
//! | `worker.{sender}.link` | an edge asks which rooms were in batches that it missed (request) |
//! | `api.{edge}` | requests of the HTTP API about an event stream of another edge (request) |
//! | `leaderboard` | a question about a leaderboard, to the archive (request) |

use grandstand_types::id::{EdgeId, Partition, ProcessId, RoomId, Topic, WorkerId};

/// The first tokens of all subjects.
pub(crate) const FIRST_TOKENS: [&str; 10] = [
    "in",
    "out",
    "live",
    "ctl",
    "edge",
    "process",
    "hot",
    "worker",
    "api",
    LEADERBOARD,
];

/// The roles of processes, which are answered on subjects of their own.
const ROLES: [&str; 7] = [
    "edge",
    "worker",
    "archive",
    "outlet",
    "tool",
    "operator",
    "repartition",
];

/// `leaderboard`: a question about a leaderboard, a [`LeaderboardRequest`](crate::leaderboard::LeaderboardRequest).
pub const LEADERBOARD: &str = "leaderboard";

/// The patterns of all subjects, as permissions name them.
pub(crate) mod pattern {
    /// `in.{p}.{room}`.
    pub(crate) const LOG: &str = "in.*.*";
    /// `out.{topic}`.
    pub(crate) const OUT: &str = "out.*";
    /// `live.{p}`.
    pub(crate) const LIVE: &str = "live.*";
    /// `ctl.{p}`.
    pub(crate) const CTL: &str = "ctl.*";
    /// `edge.{edge}`.
    pub(crate) const EDGE: &str = "edge.*";
    /// `process.{id}.alive`.
    pub(crate) const PROCESS_ALIVE: &str = "process.*.alive";
    /// `hot.{room}`.
    pub(crate) const HOT: &str = "hot.*";
    /// `worker.{id}.alive`.
    pub(crate) const WORKER_ALIVE: &str = "worker.*.alive";
    /// `worker.{sender}.link`.
    pub(crate) const WORKER_LINK: &str = "worker.*.link";
    /// `api.{edge}`.
    pub(crate) const API: &str = "api.*";
}

/// `in.{p}.{room}`: the log subject of a room's entries.
pub fn log(partition: Partition, room: &RoomId) -> String {
    format!("in.{partition}.{room}")
}

/// `in.{p}.*`: the log subjects of a partition.
pub fn log_partition(partition: Partition) -> String {
    format!("in.{partition}.*")
}

/// The partition and room of a log subject.
pub fn parse_log(subject: &str) -> Option<(Partition, RoomId)> {
    let mut parts = subject.strip_prefix("in.")?.splitn(2, '.');
    let partition = parts.next()?.parse().ok()?;
    Some((Partition(partition), parts.next()?.parse().ok()?))
}

/// `out.{topic}`: what games emit.
pub fn out(topic: &Topic) -> String {
    format!("out.{topic}")
}

/// The topic of `out.{topic}`.
pub fn parse_out(subject: &str) -> Option<Topic> {
    Topic::of_name(subject.strip_prefix("out.")?).ok()
}

/// `live.{p}`: live messages to the owner of a partition.
pub fn live(partition: Partition) -> String {
    format!("live.{partition}")
}

/// `ctl.{p}`: requests to the owner of a partition.
pub fn ctl(partition: Partition) -> String {
    format!("ctl.{partition}")
}

/// The partition of a `live` or `ctl` subject.
pub fn parse_partition(subject: &str) -> Option<Partition> {
    let tail = subject
        .strip_prefix("live.")
        .or_else(|| subject.strip_prefix("ctl."))?;
    Some(Partition(tail.parse().ok()?))
}

/// `edge.{edge}`: everything that workers send to one edge.
pub fn edge(edge: &EdgeId) -> String {
    format!("edge.{edge}")
}

/// `process.{id}.alive`: a liveness probe of an edge process. It is answered however busy the shards are.
pub fn process_alive(process: &ProcessId) -> String {
    format!("process.{process}.alive")
}

/// `hot.{room}`: messages of workers to all edges that watch a hot room.
pub fn hot(room: &RoomId) -> String {
    format!("hot.{room}")
}

/// `worker.{id}.alive`: a liveness probe of a worker.
pub fn worker_alive(worker: &WorkerId) -> String {
    format!("worker.{worker}.alive")
}

/// `worker.{sender}.link`: an edge asks which rooms were in batches that it missed.
pub fn worker_link(sender: &WorkerId) -> String {
    format!("worker.{sender}.link")
}

/// `api.{edge}`: requests of the HTTP API about an event stream of an edge, from another one.
pub fn api(edge: &EdgeId) -> String {
    format!("api.{edge}")
}

/// `{p}.{room}`: the key of a room's snapshot.
pub fn room_key(partition: Partition, room: &RoomId) -> String {
    format!("{partition}.{room}")
}

/// `{room}`: the key of a room's world. It has no partition, so that it stays when rooms move to other partitions.
pub fn world_key(room: &RoomId) -> String {
    room.to_string()
}

/// `{game}.{room}`: the key of a room in lobbies.
pub fn listing_key(room: &RoomId) -> String {
    format!("{}.{room}", room.game())
}

/// The room of such a key; `None` for another key.
pub fn parse_listing_key(key: &str) -> Option<RoomId> {
    let (game, room) = key.split_once('.')?;
    let room: RoomId = room.parse().ok()?;
    (room.game() == game).then_some(room)
}

/// The room of a snapshot's key; `None` for the key of a checkpoint.
pub fn parse_room_key(key: &str) -> Option<(Partition, RoomId)> {
    let (partition, room) = key.split_once('.')?;
    Some((Partition(partition.parse().ok()?), room.parse().ok()?))
}

/// `{p}.=checkpoint`: the key of a partition's checkpoint, beside its rooms.
pub fn checkpoint_key(partition: Partition) -> String {
    format!("{partition}.=checkpoint")
}

/// `{p}.`: the common prefix of a partition's keys, its rooms and its checkpoint.
pub fn partition_prefix(partition: Partition) -> String {
    format!("{partition}.")
}

/// Whether `subject` matches `pattern`, where `*` stands for one token and a last `>` for one or more.
pub fn matches(pattern: &str, subject: &str) -> bool {
    let mut pattern = pattern.split('.');
    let mut subject = subject.split('.');
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// The pattern of all subjects of the same kind, as permissions name it. Entries of the log are told apart by partition,
/// keys by bucket, and requests to JetStream by stream.
pub fn family(subject: &str) -> String {
    let tokens: Vec<_> = subject.split('.').collect();
    if let [cluster, first, ..] = tokens[..]
        && FIRST_TOKENS.contains(&first)
        && !FIRST_TOKENS.contains(&cluster)
        && !cluster.starts_with(['_', '$'])
    {
        return format!("{cluster}.{}", family(&subject[cluster.len() + 1..]));
    }
    match tokens[..] {
        ["in", partition, ..] => format!("in.{partition}.*"),
        [one @ ("out" | "live" | "ctl" | "edge" | "hot" | "api"), ..] => format!("{one}.*"),
        [one @ ("worker" | "process"), _, last] => format!("{one}.*.{last}"),
        ["_INBOX", ref rest @ ..] => {
            let role = rest.iter().take(2).position(|token| ROLES.contains(token));
            let kept = &tokens[..role.map_or(1, |at| at + 2)];
            format!("{}.>", kept.join("."))
        }
        ["$KV", bucket, ..] => format!("$KV.{bucket}.>"),
        ["$JS", "FC", stream, ..] => format!("$JS.FC.{stream}.>"),
        ["$JS", "API", "CONSUMER", verb, stream, ..] => {
            format!("$JS.API.CONSUMER.{verb}.{stream}.>")
        }
        _ => subject.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_subjects_are_parsed_again() {
        let room: RoomId = "memory-42".parse().unwrap();
        let p = Partition(7);
        assert_eq!(log(p, &room), "in.7.memory-42");
        assert_eq!(parse_log(&log(p, &room)), Some((p, room.clone())));
        let topic: Topic = "results".parse().unwrap();
        assert_eq!(out(&topic), "out.results");
        assert_eq!(parse_out(&out(&topic)), Some(topic));
        assert_eq!(parse_partition(&live(p)), Some(p));
        assert_eq!(parse_partition(&ctl(p)), Some(p));
        assert_eq!(parse_room_key(&room_key(p, &room)), Some((p, room)));
        assert_eq!(parse_room_key(&checkpoint_key(p)), None);
        assert_eq!(parse_log("in.x.room"), None);
        assert_eq!(parse_log("in.1.a.b"), None);
    }

    #[test]
    fn a_family_is_what_permissions_name() {
        for (subject, pattern) in [
            ("in.7.memory-42", "in.7.*"),
            ("live.7", "live.*"),
            ("out.results", "out.*"),
            ("eu-1.in.7.memory-42", "eu-1.in.7.*"),
            ("eu-1.worker.in.alive", "eu-1.worker.*.alive"),
            ("worker.w-1.alive", "worker.*.alive"),
            ("process.e-1.alive", "process.*.alive"),
            ("worker.edge.alive", "worker.*.alive"),
            ("_INBOX.x.4", "_INBOX.>"),
            ("_INBOX.edge.x.4", "_INBOX.edge.>"),
            ("_INBOX.eu-1.worker.x.4", "_INBOX.eu-1.worker.>"),
            ("$KV.rooms_0.7.memory-42", "$KV.rooms_0.>"),
            ("$JS.API.STREAM.INFO.IN_0", "$JS.API.STREAM.INFO.IN_0"),
            (
                "$JS.API.CONSUMER.CREATE.IN_0.x.in.7.*",
                "$JS.API.CONSUMER.CREATE.IN_0.>",
            ),
            ("$JS.FC.IN_0.x.y", "$JS.FC.IN_0.>"),
        ] {
            assert_eq!(family(subject), pattern);
        }
    }

    #[test]
    fn wildcards_match_whole_tokens() {
        assert!(matches("in.7.*", "in.7.memory-42"));
        assert!(!matches("in.7.*", "in.70.memory-42"));
        assert!(!matches("in.7.*", "in.7"));
        assert!(matches("in.>", "in.7.memory"));
        assert!(!matches("in.>", "in"));
        assert!(matches("a", "a"));
        assert!(!matches("a", "a.b"));
    }
}
