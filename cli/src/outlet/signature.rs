//! Signatures of requests, by the Standard Webhooks specification, so that receivers can check them with existing libraries.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The beginning of a secret's text.
const PREFIX: &str = "whsec_";
/// The fewest and the most bytes of a secret, as the specification says.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The reason why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("must be `{PREFIX}` and base64")]
    Base64(#[from] base64::DecodeError),
    #[error("must be `{PREFIX}` and base64 of 24 to 64 bytes, and has {0}")]
    Length(usize),
}

/// Signs with one secret, or with a new and an old one while receivers exchange them.
#[derive(Clone)]
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Secrets in the form `whsec_…`, the current one first.
    ///
    /// # Errors
    /// If one cannot be used.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretError> {
        let key = |text: &str| {
            let bytes = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text))?;
            if !LENGTHS.contains(&bytes.len()) {
                return Err(SecretError::Length(bytes.len()));
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        secrets
            .into_iter()
            .map(key)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of the header `webhook-signature`: one signature for each secret. `None` without a secret.
    pub(super) fn sign(&self, id: &str, unix_s: u64, body: &[u8]) -> Option<String> {
        let mut all = String::new();
        for key in &self.0 {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{unix_s}.").as_bytes());
            context.update(body);
            let separator = if all.is_empty() { "" } else { " " };
            let _ = write!(all, "{separator}v1,{}", STANDARD.encode(context.sign()));
        }
        (!all.is_empty()).then_some(all)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn a_signature_is_that_of_the_libraries_of_receivers() {
        let signer = Signer::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned())
        );
    }

    #[test]
    fn an_old_secret_signs_as_well_while_secrets_are_exchanged() {
        let new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let old = format!("whsec_{}", STANDARD.encode([7; 32]));
        let each = [new, &old].map(|secret| Signer::new([secret]).unwrap().sign("a", 1, b"x"));
        let both = Signer::new([new, &old])
            .unwrap()
            .sign("a", 1, b"x")
            .unwrap();
        let wanted: Vec<_> = each.into_iter().flatten().collect();
        assert_eq!(both, wanted.join(" "));
        assert_eq!(Signer::new([]).unwrap().sign("a", 1, b"x"), None);
        let short = Signer::new(["whsec_AAAA"]).unwrap_err().to_string();
        assert!(short.contains("24 to 64 bytes"), "{short}");
        assert!(Signer::new(["whsec_?"]).is_err());
    }
}
