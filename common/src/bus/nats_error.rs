//! An error that NATS sends outside of answers: a denied permission, a limit, a slow consumer and the like.

use crate::subject;

/// The kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatsErrorKind {
    /// The user may not publish on a subject.
    PublishDenied,
    /// The user may not subscribe to a subject.
    SubscribeDenied,
    /// The login is refused, revoked or expired.
    Login,
    /// A limit of the server or the account is exceeded.
    Limit,
    /// A bucket refuses what is written to it: it is full, sealed, or its server has no space.
    WriteRefused,
    /// A subscription of the client library is full.
    SlowConsumer,
    /// The server is about to end.
    LameDuck,
    /// Anything else.
    Other,
}

impl NatsErrorKind {
    /// All kinds, each at its index.
    pub const ALL: [Self; 8] = [
        Self::PublishDenied,
        Self::SubscribeDenied,
        Self::Login,
        Self::Limit,
        Self::WriteRefused,
        Self::SlowConsumer,
        Self::LameDuck,
        Self::Other,
    ];

    /// The kind's name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublishDenied => "publish_denied",
            Self::SubscribeDenied => "subscribe_denied",
            Self::Login => "login",
            Self::Limit => "limit",
            Self::WriteRefused => "write_refused",
            Self::SlowConsumer => "slow_consumer",
            Self::LameDuck => "lame_duck",
            Self::Other => "other",
        }
    }

    /// Whether the process cannot do all of its work from now on.
    pub(crate) fn lasts(self) -> bool {
        match self {
            Self::PublishDenied | Self::SubscribeDenied => true,
            Self::Login | Self::Limit | Self::WriteRefused => true,
            Self::SlowConsumer | Self::LameDuck | Self::Other => false,
        }
    }
}

/// One error in NATS' words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NatsError {
    pub(crate) kind: NatsErrorKind,
    /// The subject of a denied permission, or the stream of a bucket that refuses a write.
    pub(crate) subject: Option<String>,
    pub(crate) words: String,
}

impl NatsError {
    /// Reads the text of an `-ERR` (`server/errors.go` and `server/client.go` of nats-server).
    pub(crate) fn parse(words: &str) -> Self {
        let lower = words.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
        let kind = if lower.starts_with("permissions violation for subscription") {
            NatsErrorKind::SubscribeDenied
        } else if lower.starts_with("permissions violation") {
            NatsErrorKind::PublishDenied
        } else if has(&["authorization violation", "authentication"]) {
            NatsErrorKind::Login
        } else if has(&["maximum", "exceeded"]) {
            NatsErrorKind::Limit
        } else if has(&["slow consumer"]) {
            NatsErrorKind::SlowConsumer
        } else {
            NatsErrorKind::Other
        };
        let subject = words.split('"').nth(1).map(str::to_owned);
        Self {
            kind,
            subject,
            words: words.to_owned(),
        }
    }

    /// The refusal of a write to a bucket, whose stream this is.
    pub(crate) fn write_refused(stream: &str, code: u32, description: &str) -> Self {
        Self {
            kind: NatsErrorKind::WriteRefused,
            subject: Some(stream.to_owned()),
            words: format!("{description} ({code})"),
        }
    }

    /// Whether it is a denied permission, which can be tried again.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(
            self.kind,
            NatsErrorKind::PublishDenied | NatsErrorKind::SubscribeDenied
        ) && self.subject.is_some()
    }

    /// The scope of the error: errors of one kind with the same scope are one fault.
    pub(crate) fn scope(&self) -> String {
        match (self.kind, &self.subject) {
            (NatsErrorKind::PublishDenied | NatsErrorKind::SubscribeDenied, Some(subject)) => {
                subject::family(subject)
            }
            (NatsErrorKind::WriteRefused, Some(stream)) => stream.clone(),
            (NatsErrorKind::SlowConsumer | NatsErrorKind::LameDuck, _) => String::new(),
            _ => self.words.clone(),
        }
    }

    /// The meaning of the error.
    pub(crate) fn text(&self) -> String {
        let words = &self.words;
        let scope = self.scope();
        match self.kind {
            NatsErrorKind::PublishDenied => {
                format!("NATS does not permit this process to publish on {scope}: {words}")
            }
            NatsErrorKind::SubscribeDenied => {
                format!("NATS does not permit this process to subscribe to {scope}: {words}")
            }
            NatsErrorKind::Login => format!("NATS refuses the login: {words}"),
            NatsErrorKind::Limit => format!("a limit of NATS is exceeded: {words}"),
            NatsErrorKind::WriteRefused => format!(
                "NATS does not store what is written to the bucket of the stream {scope}: {words}; see its limits and the \
                 free storage with `nats stream info {scope}`"
            ),
            NatsErrorKind::SlowConsumer => {
                format!("a subscription is full, so messages are lost: {words}")
            }
            NatsErrorKind::LameDuck => format!(
                "a NATS server is about to end, and the connection moves to another one: {words}"
            ),
            NatsErrorKind::Other => format!("NATS reports an error: {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_nats_are_told_apart() {
        for (words, kind, subject) in [
            (
                r#"Permissions Violation for Publish to "in.3.relay-1""#,
                NatsErrorKind::PublishDenied,
                Some("in.3.relay-1"),
            ),
            (
                r#"Permissions Violation for Subscription to "hot.relay-1" (sid "7")"#,
                NatsErrorKind::SubscribeDenied,
                Some("hot.relay-1"),
            ),
            ("authorization violation", NatsErrorKind::Login, None),
            ("User Authentication Expired", NatsErrorKind::Login, None),
            ("Maximum Subscriptions Exceeded", NatsErrorKind::Limit, None),
            (
                "maximum account active connections exceeded",
                NatsErrorKind::Limit,
                None,
            ),
            ("Stale Connection", NatsErrorKind::Other, None),
        ] {
            let error = NatsError::parse(words);
            assert_eq!((error.kind, error.subject.as_deref()), (kind, subject));
            assert_eq!(error.words, words);
        }
    }
}
