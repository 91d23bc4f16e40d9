//! Requests to the operating system.

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most descriptors that are reserved. A table of that size takes half a MiB of the kernel's memory.
const MOST_RESERVED: u64 = 65_536;

/// Makes the kernel's table of this process' open files large enough for `files` of them, and for 65,536 at most.
///
/// A table that grows later makes the thread that opens a file wait for all cores (`synchronize_rcu` in the kernel's
/// `expand_fdtable`). Without the reservation a shard stalled for 6 to 16 ms in a measurement when connections filled the
/// table.
///
/// # Errors
/// If a file cannot be opened.
pub fn reserve_descriptors(files: u64) -> std::io::Result<()> {
    let last = files.clamp(1, MOST_RESERVED) - 1;
    let any = std::fs::File::open("/dev/null")?;
    // The table stays as large as it is when the descriptor is closed again.
    fcntl_dupfd_cloexec(&any, last as i32)?;
    Ok(())
}

/// Raises the limit of open files, and so of sockets, as far as the system allows. Returns the limit; [`u64::MAX`] if
/// there is none.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    now.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d25_the_table_of_open_files_does_not_grow_while_clients_connect() {
        let files = raise_open_files().min(MOST_RESERVED);
        reserve_descriptors(files).unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status
            .lines()
            .find_map(|line| line.strip_prefix("FDSize:"))
            .unwrap();
        let size: u64 = size.trim().parse().unwrap();
        assert!(size >= files, "{size} of {files}");
    }

    #[test]
    fn the_limit_is_the_highest_allowed() {
        let raised = raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(raised, limit.maximum.unwrap_or(u64::MAX));
    }
}
