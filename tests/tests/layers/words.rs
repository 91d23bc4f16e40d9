//! The words that parts of this workspace must not contain.

use crate::rules::Unnamed;

/// Starts that no supervisor sees (D28). An awaited `spawn_blocking` needs no supervisor.
const UNSUPERVISED: &[&str] = &[
    "tokio::spawn",
    "tokio::task::spawn",
    "tokio::task::spawn_local",
    "std::thread::spawn",
    "std::thread::Builder",
];

/// I/O, threads and the clock.
const IO: &[&str] = &[
    "tokio",
    "mio",
    "hyper",
    "std::net",
    "std::fs",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant::now",
];

/// The words that a part of a crate must not contain.
pub(crate) const UNNAMED: &[Unnamed] = &[
    Unnamed {
        name: "no I/O below edge's shell",
        folder: "edge",
        within: &["core", "codec", "websocket", "conn", "time"],
        except: &[],
        never: IO,
    },
    Unnamed {
        name: "only flush writes to clients",
        folder: "edge",
        within: &["core"],
        except: &["core", "core::flush"],
        never: &["Transport"],
    },
    Unnamed {
        name: "only the roof names Core",
        folder: "edge",
        within: &["core"],
        except: &["core"],
        never: &["Core"],
    },
    Unnamed {
        name: "no I/O in the worker's machines",
        folder: "worker",
        within: &["room", "partition", "lease", "engine"],
        except: &[],
        never: IO,
    },
    Unnamed {
        name: "no I/O in game",
        folder: "game",
        within: &[""],
        except: &["testing::fixtures"],
        never: IO,
    },
    Unnamed {
        name: "no time in game",
        folder: "game",
        within: &[""],
        except: &[],
        never: &["std::time::Instant"],
    },
    Unnamed {
        name: "every task and thread of edge has a supervisor",
        folder: "edge",
        within: &["program", "process", "shard", "server"],
        except: &[],
        never: UNSUPERVISED,
    },
    Unnamed {
        name: "every task and thread of worker has a supervisor",
        folder: "worker",
        within: &["process"],
        except: &[],
        never: UNSUPERVISED,
    },
    Unnamed {
        name: "every task and thread of common has a supervisor",
        folder: "common",
        within: &[""],
        except: &["supervisor"],
        never: UNSUPERVISED,
    },
    Unnamed {
        name: "every task and thread of cli has a supervisor",
        folder: "cli",
        within: &[""],
        except: &[],
        never: UNSUPERVISED,
    },
];
