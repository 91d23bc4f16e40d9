//! Plants violations into copies of the sources, and checks that each is found.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::rules::{Violation, cycles, roofs};
use crate::source::read;
use crate::tree::{Crate, Sources, join};
use crate::words;
use crate::{crates, tables};

/// A workspace of one crate, `house`.
fn house(files: &[(&str, &str)]) -> Crate {
    let mut sources = Sources(BTreeMap::new());
    let manifest = "members = [\"house\"]".to_owned();
    sources.0.insert("Cargo.toml".to_owned(), manifest);
    for (file, text) in files {
        sources
            .0
            .insert(format!("house/src/{file}"), (*text).to_owned());
    }
    sources.crates().remove(0)
}

fn places(found: &[Violation]) -> Vec<&str> {
    found.iter().map(|v| v.place.as_str()).collect()
}

/// The library of a folder, and the text of each of its modules.
fn library<'a>(crates: &'a [Crate], folder: &str) -> Option<&'a Crate> {
    let mut crates = crates.iter();
    crates.find(|package| package.folder == folder && !package.is_program())
}

fn text_of<'a>(sources: &'a Sources, package: &Crate, module: &str) -> &'a str {
    &sources.0[package.file(module)]
}

#[test]
fn comments_strings_and_tests_are_not_read() {
    let text = r##"
        // use crate::a::A;
        /* /* use crate::b::B; */ use crate::b::B; */
        #[doc = "use crate::c::C;"]
        const TEXT: &str = r#"crate::d::D "use""#;
        fn f<'a>(c: &'a [char]) -> bool { c == ['"', '\'', '\u{22}'] && crate::e::E }
        #[cfg(test)]
        use crate::f::{F, G};
        #[cfg(test)]
        mod tests { use crate::g::G; }
        #[cfg(test)]
        mod more;
        #[test]
        fn g() { crate::h::H }
        struct S { #[cfg(test)] field: crate::i::I, pub other: crate::j::J }
    "##;
    let source = read(text);
    let paths: Vec<String> = source.paths.iter().map(|p| p.text()).collect();
    assert_eq!(paths, ["crate::e::E", "crate::j::J"]);
    assert!(source.modules.is_empty());
    assert_eq!(source.structs["S"], ["other"]);
}

#[test]
fn trees_of_use_are_read() {
    let source = read("pub(in crate::a) use crate::{b::{self, C as D}, e::*, f};");
    let paths: Vec<String> = source.paths.iter().map(|p| p.text()).collect();
    assert_eq!(paths, ["crate::b", "crate::b::C", "crate::e", "crate::f"]);
    let names: Vec<&str> = source.names.keys().map(String::as_str).collect();
    assert_eq!(names, ["D", "b", "f"]);
    assert!(source.paths[0].public);
}

#[test]
fn a_child_that_imports_its_roof_is_seen() {
    let package = house(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b;\nuse b::B;\npub struct A;"),
        ("a/b.rs", "\nuse super::A;"),
    ]);
    assert_eq!(places(&roofs(&package)), ["house/src/a/b.rs:2"]);
    assert!(cycles(&package).is_empty());
    let by_path = package.with("a::b", "fn f() -> crate::a::A {}");
    assert_eq!(places(&roofs(&by_path)), ["house/src/a/b.rs:1"]);
    let right = package.with("a::b", "pub struct B;");
    assert!(roofs(&right).is_empty());
}

#[test]
fn a_cycle_of_files_is_seen_however_it_is_written() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;"),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use super::c;\nfn f() { c::C }"),
        ("c.rs", ""),
    ];
    let package = house(&files);
    assert!(cycles(&package).is_empty());
    for closing in [
        "use crate::a::A;",
        "use super::{a};",
        "fn f(_: crate::a::A) {}",
        "mod inner { use super::super::a::A; }",
        "pub use crate::b::B;",
    ] {
        let found = cycles(&package.with("c", closing));
        assert_eq!(found.len(), 1, "{closing}: {found:?}");
    }
}

#[test]
fn a_cycle_through_a_childs_roof_is_seen() {
    let package = house(&[
        ("lib.rs", "mod a;\nmod b;"),
        ("a/mod.rs", "mod inner;\npub struct A;"),
        ("a/inner.rs", "use crate::b::B;"),
        ("b.rs", "use crate::a::A;"),
    ]);
    assert_eq!(cycles(&package).len(), 1);
}

#[test]
fn names_of_other_crates_are_followed_through_re_exports() {
    let package = house(&[
        ("lib.rs", "mod a;\npub use types::id;"),
        ("a.rs", "use crate::id::RoomId;"),
    ]);
    assert!(roofs(&package).is_empty());
}

#[test]
fn each_layer_is_red_on_each_import_that_it_does_not_allow() {
    let sources = Sources::workspace();
    let crates = sources.crates();
    for table in tables::LAYERS {
        let Some(package) = library(&crates, table.folder) else {
            continue;
        };
        let before = table.check(package).len();
        let there = |scope: &&str| package.modules.contains_key(*scope);
        for from in table.scopes().into_iter().filter(there) {
            let mut text = text_of(&sources, package, from).to_owned() + "\n";
            for to in table.scopes().into_iter().filter(there) {
                writeln!(text, "use crate::{to}::planted::Planted;").unwrap();
            }
            let after = table.check(&package.with(from, &text));
            let mut red = 0;
            for to in table.scopes().into_iter().filter(there) {
                let import = format!("crate::{to}::planted::Planted");
                let seen = after.iter().any(|v| v.what.contains(&import));
                let (name, allowed) = (table.name, table.allows(from, to));
                assert_eq!(seen, !allowed, "{name}: {from} imports {to}");
                red += usize::from(seen);
            }
            assert_eq!(after.len(), before + red, "{}: {from}", table.name);
        }
    }
}

#[test]
fn no_table_allows_an_import_of_its_own_row_or_of_one_above() {
    for table in tables::LAYERS {
        let upward: [(&str, &str); 0] = [];
        assert_eq!(table.upward(), upward, "{}", table.name);
    }
}

#[test]
fn a_file_without_a_row_is_red() {
    let sources = Sources::workspace();
    let crates = sources.crates();
    for table in tables::LAYERS {
        let (Some(package), Some(roof)) = (library(&crates, table.folder), table.complete) else {
            continue;
        };
        let mut planted = package.clone();
        let file = planted.modules[roof].clone();
        planted.modules.insert(join(roof, "planted"), file);
        let rows = |package: &Crate| {
            let found = table.check(package).into_iter();
            found
                .filter(|v| v.what.contains("planted` has no row"))
                .count()
        };
        assert_eq!((rows(package), rows(&planted)), (0, 1), "{}", table.name);
    }
}

#[test]
fn reserved_modules_are_red_on_imports_by_others() {
    let sources = Sources::workspace();
    let crates = sources.crates();
    for rule in tables::RESERVED {
        let Some(package) = library(&crates, rule.folder) else {
            continue;
        };
        let before = rule.check(package).len();
        for from in package
            .modules
            .keys()
            .filter(|m| !m.is_empty() && !m.contains("::"))
        {
            let text = text_of(&sources, package, from);
            let planted = format!("{text}\nuse crate::{}::Planted;\n", rule.module);
            let after = rule.check(&package.with(from, &planted)).len();
            let may = rule.by.contains(&from.as_str()) || from == rule.module;
            assert!(may == (after == before), "{}: {from}", rule.name);
        }
    }
}

#[test]
fn names_that_do_not_belong_are_seen() {
    let sources = Sources::workspace();
    let crates = sources.crates();
    for rule in words::UNNAMED {
        let Some(package) = library(&crates, rule.folder) else {
            continue;
        };
        let before = rule.check(package).len();
        for scope in rule.within {
            let Some(module) = package.modules.keys().find(|module| {
                crate::tree::is_within(module, scope) && !rule.except.contains(&module.as_str())
            }) else {
                continue;
            };
            for name in rule.never {
                let text = text_of(&sources, package, module);
                let planted = format!("{text}\nfn planted(_: {name}::Planted, _: &{name}) {{}}\n");
                let after = rule.check(&package.with(module, &planted)).len();
                assert!(after > before, "{}: {module} names {name}", rule.name);
            }
        }
    }
}

#[test]
fn visible_fields_of_machines_are_seen() {
    let sources = Sources::workspace();
    let crates = sources.crates();
    for rule in tables::CLOSED {
        let Some(package) = library(&crates, rule.folder) else {
            continue;
        };
        let before = rule.check(package).len();
        for (module, name) in rule.structs {
            let there = package.modules.get(*module);
            if !there.is_some_and(|m| m.source.structs.get(*name).is_some_and(Vec::is_empty)) {
                continue;
            }
            let text = text_of(&sources, package, module);
            let declared = [" ", "<", "("].map(|next| text.find(&format!("struct {name}{next}")));
            let start = declared.into_iter().flatten().min().unwrap_or_default();
            let open = start + text[start..].find(['{', '(']).unwrap_or_default() + 1;
            let mut planted = text.to_owned();
            planted.insert_str(open, "pub(crate) planted: u8, ");
            let after = rule.check(&package.with(module, &planted)).len();
            assert_eq!(after, before + 1, "{}: {module}::{name}", rule.name);
        }
    }
}

#[test]
fn dependencies_that_do_not_belong_are_seen() {
    let sources = Sources::workspace();
    for rule in crates::DEPENDENTS {
        let file = format!("{}/Cargo.toml", rule.folder);
        let Some(manifest) = sources.0.get(&file) else {
            continue;
        };
        let mut planted = sources.clone();
        let dependency = "[dependencies]\ngrandstand-planted.workspace = true\n";
        let manifest = manifest.replace("[dependencies]\n", dependency);
        planted.0.insert(file, manifest);
        let (before, after) = (rule.check(&sources).len(), rule.check(&planted).len());
        assert_eq!(after, before + 1, "{}", rule.folder);
    }
}
