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

mod losses;

mod outside;

mod stored;

mod release;

mod quarantine;

mod bounds;

mod cadence;

mod takeover;

mod opening;

mod watching;

mod hot_rooms;

mod stuck;

mod tally;

mod versions;

mod worlds;
