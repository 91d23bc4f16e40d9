//! Whatever is offered in `Sec-WebSocket-Extensions` is read without a panic, line by line, and the answer is an offer that
//! would be accepted as it is.
#![no_main]

use grandstand_edge::websocket::extensions::negotiate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: Vec<String>| {
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let whole = negotiate(lines.iter().copied());
    // Lines are one list.
    assert_eq!(whole, negotiate([lines.join(",").as_str()]), "{lines:?}");
    if let Ok(Some(deflate)) = whole {
        assert_eq!(negotiate([deflate.answer()]), whole);
    }
});
