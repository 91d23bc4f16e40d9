use super::table::Conn;
use crate::core::{Client, Timer};
use crate::dense::Dense;
use crate::drive::Drive;
use crate::hub::tail::Member;
use crate::sink::ConnKey;
use crate::wheel::Wheel;

#[test]
fn a_connection_takes_little_room() {
    let plain = [
        ("socket", size_of::<Option<Conn>>(), 56),
        ("protocol", Dense::<Drive>::place_bytes(), 120),
        ("heartbeat", Wheel::<ConnKey>::entry_bytes(), 12),
    ];
    let joined = [
        ("client", Dense::<Client>::place_bytes(), 152),
        ("membership", size_of::<Member>(), 24),
        ("token's timer", Wheel::<Timer>::entry_bytes(), 32),
    ];
    for (what, bytes, most) in plain.into_iter().chain(joined) {
        assert!(bytes <= most, "{what}: {bytes} bytes");
    }
}
