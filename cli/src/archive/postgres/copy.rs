//! Rows in the text format of `COPY`.

use std::fmt::{Display, Write as _};
use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio_postgres::{Error, Transaction};

/// Rows for one `COPY`.
#[derive(Debug, Default)]
pub(super) struct Rows {
    text: String,
    /// Whether the last row has a field.
    is_begun: bool,
}

impl Rows {
    /// Adds a field to the last row.
    pub(super) fn field(&mut self, value: impl Display) {
        if self.is_begun {
            self.text.push('\t');
        }
        self.is_begun = true;
        let begin = self.text.len();
        // Writing to a string does not fail.
        write!(self.text, "{value}").ok();
        if self.text[begin..].contains(['\\', '\n', '\r', '\t']) {
            let value = self.text.split_off(begin);
            self.text.extend(value.chars().flat_map(escaped));
        }
    }

    /// Adds a field that may be missing.
    pub(super) fn optional(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.field(value),
            None => {
                if self.is_begun {
                    self.text.push('\t');
                }
                self.is_begun = true;
                self.text.push_str("\\N");
            }
        }
    }

    /// Ends the last row.
    pub(super) fn end_row(&mut self) {
        self.text.push('\n');
        self.is_begun = false;
    }

    /// Sends the rows.
    pub(super) async fn copy(self, tx: &Transaction<'_>, sql: &str) -> Result<(), Error> {
        let mut sink = pin!(tx.copy_in::<_, Bytes>(sql).await?);
        sink.send(self.text.into()).await?;
        sink.finish().await.map(drop)
    }
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        '\\' => ('\\', Some('\\')),
        '\n' => ('\\', Some('n')),
        '\r' => ('\\', Some('r')),
        '\t' => ('\\', Some('t')),
        c => (c, None),
    };
    [first].into_iter().chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_escaped() {
        let mut rows = Rows::default();
        rows.field("a\tb\\c\r\nd\u{e9}");
        rows.optional(None::<u8>);
        rows.field(-3);
        rows.end_row();
        rows.optional(Some("\\N"));
        rows.end_row();
        assert_eq!(rows.text, "a\\tb\\\\c\\r\\nd\u{e9}\t\\N\t-3\n\\\\N\n");
    }
}
