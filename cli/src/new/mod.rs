//! `grandstand new`: the first version of a program with an own game.

mod name;

mod shared_build;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use grandstand_common::exit::{Exit, Failure};

use name::GameName;

/// Create a folder with a program for a game of your own, and its page
///
/// The game is the one in Grandstand's README, in which two players count to 21. The program has the same commands as
/// this one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the game, the folder and the program: lower-case letters, digits and _
    #[arg(value_name = "NAME")]
    name: GameName,
}

/// Writes the folder and prints the next steps.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let folder = Path::new(args.name.as_str());
    let checkout = checkout();
    let write = || {
        write(folder, &args.name, &dependency(checkout.as_deref()))?;
        checkout.map_or(Ok(()), |own| shared_build::write(folder, &own))
    };
    write().map_err(|error| failure(folder, &error))?;
    // The folder is written even if standard output is closed.
    writeln!(
        io::stdout(),
        "Wrote {}. Start the game:\n\n  cd {0}\n  cargo run -- dev",
        folder.display()
    )
    .ok();
    Ok(())
}

fn failure(folder: &Path, error: &io::Error) -> Failure {
    let folder = folder.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            Exit::Usage,
            format!("{folder} exists; choose another name, or remove it"),
        ),
        _ => Failure::new(
            Exit::NoInput,
            format!("{folder} cannot be written: {error}"),
        ),
    }
}

fn write(folder: &Path, name: &GameName, dependency: &str) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::create_dir(folder.join("src"))?;
    fs::create_dir(folder.join("web"))?;
    for (file, template) in [
        ("Cargo.toml", include_str!("Cargo.toml.txt")),
        (
            "src/main.rs",
            concat!(include_str!("main.rs.txt"), include_str!("tests.rs.txt")),
        ),
        ("web/index.html", include_str!("web/index.html.txt")),
        ("web/game.js", include_str!("web/game.js.txt")),
        ("README.md", include_str!("README.md.txt")),
        (".gitignore", "/target\n"),
    ] {
        fs::write(folder.join(file), fill(template, name, dependency))?;
    }
    Ok(())
}

fn fill(template: &str, name: &GameName, dependency: &str) -> String {
    template
        .replace("TwentyOne", &name.type_name())
        .replace("twentyone", name.as_str())
        .replace("DEPENDENCY", dependency)
}

/// The value of `grandstand =` in Cargo.toml: the path of the checkout that built this program if it exists, otherwise
/// this version.
fn dependency(checkout: Option<&Path>) -> String {
    match checkout {
        Some(dir) => format!("{{ path = {:?} }}", dir.display().to_string()),
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    }
}

/// The path of this crate in a checkout; `None` in a registry's sources, which have no workspace around them.
fn checkout() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let has = |file: PathBuf| file.is_file();
    let root = own.parent()?;
    (has(own.join("Cargo.toml")) && has(root.join("Cargo.toml"))).then(|| own.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_the_program_that_is_written() {
        let readme = include_str!("../../../README.md");
        let shown = readme
            .split("```rust,no_run\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        assert_eq!(shown, Some(include_str!("main.rs.txt")));
    }

    #[test]
    fn the_name_is_filled_in_everywhere() {
        let name: GameName = "dice_duel".parse().unwrap();
        let main = fill(include_str!("main.rs.txt"), &name, "");
        assert!(main.contains("impl Game for DiceDuel"), "{main}");
        assert!(
            main.contains(r#"const NAME: &'static str = "dice_duel";"#),
            "{main}"
        );
        let manifest = fill(include_str!("Cargo.toml.txt"), &name, r#""0.1.0""#);
        assert!(manifest.contains("name = \"dice_duel\"\n"), "{manifest}");
        assert!(
            manifest.contains("\ngrandstand = \"0.1.0\"\n"),
            "{manifest}"
        );
        // Cargo refuses a package below this checkout that is not of its workspace.
        assert!(manifest.contains("\n[workspace]\n"), "{manifest}");
        for text in [main, manifest] {
            assert!(!text.to_lowercase().contains("twentyone"), "{text}");
        }
    }
}
