//! Splits Rust into words and signs; drops comments, literals and everything under `#[cfg(test)]`.

/// A word (a name or a keyword) or a sign (`::`, or one character).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The text as it is written; a raw name without `r#`.
    pub(crate) text: String,
    /// The line, from 1.
    pub(crate) line: usize,
}

impl Token {
    /// Whether it is a name or a keyword.
    pub(crate) fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c == '_' || c.is_alphabetic())
    }
}

/// The words and signs of a file, without its tests.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    without_tests(&all_tokens(text))
}

fn all_tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut tokens, mut line, mut i) = (Vec::new(), 1, 0);
    while i < chars.len() {
        let start = i;
        match chars[i] {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => i = end_of_comment(&chars, i),
            '"' => i = end_of_string(&chars, i),
            'r' | 'b' | 'c' if raw_string(&chars, i).is_some() => {
                i = raw_string(&chars, i).unwrap_or(i + 1);
            }
            'b' | 'c' if at(i + 1) == '"' => i = end_of_string(&chars, i + 1),
            'b' if at(i + 1) == '\'' => i = end_of_char(&chars, i + 1).unwrap_or(i + 2),
            'r' if at(i + 1) == '#' && is_name(at(i + 2)) => {
                i = end_of_name(&chars, i + 2);
                let text = chars[start + 2..i].iter().collect();
                tokens.push(Token { text, line });
            }
            '\'' => i = end_of_char(&chars, i).unwrap_or_else(|| end_of_name(&chars, i + 1)),
            c if is_name(c) => {
                i = end_of_name(&chars, i);
                if !c.is_ascii_digit() {
                    let text = chars[start..i].iter().collect();
                    tokens.push(Token { text, line });
                }
            }
            ':' if at(i + 1) == ':' => {
                i += 2;
                let text = "::".to_owned();
                tokens.push(Token { text, line });
            }
            c if c.is_whitespace() => i += 1,
            c => {
                i += 1;
                let text = c.to_string();
                tokens.push(Token { text, line });
            }
        }
        line += chars[start..i].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn end_of_name(chars: &[char], start: usize) -> usize {
    let rest = chars[start..].iter();
    start + rest.take_while(|&&c| is_name(c)).count()
}

/// The end of a comment with `/*`, which may hold others.
fn end_of_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

/// The end of a string whose quote is at `start`.
fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// The end of a raw string (`r"…"`, `br#"…"#`) that begins at `start`, if one does.
fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    let r = start + usize::from(chars[start] != 'r');
    if chars.get(r) != Some(&'r') {
        return None;
    }
    let hashes = chars[r + 1..].iter().take_while(|&&c| c == '#').count();
    let quote = r + 1 + hashes;
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let ends = |&i: &usize| {
        chars[i] == '"' && chars[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes
    };
    let end = (quote + 1..chars.len()).find(ends)?;
    Some(end + 1 + hashes)
}

/// The end of a character literal whose quote is at `start`; `None` if it is a lifetime.
fn end_of_char(chars: &[char], start: usize) -> Option<usize> {
    if chars.get(start + 1) == Some(&'\\') {
        let rest = chars[start + 3..].iter();
        return Some(start + 4 + rest.take_while(|&&c| c != '\'').count());
    }
    (chars.get(start + 2) == Some(&'\'')).then_some(start + 3)
}

/// Drops each item after `#[cfg(test)]`; a file that begins with `#![cfg(test)]` is empty.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        match attribute(tokens, i) {
            Some((end, true, true)) => {
                debug_assert!(end > i);
                return Vec::new();
            }
            Some((end, false, true)) => i = end_of_item(tokens, end),
            Some((end, _, false)) => i = end,
            None => {
                kept.push(tokens[i].clone());
                i += 1;
            }
        }
    }
    kept
}

/// The attribute at `start`, if there is one: its end, whether it is an inner one, whether it is for tests alone.
fn attribute(tokens: &[Token], start: usize) -> Option<(usize, bool, bool)> {
    let is = |index: usize, text: &str| tokens.get(index).is_some_and(|t| t.text == text);
    if !is(start, "#") {
        return None;
    }
    let inner = is(start + 1, "!");
    let open = start + 1 + usize::from(inner);
    if !is(open, "[") {
        return None;
    }
    let end = end_of_group(tokens, open);
    let words: Vec<&str> = tokens[open + 1..end - 1]
        .iter()
        .map(|t| t.text.as_str())
        .collect();
    let test = words == ["test"]
        || words.starts_with(&["cfg", "(", "test", ")"])
        || words.starts_with(&["cfg", "(", "all", "(", "test"]);
    Some((end, inner, test))
}

/// The index after the group (`(…)`, `[…]`, `{…}`) that opens at `open`.
pub(crate) fn end_of_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The index after the item, field or statement that begins at `start`.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut i = start;
    while let Some((end, ..)) = attribute(tokens, i) {
        i = end;
    }
    let mut words = tokens[i..].iter().map(|t| t.text.as_str());
    let declares = [
        "fn",
        "mod",
        "struct",
        "enum",
        "impl",
        "trait",
        "macro_rules",
    ];
    let ends = ["use", "static", "const", "type", "let"];
    let kind =
        words.find(|w| declares.contains(w) || ends.contains(w) || matches!(*w, ":" | "," | "="));
    let with_body = kind.is_some_and(|w| declares.contains(&w));
    let to_semicolon = kind.is_some_and(|w| ends.contains(&w));
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            ";" => return i + 1,
            "," if !with_body && !to_semicolon => return i + 1,
            "{" if !to_semicolon => return end_of_group(tokens, i),
            "(" | "[" | "{" => i = end_of_group(tokens, i),
            "}" => return i,
            _ => i += 1,
        }
    }
    i
}
