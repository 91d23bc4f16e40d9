//! A request for an upgrade is accepted or refused without a panic, whatever its headers are. The first line of the input
//! is the target, each further one a header.
#![no_main]

use grandstand_edge::server::fuzzing::request;
use hyper::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let mut builder = Request::builder().uri(target);
    for line in lines {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            builder = builder.header(name, value);
        }
    }
    // hyper refuses what is no request.
    if let Ok(built) = builder.body(()) {
        request(&built);
    }
});
