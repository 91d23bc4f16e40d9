//! RFC 6455 from a client's side, without copies and without state.

/// Opcode of a text frame.
pub(crate) const TEXT: u8 = 1;
/// Opcode of a binary frame.
pub(crate) const BINARY: u8 = 2;
/// Opcode of a close frame.
pub(crate) const CLOSE: u8 = 8;
/// Opcode of a ping.
pub(crate) const PING: u8 = 9;
/// Opcode of a pong.
pub(crate) const PONG: u8 = 10;

/// One frame. The servers here do not fragment messages; a continuation is returned like any other frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
    /// The length of the whole frame in bytes.
    pub(crate) len: usize,
}

/// A masked frame (servers must not mask, RFC 6455, 5.1) or one of 2^63 bytes or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an invalid frame")]
pub(crate) struct BadFrame;

/// Returns the first frame of `bytes`; `None` if it is incomplete.
pub(crate) fn next(bytes: &[u8]) -> Result<Option<Frame<'_>>, BadFrame> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if second & 0x80 != 0 {
        return Err(BadFrame);
    }
    let (start, len) = match second {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, u16::from_be_bytes([a, b]).into()),
            _ => return Ok(None),
        },
        127 => match bytes.get(2..10).map(TryInto::try_into) {
            Some(Ok(len)) => (10, u64::from_be_bytes(len)),
            _ => return Ok(None),
        },
        len => (2, len.into()),
    };
    let end = usize::try_from(len)
        .ok()
        .and_then(|len| len.checked_add(start))
        .ok_or(BadFrame)?;
    Ok(bytes.get(start..end).map(|payload| Frame {
        opcode: first & 15,
        payload,
        len: end,
    }))
}

/// Appends a masked frame.
pub(crate) fn put(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    // A constant, because servers accept any key and a generator needs no protection from proxies.
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a server sends it.
    fn server(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..=125 => bytes.push(len as u8),
            len @ 126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                bytes.push(127);
                bytes.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_frame_is_read_once_it_is_complete() {
        for len in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let bytes = server(TEXT, &payload);
            for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                assert_eq!(next(&bytes[..cut]), Ok(None), "{len} cut at {cut}");
            }
            let frame = next(&bytes).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.len), (TEXT, bytes.len()));
            assert_eq!(frame.payload, payload);
        }
        assert_eq!(next(&[0x81, 0x80]), Err(BadFrame));
        let endless = [[0x82, 127].as_slice(), &[0xff; 8]].concat();
        assert_eq!(next(&endless), Err(BadFrame));
    }

    #[test]
    fn sent_frames_are_masked() {
        for len in [0, 5, 126, 70_000] {
            let payload = vec![b'y'; len];
            let mut bytes = Vec::new();
            put(BINARY, &payload, &mut bytes);
            let start = bytes.len() - len;
            let key: [u8; 4] = bytes[start - 4..start].try_into().unwrap();
            let unmasked: Vec<_> = (bytes[start..].iter().zip(key.iter().cycle()))
                .map(|(b, k)| b ^ k)
                .collect();
            assert_eq!(unmasked, payload);
            assert_eq!(bytes[1] & 0x80, 0x80);
        }
    }
}
