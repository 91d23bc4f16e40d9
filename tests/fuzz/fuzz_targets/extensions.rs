//! Any `Sec-WebSocket-Extensions` header lines are parsed without a panic, and the answer is itself an offer that would
//! be accepted unchanged.
#![no_main]

use grandstand_edge::websocket::extensions::negotiate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: Vec<String>| {
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let whole = negotiate(lines.iter().copied());
    // Several header lines are equivalent to one list.
    assert_eq!(whole, negotiate([lines.join(",").as_str()]), "{lines:?}");
    if let Ok(Some(deflate)) = whole {
        assert_eq!(negotiate([deflate.answer()]), whole);
    }
});
