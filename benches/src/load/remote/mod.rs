//! Control of the generators by a scenario.

mod load;

mod ramp;

pub use load::Load;
pub use ramp::RampOutcome;
