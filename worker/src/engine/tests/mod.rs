mod echo;

mod entries;

mod rig;

use echo::*;
use entries::*;
use rig::*;

mod idle;

mod sequences;

mod sessions;

mod faults;

mod state;

mod strays;

mod stored;

mod takeover;

mod watching;

mod heat;
