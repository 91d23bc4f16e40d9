//! The client's address, from the headers of a request.

use std::net::SocketAddr;

use hyper::HeaderMap;

use super::options::ProxyOptions;

/// The client's address: the last one that a trusted proxy names and that is not a trusted proxy's own. `peer` is the
/// address from which the connection comes.
pub(crate) fn client(headers: &HeaderMap, peer: SocketAddr, options: &ProxyOptions) -> SocketAddr {
    let Some(kind) = options.forwarded else {
        return peer;
    };
    let mut client = peer;
    for hop in kind.hops(headers).into_iter().rev() {
        if !options.trusted.contain(client.ip()) {
            break;
        }
        match hop {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}
