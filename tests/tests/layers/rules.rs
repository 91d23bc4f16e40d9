//! The kinds of rules, and the search for violations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::source::Path;
use crate::tree::{Crate, Import, Sources, Target, is_within};

/// The modules that each module may import.
pub(crate) struct Layers {
    /// The name that is printed.
    pub(crate) name: &'static str,
    /// The crate's folder.
    pub(crate) folder: &'static str,
    /// Modules from the top to the bottom, and what they may import besides themselves. The row of the longest module
    /// counts for a file.
    pub(crate) rows: &'static [(&'static [&'static str], &'static [&'static str])],
    /// The module within which each module has a row; empty for the whole crate.
    pub(crate) complete: Option<&'static str>,
    /// Whether each row may also import all rows below it.
    pub(crate) stacked: bool,
}

/// A module that only some import.
pub(crate) struct Reserved {
    /// The name that is printed.
    pub(crate) name: &'static str,
    /// The crate's folder.
    pub(crate) folder: &'static str,
    pub(crate) module: &'static str,
    /// The modules that may import it, besides itself and its roof.
    pub(crate) by: &'static [&'static str],
}

/// Words or crates that modules do not name.
pub(crate) struct Unnamed {
    /// The name that is printed.
    pub(crate) name: &'static str,
    /// The crate's folder.
    pub(crate) folder: &'static str,
    /// The modules that the rule is about.
    pub(crate) within: &'static [&'static str],
    /// The modules among them that may name the words.
    pub(crate) except: &'static [&'static str],
    /// The words (without `::`), or the beginnings of paths into other crates.
    pub(crate) never: &'static [&'static str],
}

/// Structs without visible fields.
pub(crate) struct Closed {
    /// The name that is printed.
    pub(crate) name: &'static str,
    /// The crate's folder.
    pub(crate) folder: &'static str,
    /// Each with its module.
    pub(crate) structs: &'static [(&'static str, &'static str)],
}

/// A crate of the workspace and those that it depends on.
pub(crate) struct Dependents {
    /// The name that is printed.
    pub(crate) name: &'static str,
    /// The crate's folder.
    pub(crate) folder: &'static str,
    /// The crates of the workspace, as in their `Cargo.toml`, that it may depend on.
    pub(crate) may: &'static [&'static str],
}

/// A breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The crate's folder.
    pub(crate) folder: String,
    pub(crate) rule: String,
    /// The file and the line.
    pub(crate) place: String,
    /// The problem and its fix.
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [{}] {}", self.place, self.rule, self.what)
    }
}

fn violation(package: &Crate, rule: &str, module: &str, line: usize, what: String) -> Violation {
    Violation {
        folder: package.folder.clone(),
        rule: rule.to_owned(),
        place: format!("{}:{line}", package.file(module)),
        what,
    }
}

/// Returns the imports of a `mod.rs`, `lib.rs` or `main.rs` by a file below it.
pub(crate) fn roofs(package: &Crate) -> Vec<Violation> {
    let upward = |import: &Import| is_within(&import.from, &import.to);
    let imports = package.imports().into_iter().filter(upward);
    let say = |import: Import| {
        let what = format!(
            "imports its roof {} by `{}`; move what it needs into a file beside it",
            package.file(&import.to),
            import.paths
        );
        violation(package, "roof", &import.from, import.line, what)
    };
    imports.map(say).collect()
}

/// Returns the cycles of files that import each other, without those that [`roofs`] finds.
pub(crate) fn cycles(package: &Crate) -> Vec<Violation> {
    let mut edges: BTreeMap<String, BTreeMap<String, Import>> = BTreeMap::new();
    for import in package.imports() {
        if !is_within(&import.from, &import.to) {
            let to = edges.entry(import.from.clone()).or_default();
            to.entry(import.to.clone()).or_insert(import);
        }
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        let Some(cycle) = shortest_cycle(&edges, start) else {
            continue;
        };
        let files: BTreeSet<&str> = cycle.iter().map(|i| i.from.as_str()).collect();
        if seen.insert(files) {
            let steps: Vec<String> = cycle
                .iter()
                .map(|i| format!("{}:{} `{}`", package.file(&i.from), i.line, i.paths))
                .collect();
            let what = format!("a cycle of {}: {}", cycle.len(), steps.join(" -> "));
            found.push(violation(package, "cycle", start, cycle[0].line, what));
        }
    }
    found
}

type Edges = BTreeMap<String, BTreeMap<String, Import>>;

/// Returns the shortest cycle through `start`.
fn shortest_cycle<'a>(edges: &'a Edges, start: &str) -> Option<Vec<&'a Import>> {
    let mut came: BTreeMap<&str, &Import> = BTreeMap::new();
    let mut next = vec![start];
    while !next.is_empty() {
        let mut after = Vec::new();
        for from in next {
            for (to, import) in edges.get(from).into_iter().flatten() {
                if to == start {
                    let mut cycle = vec![import];
                    while cycle[0].from != start {
                        cycle.insert(0, came[cycle[0].from.as_str()]);
                    }
                    return Some(cycle);
                }
                if !came.contains_key(to.as_str()) {
                    came.insert(to, import);
                    after.push(to.as_str());
                }
            }
        }
        next = after;
    }
    None
}

impl Layers {
    /// Returns the imports that no row allows, and the modules without a row.
    pub(crate) fn check(&self, package: &Crate) -> Vec<Violation> {
        let mut found = Vec::new();
        for scope in self.scopes() {
            if !package.modules.contains_key(scope) {
                let what = format!("the table names `{scope}`, which does not exist");
                found.push(violation(package, self.name, "", 1, what));
            }
        }
        let within = |module: &str| {
            let roof = self.complete;
            roof.is_some_and(|roof| is_within(module, roof) && module != roof)
        };
        for module in package.modules.keys() {
            if within(module) && self.row(module).is_none() {
                let what = format!("`{module}` has no row in the table of layers");
                found.push(violation(package, self.name, module, 1, what));
            }
        }
        for import in package.imports() {
            let Some((own, may)) = self.row(&import.from) else {
                continue;
            };
            if !self.allows(&import.from, &import.to) {
                let may = match may.as_slice() {
                    [] => "nothing".to_owned(),
                    _ => may.join(", "),
                };
                let what = format!(
                    "imports `{}` by `{}`; `{own}` may import {may}",
                    import.to, import.paths
                );
                found.push(violation(
                    package,
                    self.name,
                    &import.from,
                    import.line,
                    what,
                ));
            }
        }
        found
    }

    /// The modules of the rows, and the modules that these may import.
    pub(crate) fn scopes(&self) -> BTreeSet<&'static str> {
        let rows = self.rows.iter();
        let scopes = rows.flat_map(|(package, may)| package.iter().chain(may.iter()));
        scopes.copied().collect()
    }

    /// Whether the table lets one scope import another.
    pub(crate) fn allows(&self, from: &str, to: &str) -> bool {
        let row = self.row(from);
        row.is_none_or(|(own, may)| {
            is_within(to, own) || may.iter().any(|scope| is_within(to, scope))
        })
    }

    /// The row of a module: the scope that the module is in, and the scopes that it may import.
    fn row(&self, module: &str) -> Option<(&'static str, Vec<&'static str>)> {
        let rows = self.rows.iter().enumerate();
        let scopes =
            rows.flat_map(|(row, (package, _))| package.iter().map(move |scope| (row, *scope)));
        let (row, own) = scopes
            .filter(|(_, scope)| is_within(module, scope))
            .max_by_key(|(_, scope)| scope.len())?;
        let mut may = self.rows[row].1.to_vec();
        if self.stacked {
            let below = self.rows[row + 1..].iter();
            may.extend(below.flat_map(|(package, _)| package.iter()));
        }
        Some((own, may))
    }

    /// Returns the imports that a row allows although their target is in the same row or in one above.
    pub(crate) fn upward(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        for (row, (package, may)) in self.rows.iter().enumerate() {
            let above: Vec<&str> = self.rows[..=row]
                .iter()
                .flat_map(|(package, _)| *package)
                .copied()
                .collect();
            for to in may
                .iter()
                .filter(|to| above.iter().any(|scope| is_within(to, scope)))
            {
                found.extend(package.iter().map(|from| (*from, *to)));
            }
        }
        found
    }
}

impl Reserved {
    /// Returns the imports by other modules.
    pub(crate) fn check(&self, package: &Crate) -> Vec<Violation> {
        let may = |from: &str| {
            let mut by = self.by.iter().chain([&self.module]);
            from.is_empty() || by.any(|scope| is_within(from, scope))
        };
        let imports = package.imports().into_iter();
        let bad = imports.filter(|i| is_within(&i.to, self.module) && !may(&i.from));
        let say = |import: Import| {
            let what = format!(
                "imports `{}` by `{}`; only {} may",
                import.to,
                import.paths,
                self.by.join(", ")
            );
            violation(package, self.name, &import.from, import.line, what)
        };
        bad.map(say).collect()
    }
}

impl Unnamed {
    /// Returns the places that name the words.
    pub(crate) fn check(&self, package: &Crate) -> Vec<Violation> {
        let mut found = BTreeSet::new();
        let applies = |module: &str| {
            self.within.iter().any(|scope| is_within(module, scope))
                && !self.except.contains(&module)
        };
        for (module, read) in package.modules.iter().filter(|(module, _)| applies(module)) {
            let mut say = |name: &str, line: usize| {
                let what = format!("names `{name}`");
                found.insert(violation(package, self.name, module, line, what));
            };
            for path in &read.source.paths {
                if let Some(foreign) = self.foreign(package, module, path) {
                    say(&foreign, path.line);
                }
            }
            for (word, line) in &read.source.words {
                if self.never.contains(&word.as_str()) {
                    say(word, *line);
                }
            }
        }
        found.into_iter().collect()
    }

    fn foreign(&self, package: &Crate, module: &str, path: &Path) -> Option<String> {
        let Target::Foreign(full) = package.resolve(module, path) else {
            return None;
        };
        let never = self.never.iter().any(|never| is_within(&full, never));
        never.then_some(full)
    }
}

impl Closed {
    /// Returns the structs with visible fields, and those that do not exist.
    pub(crate) fn check(&self, package: &Crate) -> Vec<Violation> {
        let mut found = Vec::new();
        for (module, name) in self.structs {
            let read = package.modules.get(*module);
            let (line, what) = match read.and_then(|m| m.source.structs.get(*name)) {
                None => (1, format!("there is no struct `{name}` in `{module}`")),
                Some(visible) if visible.is_empty() => continue,
                Some(visible) => (
                    1,
                    format!("`{name}` has visible fields: {}", visible.join(", ")),
                ),
            };
            found.push(violation(package, self.name, module, line, what));
        }
        found
    }
}

impl Dependents {
    /// Returns the crates of the workspace in its `[dependencies]` that it may not depend on.
    pub(crate) fn check(&self, sources: &Sources) -> Vec<Violation> {
        let file = format!("{}/Cargo.toml", self.folder);
        let Some(manifest) = sources.0.get(&file) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut section = "";
        for (line, text) in manifest.lines().enumerate() {
            if text.starts_with('[') {
                section = text.trim();
            }
            let name = text.split(['.', '=', ' ']).next().unwrap_or_default();
            let own = name.starts_with("grandstand");
            if section == "[dependencies]" && own && !self.may.contains(&name) {
                found.push(Violation {
                    folder: self.folder.to_owned(),
                    rule: self.name.to_owned(),
                    place: format!("{file}:{}", line + 1),
                    what: format!("depends on `{name}`"),
                });
            }
        }
        found
    }
}
