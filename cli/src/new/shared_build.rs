//! The packages that a new program shares with the checkout of Grandstand, so that cargo compiles few of them again.

use std::path::Path;
use std::{fs, io};

use toml::{Table, Value};

/// The packages that only tests and benches of the checkout have. Cargo warns about settings of packages that are not there.
const OF_TESTS: [&str; 1] = ["tungstenite"];

/// The head of the file.
const HEAD: &str = "\
# Grandstand's checkout has built most packages already. Cargo finds them there if the settings of both are the same, and the
# first build takes a minute instead of several. `cargo clean` removes them for both. Without this file, and with other versions
# in Cargo.lock, everything is built in this folder.
";

/// Writes the settings for cargo, and the versions of the checkout. `own` is the path of this crate.
pub(super) fn write(folder: &Path, own: &Path) -> io::Result<()> {
    let Some(root) = own.parent() else {
        return Ok(());
    };
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let Some(profile) = profile(&manifest) else {
        return Ok(());
    };
    let target = Value::from(root.join("target").display().to_string());
    let build = Table::from_iter([("target-dir".to_owned(), target)]);
    let sections = [("build", build), ("profile", profile)];
    let settings: Table = sections
        .into_iter()
        .map(|(name, table)| (name.to_owned(), Value::from(table)))
        .collect();
    fs::create_dir(folder.join(".cargo"))?;
    fs::write(
        folder.join(".cargo/config.toml"),
        format!("{HEAD}\n{settings}"),
    )?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).map(drop)
}

/// The settings of packages in the development profile of a manifest.
fn profile(manifest: &str) -> Option<Table> {
    let manifest: Table = manifest.parse().ok()?;
    let mut packages = manifest
        .get("profile")?
        .get("dev")?
        .get("package")?
        .as_table()?
        .clone();
    packages.retain(|name, _| !OF_TESTS.contains(&name));
    let within =
        |name: &str, value: Table| Table::from_iter([(name.to_owned(), Value::from(value))]);
    Some(within("dev", within("package", packages)))
}
