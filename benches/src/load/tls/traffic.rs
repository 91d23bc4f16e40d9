//! Records after the handshake (RFC 8446, 5). A generator decrypts hundreds of thousands of short ones a second, each of
//! another connection. Done here, one takes 0.3 µs; rustls needs 0.7, because it keeps more state per connection and copies
//! each record twice.

use std::io;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::{ConnectionTrafficSecrets, ExtractedSecrets};

use super::invalid::invalid;

/// The length of a record's header.
const HEADER: usize = 5;
/// The most bytes of plaintext in a record.
const RECORD: usize = 16 << 10;
/// The most bytes after a record's header.
const MAX_BODY: usize = RECORD + 256;
/// Types of records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
/// The header of a record before its length: the type, which is always that of data, and the version.
const START: [u8; 3] = [DATA, 3, 3];
/// Types of messages of the handshake.
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// The alert with which the server ends its side.
const CLOSE_NOTIFY: u8 = 0;

/// The keys of a connection.
pub(super) struct Traffic {
    received: Key,
    sent: Key,
    kernel: Box<KernelConnection<ClientConnectionData>>,
    ended: bool,
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traffic")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// The key of one direction.
struct Key {
    key: LessSafeKey,
    iv: [u8; 12],
    number: u64,
}

impl Key {
    fn new((number, secrets): (u64, ConnectionTrafficSecrets)) -> io::Result<Self> {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            return Err(invalid("a cipher suite that was not offered"));
        };
        let unfit = |_| invalid("a key of the wrong length");
        let key = UnboundKey::new(&AES_128_GCM, key.as_ref()).map_err(unfit)?;
        let iv = iv.as_ref().try_into();
        Ok(Self {
            key: LessSafeKey::new(key),
            iv: iv.map_err(|_| invalid("a nonce of the wrong length"))?,
            number,
        })
    }

    /// The nonce of the next record.
    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.number.to_be_bytes()) {
            *byte ^= number;
        }
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Traffic {
    pub(super) fn new(
        secrets: ExtractedSecrets,
        kernel: KernelConnection<ClientConnectionData>,
    ) -> io::Result<Self> {
        Ok(Self {
            received: Key::new(secrets.rx)?,
            sent: Key::new(secrets.tx)?,
            kernel: Box::new(kernel),
            ended: false,
        })
    }

    /// Whether the server has ended its side.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Decrypts all complete records, appends their data to `plain` and answers to `out`. Returns the number of bytes
    /// that it has used.
    pub(super) fn decrypt(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut used = 0;
        while let Some((header, rest)) = wire[used..].split_first_chunk_mut::<HEADER>() {
            let len = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if header[..3] != START || len > MAX_BODY {
                return Err(invalid("the server sent no record of TLS"));
            }
            let Some(body) = rest.get_mut(..len) else {
                break;
            };
            let nonce = self.received.nonce();
            let opened = (self.received.key).open_in_place(nonce, Aad::from(*header), body);
            let opened = opened.map_err(|_| invalid("a record cannot be decrypted"))?;
            // The type follows the content, and zeros may follow the type.
            let Some(end) = opened.iter().rposition(|&byte| byte != 0) else {
                return Err(invalid("a record has no type"));
            };
            let content = &opened[..end];
            let kind = opened[end];
            used += HEADER + len;
            match kind {
                DATA => plain.extend_from_slice(content),
                HANDSHAKE => self.handle_messages(content, out)?,
                ALERT if content.get(1) == Some(&CLOSE_NOTIFY) => self.ended = true,
                ALERT => {
                    let code = content.get(1).copied().unwrap_or_default();
                    return Err(invalid(format!("the server sent alert {code}")));
                }
                _ => return Err(invalid("a record has an unknown type")),
            }
        }
        Ok(used)
    }

    /// Handles the messages of the handshake in one record. Servers send whole ones.
    fn handle_messages(&mut self, mut content: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while let [kind, a, b, c, rest @ ..] = content {
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((message, rest)) = rest.split_at_checked(len) else {
                return Err(invalid("a message is not in one record"));
            };
            content = rest;
            match (*kind, message) {
                (NEW_SESSION_TICKET, ticket) => {
                    let handled = self.kernel.handle_new_session_ticket(ticket);
                    handled.map_err(invalid)?;
                }
                (KEY_UPDATE, [asks @ 0..=1]) => {
                    let next = self.kernel.update_rx_secret();
                    self.received = Key::new(next.map_err(invalid)?)?;
                    if *asks == 1 {
                        self.put(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0], out)?;
                        let next = self.kernel.update_tx_secret();
                        self.sent = Key::new(next.map_err(invalid)?)?;
                    }
                }
                _ => return Err(invalid("an unexpected message after the handshake")),
            }
        }
        Ok(())
    }

    /// Encrypts bytes into records.
    pub(super) fn encrypt(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut parts = bytes.chunks(RECORD);
        parts.try_for_each(|part| self.put(DATA, part, out))
    }

    /// Appends a record.
    fn put(&mut self, kind: u8, content: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len() + HEADER;
        let len = content.len() + 1 + AES_128_GCM.tag_len();
        let [high, low] = (len as u16).to_be_bytes();
        let header = [START[0], START[1], START[2], high, low];
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.push(kind);
        let nonce = self.sent.nonce();
        let aad = Aad::from(header);
        let sealed = (self.sent.key).seal_in_place_separate_tag(nonce, aad, &mut out[start..]);
        let tag = sealed.map_err(|_| invalid("a record cannot be encrypted"))?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }
}
