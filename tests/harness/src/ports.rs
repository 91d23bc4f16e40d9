//! Ports that no other test has.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use rand::RngExt;

use crate::error::RigError;

/// Below the range from which systems take ports for outgoing connections, so none of those gets in between.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A TCP port on the loopback that is free, and kept from other tests as long as this lives: whoever takes a port here
/// holds the UDP port of the same number.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: UdpSocket,
}

impl Port {
    /// Takes one.
    ///
    /// # Panics
    /// If there is none.
    pub fn take() -> Self {
        Self::try_take().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Takes one.
    ///
    /// # Errors
    /// If there is none.
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

    /// The address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.number))
    }
}
