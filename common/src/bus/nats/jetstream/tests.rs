use super::api::StreamState;
use super::message::is_marker_block;
use super::*;

#[test]
fn delivery_subjects_of_old_and_new_servers_are_read() {
    let delivery = Delivery {
        stream_seq: 20,
        consumer_seq: 3,
        time_ms: 1_700_000_000_123,
        pending: 4,
    };
    let old = "$JS.ACK.IN_0.name.1.20.3.1700000000123456789.4";
    let new = "$JS.ACK._.ACCHASH.IN_0.name.1.20.3.1700000000123456789.4";
    let random = "$JS.ACK.hub.ACCHASH.IN_0.name.1.20.3.1700000000123456789.4.abcd";
    for subject in [old, new, random] {
        assert_eq!(subject.parse(), Ok(delivery), "{subject}");
    }
    assert!("$JS.ACK.IN_0.name.1".parse::<Delivery>().is_err());
    assert!("$JS.FC.IN_0".parse::<Delivery>().is_err());
}

#[test]
fn delete_markers_are_recognised_by_their_headers() {
    assert!(is_marker_block(
        b"NATS/1.0\r\nKV-Operation: DEL\r\nNats-TTL: 1\r\n\r\n"
    ));
    assert!(is_marker_block(
        b"NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\n\r\n"
    ));
    assert!(!is_marker_block(
        b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n"
    ));
    assert!(!is_marker_block(b""));
}

#[test]
fn an_empty_stream_begins_after_its_end() {
    let state = StreamState {
        messages: 0,
        first_seq: 0,
        last_seq: 0,
    };
    assert_eq!(state.first(), 1);
}
