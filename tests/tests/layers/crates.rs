//! The rules of this workspace: which crates may depend on which.

use crate::rules::Dependents;

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
