//! Verifies tokens with the keys that the edge trusts.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind as JwtError;
use jsonwebtoken::{Algorithm, Validation};
// Held to read or replace one pointer.
use parking_lot::RwLock;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::sync::Notify;

use crate::auth::error::AuthError;
use crate::auth::grants::Grants;
use crate::auth::keys::Key;
use crate::auth::player::player_name;
use crate::auth::revocations::Revocations;
use crate::auth::rules::Rules;

/// The algorithms of the keys that a key set may have.
const PUBLIC: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The claims that tokens must have, beside those that every token has, and whether a client needs a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The milliseconds that clocks may differ by.
    pub leeway_ms: u64,
    /// The `aud` that tokens must have; `None`: tokens with an `aud` are refused (RFC 7519 section 4.1.3).
    pub audience: Option<String>,
    /// The `iss` that tokens must have; any if `None`.
    pub issuer: Option<String>,
    /// Whether clients without a token may watch all rooms.
    pub anonymous_spectators: bool,
}

/// Verifies tokens. Clones share the keys, which may be replaced at any time.
#[derive(Clone, Default)]
pub struct Verifier(Arc<Shared>);

#[derive(Default)]
struct Shared {
    trust: RwLock<Arc<Trust>>,
    revocations: Revocations,
    /// Notified when a token has a key that is not known, but may be in the key set by now.
    missed: Notify,
}

/// All keys, and the claims that tokens must have.
#[derive(Debug, Clone, Default)]
struct Trust {
    expected: Expected,
    /// The keys of the configuration.
    own: Vec<Key>,
    /// The keys of the key set, and whether there is one.
    set: Option<Vec<Key>>,
}

impl Verifier {
    /// Verifies tokens with these keys.
    pub fn new(keys: Vec<Key>, expected: Expected) -> Self {
        let verifier = Self::default();
        verifier.replace(keys, expected);
        verifier
    }

    /// Replaces the keys of the configuration, and the claims that tokens must have. The keys of the key set stay.
    pub fn replace(&self, keys: Vec<Key>, expected: Expected) {
        self.change(|trust| {
            trust.own = keys;
            trust.expected = expected;
        });
    }

    /// Says that there is a key set, whose keys may come later.
    pub(super) fn expect_set(&self) {
        self.change(|trust| trust.set.get_or_insert_default().clear());
    }

    /// Replaces the keys of the key set. Tokens of removed keys are refused from now on.
    pub(super) fn replace_set(&self, keys: Vec<Key>) {
        self.change(|trust| trust.set = Some(keys));
    }

    /// Says that there is no key set. Tokens of its keys are refused from now on.
    pub(super) fn forget_set(&self) {
        self.change(|trust| trust.set = None);
    }

    fn change(&self, change: impl FnOnce(&mut Trust)) {
        let mut trust = self.0.trust.write();
        change(Arc::make_mut(&mut trust));
    }

    /// The number of keys.
    pub fn keys(&self) -> usize {
        self.0.trust.read().keys().count()
    }

    /// Verifies `token` at `now_ms` (Unix).
    ///
    /// # Errors
    /// Why the token was refused.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Grants, AuthError> {
        let trust = Arc::clone(&self.0.trust.read());
        let opened = trust.open(token);
        if matches!(opened, Err(AuthError::UnknownKey)) {
            self.0.missed.notify_one();
        }
        let grants = trust.grants(&opened?, now_ms)?;
        if self.0.revocations.has(&grants, now_ms) {
            Err(AuthError::Revoked)
        } else {
            Ok(grants)
        }
    }

    /// The revoked players, tokens and rooms.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// The rights of a client without a token; `None` if it needs one.
    pub fn without_token(&self) -> Option<Grants> {
        let is_allowed = self.0.trust.read().expected.anonymous_spectators;
        is_allowed.then(Grants::anonymous)
    }

    /// Waits until a token has a key that is not known.
    pub(super) async fn missed(&self) {
        self.0.missed.notified().await;
    }
}

impl Trust {
    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.own.iter().chain(self.set.iter().flatten())
    }

    /// Checks the signature, `aud` and `iss`.
    fn open(&self, token: &str) -> Result<RawClaims, AuthError> {
        let header = RawHeader::of(token).ok_or(AuthError::Malformed)?;
        if header.crit {
            return Err(AuthError::Critical);
        }
        let algorithm = header.alg.parse::<Algorithm>().ok();
        let fits = |key: &&Key| Some(key.algorithm()) == algorithm;
        let kid = header.kid.as_deref();
        let named = |key: &&Key| kid.is_some() && key.id() == kid;
        if let Some(key) = self.keys().find(named) {
            return if self.keys().any(|key| named(&key) && fits(&key)) {
                self.try_keys(self.keys().filter(named).filter(fits), token)
            } else {
                Err(AuthError::Algorithm(format!("{:?}", key.algorithm())))
            };
        }
        let unnamed = |key: &&Key| key.id().is_none();
        let opened = self.try_keys(self.keys().filter(unnamed).filter(fits), token);
        if !matches!(opened, Err(AuthError::Signature | AuthError::UnknownKey)) {
            return opened;
        }
        // A token without `kid` may be signed with a key that has one, if there is no doubt which.
        let mut of_set = self.set.iter().flatten().filter(fits);
        if let (None, Some(only), None) = (kid, of_set.next(), of_set.next()) {
            return self.try_keys([only].into_iter(), token);
        }
        let may_be_new = algorithm.is_some_and(|algorithm| PUBLIC.contains(&algorithm))
            && self
                .set
                .as_ref()
                .is_some_and(|set| kid.is_some() || set.is_empty());
        match self.keys().any(|key| fits(&key)) {
            _ if may_be_new => Err(AuthError::UnknownKey),
            true => opened,
            false => Err(AuthError::Algorithm(self.algorithms())),
        }
    }

    /// Opens a token with the first of these keys that fits.
    fn try_keys<'a>(
        &self,
        keys: impl Iterator<Item = &'a Key>,
        token: &str,
    ) -> Result<RawClaims, AuthError> {
        let mut why = AuthError::UnknownKey;
        for key in keys {
            let validation = self.validation(key.algorithm());
            match jsonwebtoken::decode::<RawClaims>(token, key.decoding(), &validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => why = reason(error.kind()),
            }
            if why != AuthError::Signature {
                break;
            }
        }
        Err(why)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        // `grants` checks it against the caller's clock.
        validation.validate_exp = false;
        let required = &mut validation.required_spec_claims;
        if self.expected.audience.is_some() {
            required.insert("aud".to_owned());
        }
        if self.expected.issuer.is_some() {
            required.insert("iss".to_owned());
        }
        if let Some(audience) = &self.expected.audience {
            validation.set_audience(&[audience]);
        }
        if let Some(issuer) = &self.expected.issuer {
            validation.set_issuer(&[issuer]);
        }
        validation
    }

    /// The algorithms of all keys, for people.
    fn algorithms(&self) -> String {
        let mut names: Vec<_> = self
            .keys()
            .map(|key| format!("{:?}", key.algorithm()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.join(" or ")
    }

    /// Checks the times, and reads the permissions.
    fn grants(&self, claims: &RawClaims, now_ms: u64) -> Result<Grants, AuthError> {
        let leeway_ms = self.expected.leeway_ms;
        let expires_ms = millis(claims.exp.as_ref()).ok_or(AuthError::Claim {
            claim: "exp",
            expected: "a time in Unix seconds",
        })?;
        let last_ms = expires_ms.saturating_add(leeway_ms);
        if last_ms <= now_ms {
            return Err(AuthError::Expired);
        }
        // A token that is valid only by the leeway is valid until the leeway ends.
        let expires_ms = if expires_ms <= now_ms {
            last_ms
        } else {
            expires_ms
        };
        if let Some(from) = &claims.nbf {
            let from_ms = millis(Some(from)).ok_or(AuthError::Claim {
                claim: "nbf",
                expected: "a time in Unix seconds",
            })?;
            if from_ms > now_ms.saturating_add(leeway_ms) {
                return Err(AuthError::TooEarly);
            }
        }
        let player = text(claims.sub.as_deref()).and_then(|sub| player_name(&sub).ok());
        let player = player.ok_or(AuthError::Claim {
            claim: "sub",
            expected: "a player's name of at most 128 bytes, without control and format characters",
        })?;
        let rooms = Rules::parse(claims.rooms.as_deref())?;
        // Tokens without these claims are revoked by player only; junk in them says nothing.
        let id = text(claims.jti.as_deref());
        let issued_s = millis(claims.iat.as_ref()).map(|ms| ms / 1000);
        Ok(Grants::new(player, expires_ms, rooms).of_token(id.as_deref(), issued_s))
    }
}

fn reason(error: &JwtError) -> AuthError {
    match error {
        JwtError::InvalidSignature => AuthError::Signature,
        JwtError::InvalidAudience => AuthError::Audience,
        JwtError::InvalidIssuer => AuthError::Issuer,
        JwtError::MissingRequiredClaim(claim) if claim == "aud" => AuthError::Audience,
        JwtError::MissingRequiredClaim(claim) if claim == "iss" => AuthError::Issuer,
        _ => AuthError::Malformed,
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier")
            .field(&self.0.trust.read())
            .finish()
    }
}

/// The parts of a token's header that choose the key.
#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

impl RawHeader {
    fn of(token: &str) -> Option<Self> {
        let (header, rest) = token.split_once('.')?;
        rest.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
    }
}

/// The claims of a token, each as raw JSON, so that an error can name the invalid one.
#[derive(Deserialize)]
struct RawClaims {
    sub: Option<Box<RawValue>>,
    exp: Option<Box<RawValue>>,
    nbf: Option<Box<RawValue>>,
    iat: Option<Box<RawValue>>,
    jti: Option<Box<RawValue>>,
    rooms: Option<Box<RawValue>>,
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// Converts a NumericDate (RFC 7519 section 2: seconds, possibly with a fraction) to milliseconds.
fn millis(raw: Option<impl AsRef<RawValue>>) -> Option<u64> {
    let seconds: f64 = serde_json::from_str(raw?.as_ref().get()).ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0) as u64)
}
