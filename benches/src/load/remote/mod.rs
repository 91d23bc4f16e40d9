//! A scenario's hold on its generators.

mod load;

mod ramp;

pub use load::Load;
pub use ramp::Reached;
