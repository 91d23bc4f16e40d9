//! JSON records in the bus' key-value buckets that both edges and workers read.

use std::collections::BTreeMap;

use grandstand_types::id::{Epoch, Instance, RoomId, WorkerId};
use grandstand_types::layout::Layout;
use grandstand_types::listing::Listing;
use serde::{Deserialize, Serialize};

/// Versions of games by name.
pub type GameVersions = BTreeMap<String, u32>;

/// The owner of a partition: bucket `leases`, key `{p}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The owner; `None` if it was released.
    pub worker: Option<WorkerId>,
    /// The owner's fencing token.
    pub epoch: Epoch,
    /// The owner has read the log up to its end at takeover, and answers `ctl`.
    pub ready: bool,
    /// The sender of the batches about the partition's rooms, if it is not the worker's id: each loop of a worker numbers
    /// its batches itself (D19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<WorkerId>,
    /// The last entries at which a loop of an owner got stuck, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<StuckEntry>,
    /// The highest version of each game that an owner has run there. Workers with lower ones own the partition only if no
    /// other worker lives. Games in their first version are missing.
    #[serde(default, skip_serializing_if = "GameVersions::is_empty")]
    pub needs: GameVersions,
    /// The partition's rooms are being moved to another layout, so that no worker may take it (D33).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
}

impl Lease {
    /// The sender of the batches about the partition's rooms; `None` if there is no owner.
    pub fn sender(&self) -> Option<&WorkerId> {
        self.sender.as_ref().or(self.worker.as_ref())
    }
}

/// An entry of the log at which a loop got stuck: the game did not return in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckEntry {
    /// The room.
    pub room: RoomId,
    /// The sequence of the entry in the log; 0 for a call of the game outside of entries.
    pub seq: u64,
    /// The time of the entry, Unix milliseconds. With the sequence it names the entry, even if the log was created again.
    pub time_ms: u64,
    /// The number of times that a loop got stuck there.
    pub times: u32,
}

/// A room in lobbies: bucket `listings`, key `{game}.{room}`. Its owner renews it, and it is removed a minute after the last
/// time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomListing {
    /// The epoch of the owner.
    pub epoch: Epoch,
    /// The instance of the room.
    pub instance: Instance,
    /// The connected players.
    pub players: u32,
    /// The spectators.
    pub spectators: u64,
    /// The part that the game makes.
    #[serde(flatten)]
    pub listing: Listing,
}

/// A worker: bucket `workers`, key its id. Renewed every 500 ms (D16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Whether the worker is alive, leaving or dead.
    pub state: WorkerState,
    /// The number of renewals, so that each renewal changes the record.
    pub beat: u64,
    /// The build, for people.
    pub build: String,
    /// The worker follows a change of the cluster's layout (D33). Missing in the records of older builds.
    #[serde(default)]
    pub follows_layout: bool,
    /// The games that the worker runs. Missing in the records of older builds, which run games in their first version.
    #[serde(default, skip_serializing_if = "GameVersions::is_empty")]
    pub games: GameVersions,
}

impl WorkerRecord {
    /// Whether the worker can run all rooms of a partition whose lease says `needs`.
    pub fn satisfies(&self, needs: &GameVersions) -> bool {
        satisfies(&self.games, needs)
    }
}

/// Whether a worker with `games` can run all rooms of a partition whose lease says `needs`.
pub fn satisfies(games: &GameVersions, needs: &GameVersions) -> bool {
    let missing = u32::from(games.is_empty());
    let own = |game| games.get(game).copied().unwrap_or(missing);
    needs.iter().all(|(game, version)| *version <= own(game))
}

/// Raises the versions in `all` to those of `more`.
pub fn raise(all: &mut GameVersions, more: &GameVersions) {
    for (game, version) in more {
        let known = all.entry(game.clone()).or_default();
        *known = (*known).max(*version);
    }
}

/// The state of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// The worker is alive and takes its share of partitions.
    Alive,
    /// The worker hands its partitions over and will end.
    Leaving,
    /// Another worker declared it dead. Only then may others take its leases.
    Dead,
}

/// The part of a partition's log that snapshots cover, stored beside its rooms under `{p}.=checkpoint` (D9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The owner that wrote it.
    pub epoch: Epoch,
    /// The number of times that the log was cut or created again (D11).
    pub generation: u64,
    /// The first sequence that acked snapshots do not cover.
    pub seq: u64,
    /// The time at which the log's stream was created, in Unix milliseconds. Another time means another stream.
    #[serde(default)]
    pub created_ms: u64,
    /// The places at which the log was cut, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<Cut>,
    /// The end of the log when it was measured at a takeover whose owner has not looked at all stored rooms yet. A room
    /// that an earlier owner stored and that reaches beyond it shows that the log was cut there (D11, D25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_to: Option<u64>,
}

/// A place where the log was cut or created again. Entries that older generations covered from `seq` on are gone (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The generation that begins here.
    pub generation: u64,
    /// Its first sequence.
    pub seq: u64,
}

impl Checkpoint {
    /// The last sequence of the present log that a snapshot of `generation`, taken after `last`, covers.
    pub fn covered(&self, generation: u64, last: u64) -> u64 {
        self.cuts
            .iter()
            .filter(|cut| cut.generation > generation)
            .fold(last, |covered, cut| covered.min(cut.seq.saturating_sub(1)))
    }
}

/// The key of the cluster's record, in bucket `cluster`.
pub const CLUSTER_KEY: &str = "settings";

/// The numbers that all processes of a cluster must agree on: bucket `cluster`, key `settings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The version of the bus protocol: [`BUS_PROTOCOL`](crate::wire::BUS_PROTOCOL).
    pub bus_protocol: u32,
    /// The partitions and streams.
    #[serde(flatten)]
    pub layout: Layout,
    /// The layout to which rooms are being moved, while no partition has an owner (D33).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Layout>,
    /// The layout before, whose streams are to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Layout>,
}
