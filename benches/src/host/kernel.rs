//! The kernel's memory for sockets. It belongs to no process but to the whole machine: it includes both ends of a
//! loopback connection and all other sockets.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::proc::field;

/// The kernel's memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Kernel structures: sockets, files, epoll items.
    pub slab: u64,
    /// Bytes in TCP's buffers.
    pub buffers: u64,
    /// The number of TCP sockets.
    pub sockets: u64,
    /// The machine's available memory.
    pub available: u64,
}

impl Kernel {
    /// Reads the current values.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn now() -> io::Result<Self> {
        let memory = fs::read_to_string("/proc/meminfo")?;
        let sockets = fs::read_to_string("/proc/net/sockstat")?;
        Ok(Self::parse(
            &memory,
            &sockets,
            rustix::param::page_size() as u64,
        ))
    }

    fn parse(memory: &str, sockets: &str, page: u64) -> Self {
        let tcp = sockets.lines().find(|line| line.starts_with("TCP:"));
        let value = |name: &str| {
            let mut words = tcp?.split_ascii_whitespace();
            words.find(|&word| word == name)?;
            words.next()?.parse::<u64>().ok()
        };
        Self {
            slab: field(memory, "Slab:").unwrap_or(0) * 1024,
            buffers: value("mem").unwrap_or(0) * page,
            sockets: value("alloc").unwrap_or(0),
            available: field(memory, "MemAvailable:").unwrap_or(0) * 1024,
        }
    }

    /// Slab and TCP buffers together.
    pub fn memory(&self) -> u64 {
        self.slab + self.buffers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slab_and_buffers_are_read() {
        let memory =
            "MemTotal: 24 kB\nMemAvailable: 20 kB\nSlab:           1000 kB\nSReclaimable: 1 kB\n";
        let sockets =
            "sockets: used 16\nTCP: inuse 1 orphan 0 tw 0 alloc 7 mem 3\nUDP: inuse 0 mem 9\n";
        let kernel = Kernel::parse(memory, sockets, 4096);
        assert_eq!(
            kernel,
            Kernel {
                slab: 1_024_000,
                buffers: 12_288,
                sockets: 7,
                available: 20_480,
            }
        );
        let now = Kernel::now().unwrap();
        assert!(now.slab > 0 && now.available > 0);
    }
}
