//! Checks the files of the store's trees byte by byte, without opening the store.
//!
//! The store looks at its checksums late, when it reads a block, and not at all at some of them. It deletes a tree that
//! it takes for unfinished. Here every byte is compared with a checksum in another file first: `current` has that of the
//! version file, which has those of the tables.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// The folder of trees in a store.
pub(super) const TREES: &str = "keyspaces";
/// The folder of tables in a tree.
pub(super) const TABLES: &str = "tables";
const CURRENT: &str = "current";
/// The length of the end of an archive: magic, version, kind of checksum, checksum, position and length of the contents.
const TRAILER_BYTES: usize = 4 + 1 + 1 + 16 + 8 + 8;

/// The faults of a tree.
#[derive(Debug)]
pub(super) struct TreeFaults {
    /// The number that names the tree's folder.
    pub(super) id: u64,
    /// The fault, with the file's path in the store.
    pub(super) faults: Vec<String>,
    /// Whether the store can open it in spite of the faults, and read what is whole.
    pub(super) can_open: bool,
}

/// Checks all trees of a store, and returns those with faults.
///
/// # Errors
/// If the folder of the trees cannot be listed.
pub(super) fn check(store: &Path) -> io::Result<Vec<TreeFaults>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(store.join(TREES))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(id) = name.and_then(|name| name.parse().ok()) else {
            continue;
        };
        let mut tree = TreeFaults {
            id,
            faults: Vec::new(),
            can_open: true,
        };
        match version(&path) {
            Ok(tables) => tree.check_tables(&path, tables),
            Err((file, why)) => tree.fault(&file, &why, false),
        }
        if !tree.faults.is_empty() {
            found.push(tree);
        }
    }
    Ok(found)
}

impl TreeFaults {
    fn fault(&mut self, file: &str, why: &str, can_open: bool) {
        let id = self.id;
        self.faults.push(format!("store/{TREES}/{id}/{file} {why}"));
        self.can_open &= can_open;
    }

    fn check_tables(&mut self, tree: &Path, tables: Vec<(u64, u128)>) {
        for (id, wanted) in tables {
            let name = format!("{TABLES}/{id}");
            match hash_file(&tree.join(&name)) {
                Err(error) => self.fault(&name, &format!("cannot be read: {error}"), false),
                Ok(found) if found == wanted => {}
                Ok(_) => {
                    let can_open = contents_are_whole(&tree.join(&name)).unwrap_or(false);
                    self.fault(&name, "does not match its checksum", can_open);
                }
            }
        }
    }
}

/// The tables of a tree's current version, with their checksums; or the file that is damaged, and how.
fn version(tree: &Path) -> Result<Vec<(u64, u128)>, (String, String)> {
    let read = |name: &str| {
        let cannot = |error| (name.to_owned(), format!("cannot be read: {error}"));
        std::fs::read(tree.join(name)).map_err(cannot)
    };
    let damaged = |name: &str| (name.to_owned(), "does not match its checksum".to_owned());
    let current = read(CURRENT)?;
    let mut fields = Fields(&current);
    let (Some(id), Some(checksum), Some([0]), []) =
        (fields.u64(), fields.u128(), fields.take(1), fields.0)
    else {
        return Err(damaged(CURRENT));
    };
    let name = format!("v{id}");
    if xxh3_128(&read(&name)?) != checksum {
        return Err(damaged(&name));
    }
    let path = tree.join(&name);
    let section = sfa::Reader::new(&path).ok().and_then(|archive| {
        let mut bytes = Vec::new();
        let tables = archive.toc().section(b"tables")?;
        let read = tables.buf_reader(&path).ok()?.read_to_end(&mut bytes);
        read.ok().map(|_| bytes)
    });
    let tables = section.and_then(|bytes| parse_tables(&bytes));
    tables.ok_or_else(|| (name, "does not list its tables".to_owned()))
}

/// Reads the numbers and checksums of tables: levels of runs of tables.
fn parse_tables(bytes: &[u8]) -> Option<Vec<(u64, u128)>> {
    let mut fields = Fields(bytes);
    let mut tables = Vec::new();
    for _ in 0..fields.u8()? {
        for _ in 0..fields.u8()? {
            for _ in 0..fields.u32()? {
                let id = fields.u64()?;
                if fields.u8()? != 0 {
                    return None;
                }
                tables.push((id, fields.u128()?));
                fields.u64()?;
            }
        }
    }
    Some(tables)
}

/// Little endian numbers in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn u128(&mut self) -> Option<u128> {
        Some(u128::from_le_bytes(self.take(16)?.try_into().ok()?))
    }
}

fn hash_file(path: &Path) -> io::Result<u128> {
    let mut file = File::open(path)?;
    let mut hasher = Xxh3Default::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.digest128()),
            read => hasher.update(&chunk[..read]),
        }
    }
}

/// Whether the table of contents at the end of an archive is whole. The store trusts it before it checks it.
fn contents_are_whole(path: &Path) -> io::Result<bool> {
    let bytes = std::fs::read(path)?;
    let Some((rest, trailer)) = bytes.split_last_chunk::<TRAILER_BYTES>() else {
        return Ok(false);
    };
    let mut fields = Fields(&trailer[6..]);
    let contents = fields.u128().zip(fields.u64()).and_then(|(checksum, at)| {
        let contents = rest.get(usize::try_from(at).ok()?..)?;
        Some(xxh3_128(contents) == checksum)
    });
    Ok(contents.unwrap_or(false))
}
