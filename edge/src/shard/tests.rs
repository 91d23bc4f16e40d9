mod flush;

mod joins;

mod slow;

use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::core::clients::Client;
use crate::core::effects::Timer;
use crate::core::rooms::frame_log::Member;
use crate::server::connection::Connection;
use crate::server::connections::Connections;
use crate::time::wheel::TimerWheel;

#[test]
fn a_connection_stays_within_its_size_in_bytes() {
    // In debug builds, mio keeps 8 more bytes per socket, and with their padding an entry has 16 more.
    let debug_bytes = if cfg!(debug_assertions) { 16 } else { 0 };
    let plain = [
        ("socket", Connections::entry_bytes(), 56 + debug_bytes),
        ("facts", Connections::facts_bytes(), 40),
        ("protocol", ConnMap::<Connection>::slot_bytes(), 136),
        ("heartbeat", TimerWheel::<ConnKey>::entry_bytes(), 12),
    ];
    let joined = [
        ("client", ConnMap::<Client>::slot_bytes(), 160),
        (
            "timer of a client in no room",
            TimerWheel::<Timer>::entry_bytes(),
            32,
        ),
        ("membership", size_of::<Member>(), 24),
        ("token's timer", TimerWheel::<Timer>::entry_bytes(), 32),
    ];
    for (part, bytes, limit) in plain.into_iter().chain(joined) {
        assert!(bytes <= limit, "{part}: {bytes} bytes, more than {limit}");
    }
}
