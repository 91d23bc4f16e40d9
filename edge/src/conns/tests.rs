use super::table::Conn;

#[test]
fn a_connection_takes_little_room() {
    assert!(size_of::<Conn>() <= 112, "{}", size_of::<Conn>());
}
