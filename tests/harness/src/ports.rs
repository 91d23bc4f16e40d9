//! Ports that are reserved for one test.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use rand::RngExt;

use crate::error::RigError;

/// Lies below the range from which systems take ports for outgoing connections, so that no outgoing connection takes a
/// port of a test.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A free TCP port on the loopback, reserved while this value lives. Every user of this module holds the UDP port of
/// the same number, so that two tests never get the same port.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: UdpSocket,
}

impl Port {
    /// Reserves a port.
    ///
    /// # Panics
    /// If none is free.
    pub fn take() -> Self {
        Self::try_take().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Reserves a port.
    ///
    /// # Errors
    /// If none is free.
    pub fn try_take() -> Result<Self, RigError> {
        for _ in 0..1000 {
            let number = rand::rng().random_range(RANGE);
            let address = SocketAddr::from(([127, 0, 0, 1], number));
            let Ok(held) = UdpSocket::bind(address) else {
                continue;
            };
            if TcpListener::bind(address).is_ok() {
                return Ok(Self {
                    number,
                    _held: held,
                });
            }
        }
        Err(RigError::NoPort)
    }

    /// The port's address on the loopback.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.number))
    }
}
