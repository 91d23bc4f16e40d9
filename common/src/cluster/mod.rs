//! The settings that all processes of a cluster share (their bus, and the numbers that they must agree on), and the start
//! of a process on NATS.

mod name;

mod settings;

mod start;

pub use name::check_cluster_name;
pub use settings::ClusterSettings;
pub use start::StartError;
