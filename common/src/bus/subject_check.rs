//! Validation of subjects, patterns, keys and prefixes, the same for both buses.

use crate::bus::error::{BusError, PublishError};

fn tokens_ok(text: &str, token_ok: impl Fn(&str, bool) -> bool) -> bool {
    let mut tokens = text.split('.').peekable();
    while let Some(token) = tokens.next() {
        let plain =
            !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || c.is_control());
        if !plain || !token_ok(token, tokens.peek().is_none()) {
            return false;
        }
    }
    true
}

/// Checks the subject of a message.
pub(crate) fn subject(subject: &str) -> Result<(), PublishError> {
    let ok = tokens_ok(subject, |token, _| !token.contains(['*', '>']));
    if ok {
        Ok(())
    } else {
        Err(PublishError::BadSubject(subject.to_owned()))
    }
}

/// Checks the pattern of a subscription.
pub(crate) fn pattern(pattern: &str) -> Result<(), BusError> {
    let ok = tokens_ok(pattern, |token, last| {
        token == "*" || (token == ">" && last) || !token.contains(['*', '>'])
    });
    if ok {
        Ok(())
    } else {
        Err(BusError::BadSubject(pattern.to_owned()))
    }
}

/// Checks a key of a bucket: `[-/_=.a-zA-Z0-9]+`, no empty token.
pub(crate) fn key(key: &str) -> Result<(), PublishError> {
    let ok = tokens_ok(key, |token, _| {
        token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-/_=".contains(&b))
    });
    if ok {
        Ok(())
    } else {
        Err(PublishError::BadSubject(key.to_owned()))
    }
}

/// Checks the id of a message: a key of at most 128 bytes.
pub(crate) fn message_id(id: &str) -> Result<(), PublishError> {
    if id.len() > 128 {
        return Err(PublishError::BadSubject(id.to_owned()));
    }
    key(id)
}

/// Checks the prefix of watched keys: empty, or whole tokens with their dot.
pub(crate) fn prefix(prefix: &str) -> Result<(), BusError> {
    let ok = prefix.is_empty()
        || prefix
            .strip_suffix('.')
            .is_some_and(|tokens| key(tokens).is_ok());
    if ok {
        Ok(())
    } else {
        Err(BusError::BadSubject(prefix.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_that_nats_would_reject_are_rejected() {
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\r\nb"] {
            assert!(subject(bad).is_err(), "{bad:?}");
        }
        assert!(subject("in.7.memory-42").is_ok());
        assert!(pattern("in.*.>").is_ok());
        assert!(pattern("in.>.a").is_err());
        assert!(pattern("in.a*").is_err());
        assert!(key("7.=checkpoint").is_ok());
        assert!(key("7.a b").is_err());
        assert!(message_id("9f3c.1").is_ok());
        assert!(message_id("").is_err() && message_id(&"a".repeat(129)).is_err());
        assert!(prefix("").is_ok() && prefix("7.").is_ok());
        assert!(prefix("7").is_err() && prefix(".").is_err());
    }
}
