//! The modules, paths and structs in a source file.

use std::collections::BTreeMap;

use crate::token::{Token, end_of_group, tokens};

/// A file, as far as the rules read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// `mod name;`, each with its line.
    pub(crate) modules: BTreeMap<String, usize>,
    /// Paths of `use` and of expressions and types.
    pub(crate) paths: Vec<Path>,
    /// Names that `use` brings into scope, each with its path.
    pub(crate) names: BTreeMap<String, Path>,
    /// Structs and their fields that are not private.
    pub(crate) structs: BTreeMap<String, Vec<String>>,
    /// All words but those of paths' modules, each with its line.
    pub(crate) words: Vec<(String, usize)>,
}

/// A path, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    /// The number of modules around it within the file.
    pub(crate) depth: usize,
    /// Whether it stands in a `pub use`.
    pub(crate) public: bool,
    pub(crate) line: usize,
}

impl Path {
    /// The path as it is written.
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// Reads a file.
pub(crate) fn read(text: &str) -> Source {
    let tokens = tokens(text);
    let mut reader = Reader {
        tokens: &tokens,
        source: Source::default(),
        ends: Vec::new(),
    };
    reader.run();
    reader.source
}

struct Reader<'a> {
    tokens: &'a [Token],
    source: Source,
    /// The ends of the modules around the current token.
    ends: Vec<usize>,
}

impl Reader<'_> {
    fn run(&mut self) {
        let (mut i, mut public) = (0, false);
        while i < self.tokens.len() {
            while self.ends.last().is_some_and(|&end| end <= i) {
                self.ends.pop();
            }
            let was_public = std::mem::take(&mut public);
            match self.tokens[i].text.as_str() {
                "pub" => {
                    public = true;
                    i += 1;
                    if self.is(i, "(") && !self.is_tuple_field(i) {
                        i = end_of_group(self.tokens, i);
                    }
                }
                "use" => i = self.use_item(i + 1, was_public),
                "mod" => i = self.module(i + 1),
                "struct" => {
                    self.fields(i + 1);
                    i += 1;
                }
                _ => i = self.path(i),
            }
        }
    }

    fn is(&self, index: usize, text: &str) -> bool {
        self.tokens.get(index).is_some_and(|t| t.text == text)
    }

    /// Whether `(` after `pub` opens a type, not `(crate)`, `(super)` or `(in …)`.
    fn is_tuple_field(&self, open: usize) -> bool {
        !["crate", "super", "self", "in"]
            .iter()
            .any(|word| self.is(open + 1, word))
    }

    fn module(&mut self, i: usize) -> usize {
        let Some(name) = self.tokens.get(i).filter(|t| t.is_word()) else {
            return i;
        };
        if self.is(i + 1, ";") && self.ends.is_empty() {
            self.source.modules.insert(name.text.clone(), name.line);
        } else if self.is(i + 1, "{") {
            self.ends.push(end_of_group(self.tokens, i + 1));
        }
        i + 2
    }

    fn use_item(&mut self, start: usize, public: bool) -> usize {
        let mut end = start;
        while end < self.tokens.len() && !self.is(end, ";") {
            end += 1;
        }
        self.use_tree(start, end, &[], public);
        end + 1
    }

    /// Reads `a::{b, c as d}` between two tokens.
    fn use_tree(&mut self, start: usize, end: usize, prefix: &[String], public: bool) {
        let (mut i, mut segments) = (start, prefix.to_vec());
        while i < end {
            match self.tokens[i].text.as_str() {
                "::" => i += 1,
                "{" => {
                    let close = end_of_group(self.tokens, i) - 1;
                    let mut from = i + 1;
                    while from < close {
                        let to = self.end_of_branch(from, close);
                        self.use_tree(from, to, &segments, public);
                        from = to + 1;
                    }
                    return;
                }
                "as" => break,
                "*" => {
                    self.add(segments, self.tokens[i].line, public, None);
                    return;
                }
                word => {
                    segments.push(word.to_owned());
                    i += 1;
                }
            }
        }
        if start == end {
            return;
        }
        if segments.len() > 1 && segments.last().is_some_and(|s| s == "self") {
            segments.pop();
        }
        let name = if self.is(i, "as") && i < end {
            self.tokens[i + 1].text.clone()
        } else {
            segments.last().cloned().unwrap_or_default()
        };
        self.add(segments, self.tokens[start].line, public, Some(name));
    }

    /// The `,` after the branch of a `use` that begins at `from`.
    fn end_of_branch(&self, from: usize, close: usize) -> usize {
        let mut i = from;
        while i < close && !self.is(i, ",") {
            i = if self.is(i, "{") {
                end_of_group(self.tokens, i)
            } else {
                i + 1
            };
        }
        i
    }

    fn add(&mut self, segments: Vec<String>, line: usize, public: bool, name: Option<String>) {
        let depth = self.ends.len();
        let path = Path {
            segments,
            depth,
            public,
            line,
        };
        if let Some(word) = path.segments.last() {
            self.source.words.push((word.clone(), line));
        }
        if let Some(name) = name {
            self.source.names.insert(name, path.clone());
        }
        self.source.paths.push(path);
    }

    /// Reads the path that begins at `start`, or skips a token.
    fn path(&mut self, start: usize) -> usize {
        let token = &self.tokens[start];
        if !token.is_word() {
            return start + 1;
        }
        let (mut segments, mut i) = (vec![token.text.clone()], start + 1);
        while self.is(i, "::") && self.tokens.get(i + 1).is_some_and(Token::is_word) {
            segments.push(self.tokens[i + 1].text.clone());
            i += 2;
        }
        let words = segments.iter().map(|s| (s.clone(), token.line));
        self.source.words.extend(words);
        let behind_dot = start > 0 && self.is(start - 1, ".");
        if segments.len() > 1 && !behind_dot {
            let (depth, line) = (self.ends.len(), token.line);
            let public = false;
            self.source.paths.push(Path {
                segments,
                depth,
                public,
                line,
            });
        }
        i
    }

    /// Notes the visible fields of the struct at `i`.
    fn fields(&mut self, i: usize) {
        let Some(name) = self.tokens.get(i).filter(|t| t.is_word()) else {
            return;
        };
        let mut open = i + 1;
        while open < self.tokens.len() && !["{", "(", ";"].iter().any(|sign| self.is(open, sign)) {
            open += 1;
        }
        let mut visible = Vec::new();
        if !self.is(open, ";") && open < self.tokens.len() {
            let close = end_of_group(self.tokens, open) - 1;
            let mut at = open + 1;
            while at < close {
                if self.is(at, "pub") {
                    at += 1;
                    if self.is(at, "(") && !self.is_tuple_field(at) {
                        at = end_of_group(self.tokens, at);
                    }
                    visible.push(self.tokens[at].text.clone());
                }
                let nested = ["(", "[", "{"].iter().any(|sign| self.is(at, sign));
                at = if nested {
                    end_of_group(self.tokens, at)
                } else {
                    at + 1
                };
            }
        }
        self.source.structs.insert(name.text.clone(), visible);
    }
}
