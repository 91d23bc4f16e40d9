mod rig;

use rig::*;

mod sessions;
