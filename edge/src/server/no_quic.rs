//! The stand-in for QUIC in a program that is built without the feature `quic`: no listener, so no connection.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use grandstand_common::supervisor::Supervisor;

use crate::server::driver::Driver;

/// No listener.
#[derive(Debug)]
pub enum QuicListener {}

/// The state of no endpoint.
#[derive(Debug)]
pub enum Status {}

impl Status {
    /// Refuses new clients from now on.
    pub fn stop(&self) {
        match *self {}
    }

    /// Leaves the sockets to another process.
    pub fn hand_over(&self) {
        match *self {}
    }

    /// Waits until all connections are closed.
    pub async fn settled(&self, _within: Duration) {
        match *self {}
    }
}

/// Serves no clients.
pub(super) fn serve(_: Rc<Driver>, listener: QuicListener, _: &Supervisor) -> Rc<Status> {
    match listener {}
}

pub(crate) mod link {
    use std::io::IoSlice;

    use bytes::Bytes;

    use super::io;

    /// The stream of no connection.
    #[derive(Debug)]
    pub(crate) enum QuicLink {}

    impl QuicLink {
        pub(crate) fn write(&mut self, _: &Bytes) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) fn write_slices(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) fn send_datagram(&mut self, _: &Bytes) -> bool {
            match *self {}
        }

        pub(crate) fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) fn is_webtransport(&self) -> bool {
            match *self {}
        }

        pub(crate) fn ping(&mut self) {
            match *self {}
        }

        pub(crate) fn has_packets(&self) -> bool {
            match *self {}
        }

        pub(crate) fn finish(&mut self) {
            match *self {}
        }

        pub(crate) fn set_reason(&mut self, _: u16, _: &'static str) {
            match *self {}
        }

        pub(crate) fn end(&mut self) {
            match *self {}
        }
    }
}

pub mod metrics {
    //! Metrics of nothing.

    use prometheus_client::registry::Registry;

    /// The metrics of nothing.
    #[derive(Debug, Clone, Default)]
    pub struct QuicMetrics {}

    impl QuicMetrics {
        /// Registers nothing.
        pub(crate) fn register(&self, _: &mut Registry) {}

        /// There are no families.
        pub(crate) fn touch(&self) {}
    }
}
