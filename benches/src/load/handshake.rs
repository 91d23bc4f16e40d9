//! The WebSocket handshake: the request and the answer.

use memchr::memmem;

/// The request of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) subprotocol: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
}

impl Request<'_> {
    /// Appends the request.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let Self { path, host, .. } = self;
        let fixed = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        out.extend_from_slice(fixed.as_bytes());
        let optional = [
            ("Sec-WebSocket-Protocol: ", self.subprotocol),
            ("Authorization: Bearer ", self.token),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                for part in [name, value, "\r\n"] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The answer so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The head is incomplete.
    Incomplete,
    /// Accepted; the WebSocket's data begin at this offset.
    Upgraded(usize),
    /// Rejected with this status.
    Refused(u16),
}

/// Reads the answer's head.
pub(crate) fn answer(bytes: &[u8]) -> Answer {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return Answer::Incomplete;
    };
    let status = bytes.split(|&byte| byte == b' ').nth(1);
    let status = status.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    match status {
        Some(101) => Answer::Upgraded(end + 4),
        other => Answer::Refused(other.unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_head_is_complete() {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        let with_frame = [&head[..], b"\x81\x00"].concat();
        assert_eq!(answer(&with_frame), Answer::Upgraded(head.len()));
        assert_eq!(answer(&head[..head.len() - 1]), Answer::Incomplete);
        assert_eq!(
            answer(b"HTTP/1.1 404 Not Found\r\n\r\n"),
            Answer::Refused(404)
        );
        assert_eq!(answer(b"\r\n\r\n"), Answer::Refused(0));
    }

    #[test]
    fn the_request_contains_path_host_subprotocol_and_token() {
        let mut out = Vec::new();
        let request = Request {
            path: "/v1/ws",
            host: "h:1",
            subprotocol: Some("grandstand.v1.json"),
            token: Some("t.t.t"),
        };
        request.put(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("GET /v1/ws HTTP/1.1\r\nHost: h:1\r\n"));
        assert!(text.contains("\r\nSec-WebSocket-Protocol: grandstand.v1.json\r\n"));
        assert!(text.ends_with("\r\nAuthorization: Bearer t.t.t\r\n\r\n"));
    }
}
