//! Origins from which browsers may connect (RFC 6454), compared by their meaning.

use std::sync::Arc;

// Held to read or replace one pointer.
use parking_lot::RwLock;
use url::{Origin, Url};

/// The origins that may connect; all if there are none. Clones share them, and they may be replaced at any time.
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<RwLock<Arc<[OriginRule]>>>);

impl Origins {
    /// Allows these origins.
    pub fn new(rules: Vec<OriginRule>) -> Self {
        let origins = Self::default();
        origins.replace(rules);
        origins
    }

    /// Allows these origins from now on, instead of the former ones.
    pub fn replace(&self, rules: Vec<OriginRule>) {
        *self.0.write() = rules.into();
    }

    /// Whether pages of an origin, as in the header `Origin`, may connect.
    pub fn allow(&self, sent: &str) -> bool {
        let rules = Arc::clone(&self.0.read());
        if rules.is_empty() {
            return true;
        }
        // Browsers send the canonical form.
        rules.iter().any(|rule| rule.is(sent))
            || canonical(sent).is_ok_and(|sent| rules.iter().any(|rule| rule.allows(&sent)))
    }
}

/// One origin, or all subdomains of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRule {
    /// The origin as browsers send it; of subdomains with a `*` as their first label.
    text: String,
    is_wildcard: bool,
}

impl OriginRule {
    /// Reads an origin of a configuration: `https://play.example`, also in capitals, with the default port, with a slash at
    /// its end or with letters beyond ASCII, and `https://*.play.example` for all subdomains.
    ///
    /// # Errors
    /// The problem and how to fix it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "*" {
            return Err("is no origin; leave the list empty to allow all".to_owned());
        }
        if !text.contains("://") && text != "null" {
            return Err(format!("has no scheme; write \"https://{text}\""));
        }
        let canonical = canonical(text)?;
        let is_wildcard = canonical.contains('*');
        if is_wildcard {
            check_wildcard(&canonical)?;
        }
        Ok(Self {
            text: canonical,
            is_wildcard,
        })
    }

    fn is(&self, sent: &str) -> bool {
        !self.is_wildcard && self.text == sent
    }

    /// `sent` is in its canonical form.
    fn allows(&self, sent: &str) -> bool {
        match self.text.split_once('*') {
            Some((scheme, parent)) if self.is_wildcard => {
                let labels = sent
                    .strip_prefix(scheme)
                    .and_then(|rest| rest.strip_suffix(parent));
                labels.is_some_and(|labels| !labels.is_empty() && !labels.contains('*'))
            }
            _ => self.is(sent),
        }
    }
}

/// The origin as browsers send it.
fn canonical(text: &str) -> Result<String, String> {
    // Pages without an origin of their own send `null`, and some app frameworks `file://`.
    if text == "null" || text.trim_end_matches('/') == "file:" {
        let file = if text == "null" { "null" } else { "file://" };
        return Ok(file.to_owned());
    }
    let cannot =
        |why: &str| format!("cannot be an origin ({why}); write one like \"https://play.example\"");
    let url = Url::parse(text).map_err(|why| cannot(&why.to_string()))?;
    let origin = match (url.scheme(), url.origin()) {
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
    let has_more = !matches!(url.path(), "" | "/")
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some();
    if has_more {
        Err(format!(
            "has more than scheme, host and port; write \"{origin}\""
        ))
    } else {
        Ok(origin)
    }
}

/// Checks that a `*` stands for all subdomains of a domain.
fn check_wildcard(origin: &str) -> Result<(), String> {
    let host = origin.split_once("://*.").map(|(_, parent)| parent);
    let host = host.map(|parent| parent.rsplit_once(':').map_or(parent, |(host, _)| host));
    match host {
        Some(host) if host.contains('*') => {}
        // A whole top-level domain belongs to many.
        Some(host) if !host.trim_end_matches('.').contains('.') && host != "localhost" => {
            return Err(format!(
                "stands for all of .{host}; name a domain, such as \"https://*.play.{host}\""
            ));
        }
        Some(_) => return Ok(()),
        None => {}
    }
    Err(
        "has a `*` elsewhere than as the first label; write \"https://*.play.example\" for all subdomains, or leave the \
         list empty to allow all"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Origins {
        let rules = list.iter().map(|text| OriginRule::parse(text).unwrap());
        Origins::new(rules.collect())
    }

    #[test]
    fn an_origin_is_taken_in_its_meaning() {
        for (written, sent) in [
            ("https://play.example", "https://play.example"),
            ("https://play.example/", "https://play.example"),
            ("https://play.example:443", "https://play.example"),
            ("http://play.example:80/", "http://play.example"),
            ("HTTPS://Play.Example", "https://play.example"),
            (" https://play.example ", "https://play.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
            ("https://play.example:8443", "https://play.example:8443"),
            ("http://[::0001]:3000", "http://[::1]:3000"),
            ("http://192.0.2.1", "http://192.0.2.1"),
            ("capacitor://Localhost/", "capacitor://localhost"),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
            ("file://", "file://"),
            ("file:///", "file://"),
            ("null", "null"),
            // No browser sends these, but other clients may.
            ("https://play.example", "https://play.example:443"),
            ("https://play.example", "HTTPS://PLAY.EXAMPLE"),
        ] {
            let origins = origins(&["https://other.example", written]);
            assert!(origins.allow(sent), "{written}: {sent}");
        }
        let one = origins(&["https://play.example"]);
        for other in [
            "http://play.example",
            "https://play.example:8443",
            "https://a.play.example",
            "https://play.example.evil",
            "https://evilplay.example",
            "https://play.example@evil",
            "null",
            "",
            "play.example",
        ] {
            assert!(!one.allow(other), "{other}");
        }
        assert!(origins(&[]).allow("https://any.example"));
        let shared = one.clone();
        shared.replace(vec![OriginRule::parse("https://new.example").unwrap()]);
        assert!(one.allow("https://new.example") && !one.allow("https://play.example"));
    }

    #[test]
    fn a_wildcard_stands_for_all_subdomains_and_nothing_else() {
        let origins = origins(&["https://*.Play.Example:443/", "http://*.localhost:3000"]);
        for good in [
            "https://a.play.example",
            "https://b.a.play.example",
            "http://x.localhost:3000",
        ] {
            assert!(origins.allow(good), "{good}");
        }
        for bad in [
            "https://play.example",
            "https://.play.example",
            "https://*.play.example",
            "https://evilplay.example",
            "http://a.play.example",
            "https://a.play.example:8443",
            "https://a.play.example.evil",
            "https://evil/.play.example",
            "https://evil#.play.example",
            "https://evil@a.play.example/",
            "http://x.localhost",
        ] {
            assert!(!origins.allow(bad), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_an_origin_is_refused_with_words() {
        for (bad, part) in [
            ("https://play.example/lobby", "\"https://play.example\""),
            ("https://play.example?x", "\"https://play.example\""),
            ("https://play.example#x", "\"https://play.example\""),
            ("https://me@play.example", "\"https://play.example\""),
            ("play.example", "\"https://play.example\""),
            ("play.example:8443", "\"https://play.example:8443\""),
            ("//play.example", "https"),
            ("*", "empty"),
            ("*.play.example", "\"https://*.play.example\""),
            ("https://*", "first label"),
            ("https://play.*.example", "first label"),
            ("https://pl*.example", "first label"),
            ("https://*.*.example", "first label"),
            ("https://*.example", "all of .example"),
            ("https://*.192.0.2.1", "https"),
            ("wss://play.example", "http or https"),
            ("https://", "https"),
            ("https://a b", "https"),
            ("https://play.example:99999", "port"),
            ("", "https"),
        ] {
            let why = OriginRule::parse(bad).unwrap_err();
            assert!(why.contains(part), "{bad}: {why}");
        }
    }
}
