//! Files that the configuration names: keys, certificates, logins.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The most bytes of a file.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file, of which processes read these files again and again: a regular one of at most 1 MiB. A pipe would block the
/// reader until something writes to it, and a device may never end.
///
/// # Errors
/// If it cannot be read, is no regular file, or is larger.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(wrong("it is a folder"));
    }
    if !kind.is_file() {
        return Err(wrong("it is a pipe or a device, not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        Err(wrong("it has more than 1 MiB"))
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_of_limited_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let error = |path: &Path| read(path).unwrap_err().to_string();
        std::fs::write(&path, "content").unwrap();
        assert_eq!(read(&path).unwrap(), b"content");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(error(&path), "it has more than 1 MiB");
        assert_eq!(error(folder.path()), "it is a folder");
        assert!(error(&folder.path().join("none")).contains("No such file"));
        #[cfg(unix)]
        {
            let device = Path::new("/dev/zero");
            assert_eq!(error(device), "it is a pipe or a device, not a file");
            let pipe = folder.path().join("pipe");
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            assert!(made.unwrap().success());
            assert_eq!(error(&pipe), "it is a pipe or a device, not a file");
        }
    }
}
