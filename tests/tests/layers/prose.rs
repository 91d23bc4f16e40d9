//! Checks how doc comments begin.

use crate::tree::Sources;

/// The words with which no summary begins. A clause that begins with one of them does not name its subject.
const HEADLESS: &[&str] = &[
    "As", "By", "For", "Has", "How", "If", "Is", "It", "Must", "Of", "Only", "That", "They",
    "Those", "What", "When", "Where", "Which", "Who", "Whom", "Whose", "Why",
];

/// Returns the summaries that begin with such a word, with their places.
fn headless(sources: &Sources) -> Vec<String> {
    let files = sources.0.iter().filter(|(file, _)| file.ends_with(".rs"));
    let mut found = Vec::new();
    for (file, text) in files {
        let mut is_inside = false;
        for (index, line) in text.lines().enumerate() {
            let comment = doc_comment(line);
            if let Some(words) = comment.filter(|_| !is_inside)
                && let Some(first) = words.split(' ').next()
                && HEADLESS.contains(&first)
            {
                found.push(format!("{file}:{}: {words}", index + 1));
            }
            is_inside = comment.is_some();
        }
    }
    found
}

/// The words of a line of a doc comment.
fn doc_comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let words = ["///", "//!"]
        .iter()
        .find_map(|mark| line.strip_prefix(mark));
    words.map(str::trim)
}

#[test]
fn a_doc_comment_begins_with_a_noun_or_a_verb() {
    let found = headless(&Sources::workspace());
    assert!(
        found.is_empty(),
        "begin with a noun phrase, or with a verb in the third person:\n{}",
        found.join("\n")
    );
}

#[test]
fn planted_doc_comments_without_a_subject_are_found() {
    let text = "//! What it is.\n\n/// Whether it is.\n/// How it is, in a second line.\nstruct A;\n    /// As [`A`].\n\
                // What a plain comment says.\n/// The sum.\n";
    let sources = Sources([("a/src/lib.rs".to_owned(), text.to_owned())].into());
    let found = ["a/src/lib.rs:1: What it is.", "a/src/lib.rs:6: As [`A`]."];
    assert_eq!(headless(&sources), found);
}
