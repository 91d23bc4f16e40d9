//! The topic that the archive keeps.

/// The topic on which games emit their results.
pub(super) const TOPIC: &str = "results";
