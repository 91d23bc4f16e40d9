//! Counts a connection from its arrival to its end.

use std::net::IpAddr;
use std::time::Instant;

use crate::limits::refusal::Refused;
use crate::limits::shared::SharedLimits;
use crate::limits::table::Key;

/// A connection whose handshake is in progress. Dropping it uncounts it.
#[derive(Debug)]
pub struct Arrived {
    presence: Presence,
    handshake: Handshake,
}

/// A connection. Dropping it uncounts it. Takes 16 bytes.
#[derive(Debug)]
pub struct Presence {
    limits: SharedLimits,
    address: Key,
}

#[derive(Debug)]
struct Handshake {
    limits: SharedLimits,
    address: Key,
}

impl SharedLimits {
    /// Counts a new connection. `address` is the client's; `None` if a proxy has still to name it.
    ///
    /// # Errors
    /// If the process or the address has as many as the limit allows, or if the address connects too fast.
    pub fn arrive(&self, address: Option<IpAddr>, now: Instant) -> Result<Arrived, Refused> {
        self.begin()?;
        let limits = self.clone();
        let address_key = Key::UNLIMITED;
        let mut arrived = Arrived {
            presence: Presence {
                limits: limits.clone(),
                address: address_key,
            },
            handshake: Handshake {
                limits,
                address: address_key,
            },
        };
        if let Some(address) = address {
            arrived.charge(address, now)?;
        }
        Ok(arrived)
    }
}

impl Arrived {
    /// Charges the client's address for a handshake. The connection is this address's from now on: a proxy has named it, or
    /// there is a further request on the connection.
    ///
    /// # Errors
    /// If the address has as many as the limit allows, or if it connects too fast.
    pub fn charge(&mut self, address: IpAddr, now: Instant) -> Result<(), Refused> {
        let limits = &self.presence.limits;
        let before = std::mem::replace(&mut self.presence.address, Key::UNLIMITED);
        self.handshake.address = Key::UNLIMITED;
        limits.end_handshake(before);
        limits.leave(before);
        let address = limits.begin_handshake(address, now)?;
        self.presence.address = address;
        self.handshake.address = address;
        Ok(())
    }

    /// Ends the handshake, because the connection is open.
    #[must_use]
    pub fn open(self) -> Presence {
        self.presence
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.limits.end_handshake(self.address);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.limits.leave(self.address);
        self.limits.end();
    }
}
