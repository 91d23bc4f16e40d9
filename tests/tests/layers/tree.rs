//! The sources of the workspace, and the resolution of paths to files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FsPath;
use std::{fs, io};

use crate::source::{Path, Source, read};

/// The text of each `Cargo.toml` and of each file below a `src`, by its path below the root of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(pub(crate) BTreeMap<String, String>);

impl Sources {
    /// Reads the sources of this workspace.
    pub(crate) fn workspace() -> Self {
        let root = FsPath::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Self::load(&root).unwrap()
    }

    /// Reads the sources of the workspace at `root`.
    pub(crate) fn load(root: &FsPath) -> io::Result<Self> {
        let mut sources = Self::default();
        let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
        for member in members(&manifest) {
            let path = format!("{member}/Cargo.toml");
            let text = fs::read_to_string(root.join(&path))?;
            sources.0.insert(path, text);
            sources.load_folder(root, &format!("{member}/src"))?;
        }
        sources.0.insert("Cargo.toml".to_owned(), manifest);
        Ok(sources)
    }

    fn load_folder(&mut self, root: &FsPath, folder: &str) -> io::Result<()> {
        for entry in fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.load_folder(root, &path)?;
            } else if path.ends_with(".rs") {
                self.0
                    .insert(path.clone(), fs::read_to_string(root.join(path))?);
            }
        }
        Ok(())
    }

    /// The programs and libraries of the workspace.
    pub(crate) fn crates(&self) -> Vec<Crate> {
        let manifest = self.0.get("Cargo.toml").map_or("", String::as_str);
        let roots = members(manifest).into_iter().flat_map(|member| {
            ["lib", "main"].map(|root| (member.clone(), format!("{member}/src/{root}.rs")))
        });
        roots
            .filter(|(_, root)| self.0.contains_key(root))
            .map(|(member, root)| Crate::read(self, member, &root))
            .collect()
    }
}

/// `members` of the workspace's manifest.
pub(crate) fn members(manifest: &str) -> Vec<String> {
    let Some((_, rest)) = manifest.split_once("members = [") else {
        return Vec::new();
    };
    let list = rest.split(']').next().unwrap_or_default();
    let quoted = list.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// A library or a program.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    /// Its folder, for example `edge`.
    pub(crate) folder: String,
    /// Its modules by path, for example `core::rooms`; the root is empty.
    pub(crate) modules: BTreeMap<String, Module>,
}

/// A module in a file of its own.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// The file, below the root of the workspace.
    pub(crate) file: String,
    /// Its parsed content.
    pub(crate) source: Source,
}

/// The target of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module of the same crate.
    Module(String),
    /// A path into another crate.
    Foreign(String),
    /// A name of the file itself, or of the prelude.
    Local,
}

/// An import of one module by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// The module that imports.
    pub(crate) from: String,
    /// The module that is imported.
    pub(crate) to: String,
    /// The first line.
    pub(crate) line: usize,
    /// The paths, as written.
    pub(crate) paths: String,
}

impl Crate {
    fn read(sources: &Sources, folder: String, root: &str) -> Self {
        let mut modules = BTreeMap::new();
        let mut found = vec![(String::new(), root.to_owned())];
        while let Some((path, file)) = found.pop() {
            let source = read(&sources.0[&file]);
            let (dir, name) = file.rsplit_once('/').unwrap_or_default();
            let inside = match name {
                "lib.rs" | "main.rs" | "mod.rs" => dir.to_owned(),
                _ => file.trim_end_matches(".rs").to_owned(),
            };
            for child in source.modules.keys() {
                let files = [
                    format!("{inside}/{child}.rs"),
                    format!("{inside}/{child}/mod.rs"),
                ];
                let file = files.into_iter().find(|f| sources.0.contains_key(f));
                found.extend(file.map(|file| (join(&path, child), file)));
            }
            modules.insert(path, Module { file, source });
        }
        Self { folder, modules }
    }

    /// Returns a copy with another text for one file.
    pub(crate) fn with(&self, module: &str, text: &str) -> Self {
        let mut planted = self.clone();
        if let Some(module) = planted.modules.get_mut(module) {
            module.source = read(text);
        }
        planted
    }

    pub(crate) fn file(&self, module: &str) -> &str {
        self.modules.get(module).map_or("?", |m| m.file.as_str())
    }

    /// Whether it is the crate's program, not its library.
    pub(crate) fn is_program(&self) -> bool {
        self.file("").ends_with("main.rs")
    }

    /// Resolves a path in a module to a file or to another crate.
    pub(crate) fn resolve(&self, module: &str, path: &Path) -> Target {
        self.resolve_within(module, path, 0)
    }

    fn resolve_within(&self, module: &str, path: &Path, follows: usize) -> Target {
        let Some(own) = self.modules.get(module) else {
            return Target::Local;
        };
        let first = path.segments[0].as_str();
        let mut rest = &path.segments[1..];
        let mut base: Vec<&str> = module.split("::").filter(|s| !s.is_empty()).collect();
        match first {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                let mut ups = 1;
                while rest.first().is_some_and(|s| s == "super") {
                    (ups, rest) = (ups + 1, &rest[1..]);
                }
                let files = ups - path.depth.min(ups);
                base.truncate(base.len().saturating_sub(files));
                if files == 0 {
                    return Target::Local;
                }
            }
            name if own.source.modules.contains_key(name) => base.push(name),
            name => match own.source.names.get(name) {
                Some(used) if used.segments != path.segments && follows < 8 => {
                    let mut full = used.clone();
                    full.segments.extend_from_slice(rest);
                    return self.resolve_within(module, &full, follows + 1);
                }
                _ => {
                    let lower = name.starts_with(char::is_lowercase) && name != "self";
                    return if lower {
                        Target::Foreign(path.text())
                    } else {
                        Target::Local
                    };
                }
            },
        }
        self.descend(base.join("::"), rest, follows)
    }

    /// Follows `rest` down from a module as far as there are files, and through their re-exports of other crates.
    fn descend(&self, base: String, rest: &[String], follows: usize) -> Target {
        let (mut module, mut rest) = (base, rest);
        while let Some(next) = rest.first().map(|name| join(&module, name))
            && self.modules.contains_key(&next)
        {
            (module, rest) = (next, &rest[1..]);
        }
        let reexport = rest.first().and_then(|name| {
            let source = &self.modules.get(&module)?.source;
            source.names.get(name).filter(|path| path.public)
        });
        if let Some(reexport) = reexport
            && follows < 8
        {
            let mut full = reexport.clone();
            full.segments.extend_from_slice(&rest[1..]);
            if let Target::Foreign(path) = self.resolve_within(&module, &full, follows + 1) {
                return Target::Foreign(path);
            }
        }
        Target::Module(module)
    }

    /// Returns all imports between its files: by paths, and by `mod`, because a module uses its children.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut found: BTreeMap<(&str, String), BTreeSet<(usize, String)>> = BTreeMap::new();
        for (from, module) in &self.modules {
            for path in &module.source.paths {
                if let Target::Module(to) = self.resolve(from, path)
                    && to != *from
                {
                    let paths = found.entry((from, to)).or_default();
                    paths.insert((path.line, path.text()));
                }
            }
            for (child, &line) in &module.source.modules {
                let to = join(from, child);
                if self.modules.contains_key(&to) {
                    let paths = found.entry((from, to)).or_default();
                    paths.insert((line, format!("mod {child}")));
                }
            }
        }
        let import = |((from, to), paths): ((&str, String), BTreeSet<(usize, String)>)| {
            let line = paths.first().map_or(0, |(line, _)| *line);
            let texts: BTreeSet<String> = paths.into_iter().map(|(_, path)| path).collect();
            let paths = texts.into_iter().collect::<Vec<_>>().join(", ");
            let from = from.to_owned();
            Import {
                from,
                to,
                line,
                paths,
            }
        };
        found.into_iter().map(import).collect()
    }
}

/// A path one segment longer.
pub(crate) fn join(module: &str, name: &str) -> String {
    match module {
        "" => name.to_owned(),
        _ => format!("{module}::{name}"),
    }
}

/// Whether a module is `scope` or within it.
pub(crate) fn is_within(module: &str, scope: &str) -> bool {
    let rest = module.strip_prefix(scope);
    rest.is_some_and(|rest| scope.is_empty() || rest.is_empty() || rest.starts_with("::"))
}
