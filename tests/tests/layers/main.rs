//! Checks which file may import which. The sources are read as text.
//!
//! `cargo nextest run -p grandstand-tests --test layers` prints the rule, the file, the line and the import of each
//! violation.

#![allow(clippy::unwrap_used)]

mod token;

mod source;

mod tree;

mod rules;

mod crates;
mod tables;

mod words;

mod planted;

mod prose;

use std::collections::BTreeMap;

use rules::{Violation, cycles, roofs};
use tree::Sources;

/// Returns all violations of the rules.
fn violations(sources: &Sources) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in &sources.crates() {
        found.extend(roofs(package));
        found.extend(cycles(package));
        if package.is_program() && package.modules.len() == 1 {
            continue;
        }
        let own = |folder: &str| folder == package.folder;
        let layers = tables::LAYERS.iter().filter(|rule| own(rule.folder));
        found.extend(layers.flat_map(|rule| rule.check(package)));
        let reserved = tables::RESERVED.iter().filter(|rule| own(rule.folder));
        found.extend(reserved.flat_map(|rule| rule.check(package)));
        let unnamed = words::UNNAMED.iter().filter(|rule| own(rule.folder));
        found.extend(unnamed.flat_map(|rule| rule.check(package)));
        let closed = tables::CLOSED.iter().filter(|rule| own(rule.folder));
        found.extend(closed.flat_map(|rule| rule.check(package)));
    }
    let packages = crates::DEPENDENTS.iter();
    found.extend(packages.flat_map(|rule| rule.check(sources)));
    found
}

#[test]
fn the_workspace_keeps_its_rules() {
    let mut by_crate: BTreeMap<String, Vec<Violation>> = BTreeMap::new();
    for violation in violations(&Sources::workspace()) {
        let of_crate = by_crate.entry(violation.folder.clone()).or_default();
        of_crate.push(violation);
    }
    let broken: usize = by_crate.values().map(Vec::len).sum();
    for (folder, found) in &by_crate {
        println!("{folder}: {}", found.len());
        for violation in found {
            println!("  {violation}");
        }
    }
    assert_eq!(broken, 0, "rules are broken, see above");
}
