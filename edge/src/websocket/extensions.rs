//! Negotiates `Sec-WebSocket-Extensions`: `permessage-deflate` (RFC 7692) without context takeover, or none.
//!
//! Without context takeover each message is compressed on its own. This is required to send the same bytes to every
//! receiver, and to keep no window per idle connection.

use std::borrow::Cow;

/// The only supported extension.
const NAME: &str = "permessage-deflate";

/// The base-2 logarithm of the server's window, DEFLATE's largest. An offer that asks for a smaller one is declined,
/// because connections share compressed frames.
const WINDOW_BITS: u8 = 15;

/// The negotiated parameters of `permessage-deflate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateParams {
    /// The offer limits the server's window, so the response must do so too (RFC 7692 section 7.1.2.1).
    names_window: bool,
}

impl DeflateParams {
    /// The value of the response's `Sec-WebSocket-Extensions`. It may forbid the client's context takeover even if the
    /// offer does not mention it (RFC 7692 section 7.1.1.2).
    pub fn answer(self) -> &'static str {
        if self.names_window {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15"
        } else {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        }
    }
}

/// The header violates RFC 6455 section 9.1; the handshake must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Returns the parameters of the first acceptable offer, over all lines of the header; `None` if there is none.
///
/// # Errors
/// If a line is malformed, even after the accepted offer.
pub fn negotiate<'a>(
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<Option<DeflateParams>, Malformed> {
    let mut chosen = None;
    for line in lines {
        let mut rest = Cursor(line);
        loop {
            rest.skip_space();
            // A list may have empty elements (RFC 9110 section 5.6.1.2).
            if !rest.is_at(',') && !rest.0.is_empty() {
                let offer = rest.offer()?;
                chosen = chosen.or_else(|| offer.accept());
            }
            if !rest.eat(',') {
                break;
            }
        }
        if !rest.0.is_empty() {
            return Err(Malformed);
        }
    }
    Ok(chosen)
}

/// One offer of an extension, reduced to what matters for `permessage-deflate`.
#[derive(Debug, Default)]
struct Offer {
    /// Another extension, or a parameter that is unknown, repeated or invalid.
    declined: bool,
    server_no_context: bool,
    client_no_context: bool,
    server_window: Option<u8>,
    /// Whether the client can limit its own window, which needs no response.
    client_window: bool,
}

impl Offer {
    fn accept(&self) -> Option<DeflateParams> {
        let fits = self.server_window.is_none_or(|bits| bits == WINDOW_BITS);
        (fits && !self.declined).then_some(DeflateParams {
            names_window: self.server_window.is_some(),
        })
    }

    /// Adds a parameter (RFC 7692 section 7.1).
    fn take(&mut self, name: &str, value: Option<&str>) {
        let bits = value.and_then(window_bits);
        let good = match name {
            "server_no_context_takeover" => {
                !std::mem::replace(&mut self.server_no_context, true) && value.is_none()
            }
            "client_no_context_takeover" => {
                !std::mem::replace(&mut self.client_no_context, true) && value.is_none()
            }
            "server_max_window_bits" => {
                bits.is_some() && std::mem::replace(&mut self.server_window, bits).is_none()
            }
            "client_max_window_bits" => {
                !std::mem::replace(&mut self.client_window, true)
                    && (value.is_none() || bits.is_some())
            }
            _ => false,
        };
        self.declined |= !good;
    }
}

/// Parses a decimal number from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    let digits = if bits < 10 { 1 } else { 2 };
    (value.len() == digits).then_some(bits)
}

/// The unparsed rest of a line.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn is_at(self, sign: char) -> bool {
        self.0.starts_with(sign)
    }

    /// Consumes `sign` and the space around it. Returns whether it was there.
    fn eat(&mut self, sign: char) -> bool {
        self.skip_space();
        let Some(rest) = self.0.strip_prefix(sign) else {
            return false;
        };
        self.0 = rest;
        self.skip_space();
        true
    }

    /// Parses an extension with its parameters.
    fn offer(&mut self) -> Result<Offer, Malformed> {
        let mut offer = Offer {
            declined: self.token()? != NAME,
            ..Offer::default()
        };
        while self.eat(';') {
            let name = self.token()?;
            let value = if self.eat('=') {
                Some(self.value()?)
            } else {
                None
            };
            offer.take(name, value.as_deref());
        }
        Ok(offer)
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        if token.is_empty() {
            return Err(Malformed);
        }
        Ok(token)
    }

    /// Parses a token, or a quoted string whose content is a token.
    fn value(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let Some(quoted) = self.0.strip_prefix('"') else {
            return self.token().map(Cow::Borrowed);
        };
        let mut value = String::new();
        let mut signs = quoted.chars();
        loop {
            let sign = match signs.next().ok_or(Malformed)? {
                '"' => break,
                '\\' => signs.next().ok_or(Malformed)?,
                sign => sign,
            };
            if !is_token(sign) {
                return Err(Malformed);
            }
            value.push(sign);
        }
        self.0 = signs.as_str();
        if value.is_empty() {
            return Err(Malformed);
        }
        Ok(Cow::Owned(value))
    }
}

/// Whether a token may contain this character (RFC 9110 section 5.6.2).
fn is_token(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Result<Option<DeflateParams>, Malformed> = Ok(Some(DeflateParams {
        names_window: false,
    }));
    const WINDOW: Result<Option<DeflateParams>, Malformed> =
        Ok(Some(DeflateParams { names_window: true }));
    const NONE: Result<Option<DeflateParams>, Malformed> = Ok(None);
    const BAD: Result<Option<DeflateParams>, Malformed> = Err(Malformed);

    #[test]
    fn an_offer_is_accepted_only_if_every_parameter_is_valid() {
        let table = [
            ("", PLAIN),
            ("; server_no_context_takeover", PLAIN),
            (
                "; client_no_context_takeover; server_no_context_takeover",
                PLAIN,
            ),
            ("; client_max_window_bits", PLAIN),
            ("; client_max_window_bits=8", PLAIN),
            (
                "; client_max_window_bits=15;server_no_context_takeover",
                PLAIN,
            ),
            ("; server_max_window_bits=15", WINDOW),
            (
                "; server_max_window_bits=\"15\"; client_max_window_bits",
                WINDOW,
            ),
            ("; server_max_window_bits=\"1\\5\"", WINDOW),
            ("\t;\tserver_max_window_bits = 15 ", WINDOW),
            ("; server_max_window_bits=14", NONE),
            ("; server_max_window_bits=8", NONE),
            ("; server_max_window_bits", NONE),
            ("; server_max_window_bits=16", NONE),
            ("; server_max_window_bits=015", NONE),
            ("; server_max_window_bits=+15", NONE),
            ("; server_max_window_bits=15.0", NONE),
            (
                "; server_max_window_bits=15; server_max_window_bits=15",
                NONE,
            ),
            ("; client_max_window_bits=7", NONE),
            ("; client_max_window_bits=+9", NONE),
            ("; client_max_window_bits=09", NONE),
            ("; client_max_window_bits=271", NONE),
            ("; client_max_window_bits=ten", NONE),
            ("; client_max_window_bits; client_max_window_bits=9", NONE),
            ("; server_no_context_takeover=1", NONE),
            (
                "; server_no_context_takeover; server_no_context_takeover",
                NONE,
            ),
            ("; client_no_context_takeover=\"true\"", NONE),
            (
                "; client_no_context_takeover; client_no_context_takeover",
                NONE,
            ),
            ("; Server_No_Context_Takeover", NONE),
            ("; unknown", NONE),
            (";", BAD),
            ("; =15", BAD),
            ("; server_max_window_bits=", BAD),
            ("; server_max_window_bits=\"\"", BAD),
            ("; server_max_window_bits=\"1 5\"", BAD),
            ("; server_max_window_bits=\"15", BAD),
            ("; server_max_window_bits=\"15\\", BAD),
            ("; server_max_window_bits=15 15", BAD),
            (" server_no_context_takeover", BAD),
            ("/1", BAD),
        ];
        for (parameters, expected) in table {
            let line = format!("permessage-deflate{parameters}");
            assert_eq!(negotiate([line.as_str()]), expected, "{line}");
        }
    }

    #[test]
    fn the_first_acceptable_offer_is_accepted_and_all_are_parsed() {
        let small = "permessage-deflate; server_max_window_bits=10";
        let table: [(&[&str], _); 11] = [
            (&[], NONE),
            (&[""], NONE),
            (&[" , ,"], NONE),
            (&["permessage-bzip2, x-webkit-deflate-frame"], NONE),
            (&["Permessage-Deflate"], NONE),
            (&[small, "permessage-deflate"], PLAIN),
            (
                &["permessage-deflate; server_max_window_bits=15, permessage-deflate"],
                WINDOW,
            ),
            (
                &["permessage-deflate , permessage-deflate; server_max_window_bits=15"],
                PLAIN,
            ),
            (
                &["permessage-foo; a=\"b\", ,permessage-deflate; client_max_window_bits"],
                PLAIN,
            ),
            (&["permessage-deflate, what is this"], BAD),
            (&["permessage-deflate", "x; y=\u{e9}"], BAD),
        ];
        for (lines, expected) in table {
            assert_eq!(negotiate(lines.iter().copied()), expected, "{lines:?}");
        }
        let both = format!("{small}, permessage-deflate; client_no_context_takeover");
        assert_eq!(negotiate([both.as_str()]), PLAIN);
    }

    #[test]
    fn the_response_would_be_an_acceptable_offer() {
        for deflate in [PLAIN, WINDOW] {
            let answer = deflate.unwrap().unwrap().answer();
            assert_eq!(negotiate([answer]), deflate);
            assert!(answer.contains("server_no_context_takeover"));
            assert!(answer.contains("client_no_context_takeover"));
        }
    }
}
