//! The buffer for encrypted bytes between sockets and sessions.

use std::cell::Cell;

thread_local! {
    static WIRE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's buffer, `len` bytes of it. It is zeroed only when it grows: a read that fills a few of its bytes
/// would else spend more on the zeros than on the rest.
pub(crate) fn with_wire<T>(len: usize, then: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut wire = WIRE.take();
    if wire.len() < len {
        wire.resize(len, 0);
    }
    let result = then(&mut wire[..len]);
    WIRE.set(wire);
    result
}
