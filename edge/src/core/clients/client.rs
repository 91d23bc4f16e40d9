//! One connected client.

use grandstand_common::auth::Grants;
use grandstand_common::envelope::Encoding;

use super::budget::Budget;
use super::expiry::Expiry;
use super::membership::{Membership, Memberships};
use super::roomless::Roomless;
use crate::codec::WireFormat;

/// A connected client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) format: WireFormat,
    pub(super) grants: Grants,
    pub(super) memberships: Memberships,
    pub(super) budget: Budget,
    /// The sessions that the client has left and that no owner has ended yet.
    pub(super) departing: u16,
    /// The number of the last announcement that the client has, or does not need.
    pub(super) announced: u16,
    pub(super) expiry: Expiry,
    pub(super) roomless: Roomless,
}

impl Client {
    /// The wire format of messages to the client.
    pub(crate) fn format(&self) -> WireFormat {
        self.format
    }

    /// The encoding of the client's messages, in both directions.
    pub(crate) fn encoding(&self) -> Encoding {
        self.format.encoding
    }

    /// The client's rights.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The rooms that the client has joined or is joining.
    pub(crate) fn memberships(&self) -> &[Membership] {
        &self.memberships
    }
}
