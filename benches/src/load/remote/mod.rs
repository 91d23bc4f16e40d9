//! Control of the generators by a scenario.

mod load;

mod ramp;

mod last_change;

pub use load::Load;
pub use ramp::RampOutcome;
