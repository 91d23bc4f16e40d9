//! The id of this build. Another build retries the rooms that this one put in quarantine (D14).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const CHUNK: usize = 64 * 1024;

/// The version and a hash of the program's file. The hash makes a build with a fixed game another build, even if the
/// version is the same. Reads the whole file; call it once.
pub fn id() -> String {
    let file = std::env::current_exe().and_then(|path| hash(&path));
    match file {
        Ok(hash) => format!("{VERSION}+{:08x}", hash as u32),
        Err(error) => {
            tracing::warn!(%error, "cannot read the program's own file: the build id is the version alone");
            VERSION.to_owned()
        }
    }
}

fn hash(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut hash = Xxh3::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.digest()),
            len => hash.update(&chunk[..len]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_program_files_have_different_hashes() {
        assert_eq!(id(), id());
        assert!(id().starts_with(&format!("{VERSION}+")), "{}", id());
        let path = std::env::temp_dir().join(format!("grandstand-build-{}", std::process::id()));
        let mut hashes = Vec::new();
        for content in [vec![1; CHUNK + 1], vec![2; CHUNK + 1], vec![1; CHUNK]] {
            std::fs::write(&path, content).unwrap();
            hashes.push(hash(&path).unwrap());
        }
        std::fs::remove_file(&path).unwrap();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 3);
        assert!(hash(Path::new("/nowhere")).is_err());
    }
}
