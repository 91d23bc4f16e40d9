//! One permission, and a subject to try it with.

use crate::bus::nats_error::{NatsError, NatsErrorKind};
use crate::subject;

/// The token of a trial's subjects. No id contains it, so nobody listens there.
pub(super) const TRIAL: &str = "=trial";

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Publish,
    Subscribe,
}

/// A permission, as an operator writes it, and a subject to try it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) verb: Verb,
    pub(super) permission: String,
    pub(super) subject: String,
}

impl Trial {
    /// The trial of a permission that was denied.
    pub(super) fn again(error: &NatsError) -> Option<Self> {
        let subject = error.subject.clone()?;
        let verb = match error.kind {
            NatsErrorKind::SubscribeDenied => Verb::Subscribe,
            _ => Verb::Publish,
        };
        Some(Self {
            verb,
            permission: subject::family(&subject),
            subject,
        })
    }

    pub(super) fn is_about(&self, error: &NatsError) -> bool {
        let kind = match self.verb {
            Verb::Publish => NatsErrorKind::PublishDenied,
            Verb::Subscribe => NatsErrorKind::SubscribeDenied,
        };
        error.kind == kind && error.subject.as_ref() == Some(&self.subject)
    }
}
