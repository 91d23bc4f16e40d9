//! Session tickets whose keys all edges derive from one secret and the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use grandstand_common::clock::unix_ms;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

/// The time for which a key encrypts new tickets.
const PERIOD: Duration = Duration::from_secs(6 * 3600);

/// The time for which a ticket is accepted, at least: the current key and the one before it decrypt.
const LIFETIME: Duration = PERIOD;

/// The bytes of the number of a key's period, at the start of a ticket.
const PERIOD_BYTES: usize = 8;

/// Encrypts and decrypts session tickets.
///
/// The key of a period follows from the secret and the period's number, so that edges that share a secret accept each
/// other's tickets, and nothing is sent around. A period's key is of no use after two periods.
pub(crate) struct Tickets {
    keys: Prk,
    random: SystemRandom,
    /// Added to the wall clock by tests, in milliseconds.
    shift_ms: AtomicU64,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

impl Tickets {
    /// Creates tickets with keys of this secret.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self {
            keys: Salt::new(HKDF_SHA256, b"grandstand session tickets 1").extract(secret),
            random: SystemRandom::new(),
            shift_ms: AtomicU64::new(0),
        }
    }

    fn period(&self) -> u64 {
        let now = unix_ms() + self.shift_ms.load(Ordering::Relaxed);
        now / PERIOD.as_millis() as u64
    }

    fn key(&self, period: u64) -> Option<LessSafeKey> {
        let key = self.derive(&period.to_be_bytes());
        UnboundKey::new(&AES_256_GCM, &key)
            .ok()
            .map(LessSafeKey::new)
    }

    /// The key for this use of the secret.
    pub(super) fn derive(&self, what_for: &[u8]) -> [u8; 32] {
        let mut key = [0; 32];
        let info = [what_for];
        let derived = self.keys.expand(&info, KeyLength);
        derived
            .and_then(|derived| derived.fill(&mut key))
            .expect("HKDF makes keys of 32 bytes");
        key
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let period = self.period();
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.key(period)?
            .seal_in_place_append_tag(nonce_used, Aad::empty(), &mut sealed)
            .ok()?;
        Some([&period.to_be_bytes(), nonce.as_slice(), &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (period, rest) = ticket.split_first_chunk::<PERIOD_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let period = u64::from_be_bytes(*period);
        let now = self.period();
        // Edges whose clocks differ may be one period ahead.
        if now.abs_diff(period) > 1 {
            return None;
        }
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .key(period)?
            .open_in_place(nonce, Aad::empty(), &mut plain);
        let length = opened.ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn later(tickets: &Tickets, by: Duration) {
        tickets
            .shift_ms
            .store(by.as_millis() as u64, Ordering::Relaxed);
    }

    #[test]
    fn edges_with_one_secret_accept_each_others_tickets() {
        let ticket = Tickets::new(SECRET).encrypt(b"state").unwrap();
        assert_eq!(Tickets::new(SECRET).decrypt(&ticket).unwrap(), b"state");
        let other = Tickets::new(b"another secret of thirty-two byte");
        assert_eq!(other.decrypt(&ticket), None);
    }

    #[test]
    fn a_ticket_is_accepted_for_its_lifetime_and_refused_after_two_periods() {
        let tickets = Tickets::new(SECRET);
        let ticket = tickets.encrypt(b"state").unwrap();
        later(&tickets, LIFETIME);
        assert!(tickets.decrypt(&ticket).is_some());
        later(&tickets, 2 * PERIOD);
        assert!(tickets.decrypt(&ticket).is_none());
    }

    #[test]
    fn no_damaged_ticket_is_accepted() {
        let tickets = Tickets::new(SECRET);
        let ticket = tickets.encrypt(b"state").unwrap();
        for byte in 0..ticket.len() {
            let mut damaged = ticket.clone();
            damaged[byte] ^= 1;
            assert_eq!(tickets.decrypt(&damaged), None, "byte {byte}");
            assert_eq!(tickets.decrypt(&ticket[..byte]), None, "{byte} bytes");
        }
    }
}
