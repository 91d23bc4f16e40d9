//! The rules of this workspace: the tables of layers, machines and crates.

use crate::rules::{Closed, Dependents, Layers, Reserved};

/// The layers of each crate.
pub(crate) const LAYERS: &[Layers] = &[
    Layers {
        name: "layers of edge",
        folder: "edge",
        complete: Some(""),
        stacked: false,
        rows: &[
            (&["program"], &["process", "shard", "server"]),
            (
                &["process"],
                &[
                    "shard",
                    "server",
                    "core",
                    "codec",
                    "websocket",
                    "limits",
                    "conn",
                ],
            ),
            (
                &["shard"],
                &[
                    "server",
                    "core",
                    "codec",
                    "websocket",
                    "limits",
                    "conn",
                    "time",
                ],
            ),
            (
                &["server"],
                &["codec", "websocket", "limits", "conn", "time"],
            ),
            (&["core"], &["codec", "limits", "conn", "time"]),
            (&["codec"], &["websocket"]),
            (&["limits"], &["time"]),
            (&["websocket", "conn", "time"], &[]),
        ],
    },
    Layers {
        name: "layers of edge's core",
        folder: "edge",
        complete: Some("core"),
        stacked: true,
        rows: &[
            (&["core::timers"], &[]),
            (
                &["core::egress", "core::ingress", "core::flush"],
                &["codec", "limits", "conn", "time"],
            ),
            (&["core::listing"], &["conn"]),
            (&["core::delivery"], &["conn"]),
            (&["core::revoked"], &["conn"]),
            (&["core::crowd"], &["conn"]),
            (&["core::leave"], &["conn"]),
            (&["core::join"], &["codec", "conn"]),
            (&["core::answer"], &["codec", "conn"]),
            (&["core::linger"], &[]),
            (&["core::roomless"], &["conn"]),
            (&["core::shed"], &[]),
            (&["core::unanswered"], &["conn"]),
            (&["core::reply"], &["codec", "conn"]),
            (&["core::interest"], &[]),
            (&["core::state"], &["conn"]),
            (&["core::config", "core::limits"], &["codec", "limits"]),
            (
                &[
                    "core::clients",
                    "core::rooms",
                    "core::owners",
                    "core::health",
                    "core::announcements",
                ],
                &["codec", "limits", "conn", "time"],
            ),
            (&["core::effects"], &["conn", "time"]),
            (&["core::command", "core::counts"], &["codec"]),
            (&["core::ids"], &[]),
        ],
    },
    Layers {
        name: "layers of worker",
        folder: "worker",
        complete: Some(""),
        stacked: false,
        rows: &[
            (
                &["process"],
                &[
                    "engine",
                    "lease",
                    "partition",
                    "counts",
                    "deadlines",
                    "command",
                    "current_call",
                ],
            ),
            (
                &["engine"],
                &[
                    "partition",
                    "context",
                    "outbox",
                    "counts",
                    "command",
                    "current_call",
                    "deadlines",
                ],
            ),
            (
                &["partition"],
                &[
                    "context",
                    "stored",
                    "room",
                    "outbox",
                    "counts",
                    "command",
                    "requests",
                    "loads",
                    "deadlines",
                    "replay_cost",
                    "current_call",
                ],
            ),
            (
                &["context"],
                &[
                    "requests",
                    "loads",
                    "outbox",
                    "counts",
                    "command",
                    "replay_cost",
                    "current_call",
                ],
            ),
            (&["check"], &["replay", "stored", "room", "command"]),
            (&["replay"], &["stored", "room"]),
            (&["repartition"], &["stored"]),
            (&["counts"], &["stored::error"]),
            (&["stored"], &["room"]),
            (&["outbox"], &["deadlines"]),
            (&["requests"], &["command"]),
            (
                &[
                    "room",
                    "lease",
                    "command",
                    "loads",
                    "deadlines",
                    "replay_cost",
                    "current_call",
                ],
                &[],
            ),
        ],
    },
    Layers {
        name: "layers of the worker's partition",
        folder: "worker",
        complete: Some("partition"),
        stacked: true,
        rows: &[
            (
                &[
                    "partition::intake",
                    "partition::interest",
                    "partition::listing",
                ],
                BELOW_PARTITION,
            ),
            (&["partition::idle_loading"], BELOW_PARTITION),
            (&["partition::settle"], BELOW_PARTITION),
            (
                &["partition::delivery", "partition::losses"],
                BELOW_PARTITION,
            ),
            (
                &[
                    "partition::cut",
                    "partition::hot_rooms",
                    "partition::release",
                ],
                BELOW_PARTITION,
            ),
            (&["partition::ticking"], BELOW_PARTITION),
            (&["partition::send", "partition::writing"], BELOW_PARTITION),
            (
                &[
                    "partition::faults",
                    "partition::opening",
                    "partition::deleted_worlds",
                ],
                BELOW_PARTITION,
            ),
            (&["partition::state"], BELOW_PARTITION),
            (
                &[
                    "partition::takeover",
                    "partition::checkpoints",
                    "partition::log",
                    "partition::rooms",
                    "partition::room_reads",
                    "partition::coverage",
                    "partition::quarantine_records",
                    "partition::audiences",
                    "partition::edge_sessions",
                    "partition::timers",
                    "partition::needs",
                    "partition::worlds",
                ],
                BELOW_PARTITION,
            ),
            (
                &[
                    "partition::known_rooms",
                    "partition::room_coverage",
                    "partition::decode_room",
                    "partition::audience",
                    "partition::room_world",
                ],
                BELOW_PARTITION,
            ),
            (&["partition::room_table"], BELOW_PARTITION),
            (&["partition::known_room"], BELOW_PARTITION),
            (&["partition::residence"], BELOW_PARTITION),
            (
                &[
                    "partition::change",
                    "partition::panic_restore",
                    "partition::update_ring",
                    "partition::tenure",
                ],
                BELOW_PARTITION,
            ),
        ],
    },
];

/// The modules below a partition.
const BELOW_PARTITION: &[&str] = &[
    "context",
    "stored",
    "room",
    "outbox",
    "counts",
    "command",
    "requests",
    "loads",
    "deadlines",
    "replay_cost",
    "current_call",
];

/// Modules that only some import.
pub(crate) const RESERVED: &[Reserved] = &[Reserved {
    name: "process in common",
    folder: "common",
    module: "process",
    by: &["auth", "cluster"],
}];

/// Machines have no visible fields.
pub(crate) const CLOSED: &[Closed] = &[
    Closed {
        name: "machines of edge's core",
        folder: "edge",
        structs: &[
            ("core::clients", "Clients"),
            ("core::rooms", "Rooms"),
            ("core::rooms::room", "Room"),
            ("core::rooms::lane", "Lane"),
            ("core::rooms::lane_clients", "LaneClients"),
            ("core::rooms::waiting", "WaitingClients"),
            ("core::rooms::stale", "SlowMembers"),
            ("core::rooms::newest_frame", "NewestFrame"),
            ("core::rooms::catch_up", "CatchUp"),
            ("core::rooms::player_session", "PlayerSession"),
            ("core::rooms::sessions", "Sessions"),
            ("core::rooms::recipient", "Recipient"),
            ("core::rooms::chain", "Chain"),
            ("core::rooms::sync", "SyncState"),
            ("core::rooms::frame_log", "FrameLog"),
            ("core::rooms::update_ring", "UpdateRing"),
            ("core::rooms::delay", "DelayBuffer"),
            ("core::rooms::hot", "HotStream"),
            ("core::owners", "Owners"),
            ("core::owners::partition", "PartitionOwner"),
            ("core::owners::links", "WorkerLinks"),
            ("core::health", "BusHealth"),
            ("core::announcements", "Announcements"),
            ("core::effects", "Effects"),
        ],
    },
    Closed {
        name: "limits that all shards share",
        folder: "edge",
        structs: &[
            ("limits::shared", "SharedLimits"),
            ("limits::table", "Table"),
            ("limits::budgets", "Budgets"),
            ("limits::byte_budget", "ByteBudget"),
            ("limits::presence", "Arrived"),
            ("limits::presence", "Presence"),
        ],
    },
    Closed {
        name: "partitions of an engine",
        folder: "worker",
        structs: &[
            ("engine::partitions", "Partitions"),
            ("engine::schedule", "Schedule"),
        ],
    },
    Closed {
        name: "machines of the worker's partition",
        folder: "worker",
        structs: &[
            ("partition::takeover", "Takeover"),
            ("partition::checkpoints", "Checkpoints"),
            ("partition::log", "LogReading"),
            ("partition::rooms", "Rooms"),
            ("partition::room_reads", "RoomReads"),
            ("partition::known_rooms", "KnownRooms"),
            ("partition::room_table", "RoomTable"),
            ("partition::known_room", "KnownRoom"),
            ("partition::residence", "Loaded"),
            ("partition::panic_restore", "RestorePoint"),
            ("partition::coverage", "Coverage"),
            ("partition::room_coverage", "RoomCoverage"),
            ("partition::quarantine_records", "QuarantineRecords"),
            ("partition::audiences", "Audiences"),
            ("partition::audience", "Audience"),
            ("partition::update_ring", "UpdateRing"),
            ("partition::edge_sessions", "EdgeSessions"),
            ("partition::timers", "Timers"),
            ("partition::needs", "Needs"),
            ("partition::worlds", "Worlds"),
            ("partition::room_world", "RoomWorld"),
        ],
    },
];

/// The crates of the workspace that each crate may depend on.
pub(crate) const DEPENDENTS: &[Dependents] = &[
    Dependents {
        name: "crates",
        folder: "common/types",
        may: &[],
    },
    Dependents {
        name: "crates",
        folder: "common",
        may: &["grandstand-types"],
    },
    Dependents {
        name: "crates",
        folder: "edge",
        may: &["grandstand-common", "grandstand-types"],
    },
    Dependents {
        name: "crates",
        folder: "game",
        may: &["grandstand-types"],
    },
    Dependents {
        name: "crates",
        folder: "game/builtin",
        may: &["grandstand-game"],
    },
    Dependents {
        name: "crates",
        folder: "worker",
        may: &["grandstand-common", "grandstand-types", "grandstand-game"],
    },
    Dependents {
        name: "crates",
        folder: "tests/harness",
        may: &["grandstand-common", "grandstand-types"],
    },
    Dependents {
        name: "crates",
        folder: "benches",
        may: &[
            "grandstand-common",
            "grandstand-types",
            "grandstand-game",
            "grandstand-worker",
            "grandstand-harness",
            // The scenario `crowd` runs the core of a shard without sockets.
            "grandstand-edge",
        ],
    },
];
