mod rig;

use rig::*;

mod sessions;

mod state;

mod stored;

mod takeover;

mod watching;
