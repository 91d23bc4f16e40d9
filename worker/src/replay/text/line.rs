//! One line of a report.

use std::fmt::{self, Display, Formatter};

/// The second column's position.
const BEGIN: usize = 13;

pub(super) fn line(f: &mut Formatter<'_>, label: &str, text: impl Display) -> fmt::Result {
    writeln!(f, "{label:BEGIN$}{text}")
}
