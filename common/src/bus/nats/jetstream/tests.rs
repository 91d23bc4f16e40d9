use super::api::StreamState;
use super::message::{is_marker_block, unix_ms};
use super::*;
use crate::bus::error::BusError;

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

#[test]
fn a_time_that_cannot_be_read_is_an_error_and_not_another_time() {
    assert_eq!(unix_ms("1970-01-01T00:00:01.5Z"), Ok(1_500));
    for time in ["", "yesterday", "1969-12-31T23:59:00Z"] {
        assert_eq!(unix_ms(time), Err(BusError::Malformed("a time")), "{time}");
    }
}
