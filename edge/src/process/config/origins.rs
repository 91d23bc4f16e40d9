//! Checks that an origin is written as browsers send it, because anything else would never match.

use url::{Origin, Url};

/// Checks an origin of a configuration (RFC 6454 section 6.2).
///
/// # Errors
/// The problem and how to fix it, as the end of a sentence.
pub(super) fn check(text: &str) -> Result<(), String> {
    // Pages without an origin of their own send `null`, and some app frameworks `file://`.
    if matches!(text, "null" | "file://") {
        return Ok(());
    }
    if text.contains('*') {
        return Err(
            "has a wildcard; list each origin, or leave the list empty to allow all".to_owned(),
        );
    }
    if !text.contains("://") {
        return Err(format!("has no scheme; write \"https://{text}\""));
    }
    let cannot =
        |why: &str| format!("cannot be an origin ({why}); write one like \"https://play.example\"");
    let url = Url::parse(text).map_err(|why| cannot(&why.to_string()))?;
    let sent = match (url.scheme(), url.origin()) {
        ("ws" | "wss", _) => return Err(cannot("pages have http or https")),
        (_, origin @ Origin::Tuple(..)) => origin.ascii_serialization(),
        // Schemes of apps, such as `capacitor://localhost`.
        (scheme, Origin::Opaque(_)) => {
            let host = url.host_str().filter(|host| !host.is_empty());
            let host = host.ok_or_else(|| cannot("no host"))?.to_ascii_lowercase();
            match url.port() {
                Some(port) => format!("{scheme}://{host}:{port}"),
                None => format!("{scheme}://{host}"),
            }
        }
    };
    match sent == text {
        true => Ok(()),
        false => Err(format!("browsers send as \"{sent}\"; write it so")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for good in [
            "https://play.example",
            "http://localhost:5173",
            "https://play.example:8443",
            "https://xn--bcher-kva.example",
            "http://[::1]:3000",
            "http://192.0.2.1",
            "capacitor://localhost",
            "chrome-extension://abcdefgh",
            "file://",
            "null",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, part) in [
            ("https://play.example/", "\"https://play.example\""),
            ("https://play.example/lobby", "\"https://play.example\""),
            ("https://play.example?x", "\"https://play.example\""),
            ("https://play.example#x", "\"https://play.example\""),
            ("https://me@play.example", "\"https://play.example\""),
            ("https://play.example:443", "\"https://play.example\""),
            ("http://play.example:80", "\"http://play.example\""),
            ("https://Play.Example", "\"https://play.example\""),
            ("HTTPS://play.example", "\"https://play.example\""),
            (" https://play.example", "\"https://play.example\""),
            (
                "https://bücher.example",
                "\"https://xn--bcher-kva.example\"",
            ),
            ("http://[::0001]:3000", "\"http://[::1]:3000\""),
            ("play.example", "\"https://play.example\""),
            ("play.example:8443", "\"https://play.example:8443\""),
            ("//play.example", "https"),
            ("*", "empty"),
            ("https://*.play.example", "wildcard"),
            ("wss://play.example", "https"),
            ("https://", "https"),
            ("https://a b", "https"),
            ("capacitor://Localhost/", "\"capacitor://localhost\""),
            ("", "https"),
        ] {
            let why = check(bad).unwrap_err();
            assert!(why.contains(part), "{bad}: {why}");
        }
    }
}
