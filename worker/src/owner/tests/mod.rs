mod rig;

use rig::*;

mod sessions;

mod faults;

mod state;

mod stored;

mod takeover;

mod watching;
