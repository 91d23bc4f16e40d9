//! One permission, and a subject to try it with.

use crate::bus::nats_error::{NatsError, NatsErrorKind};
use crate::subject;

/// The token of a trial's subjects. No id contains it, so no process listens there.
pub(super) const TRIAL: &str = "=trial";

/// The direction of messages for a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Publish,
    Subscribe,
}

/// A permission, as an operator writes it, and a subject to try it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) direction: Direction,
    pub(super) permission: String,
    pub(super) subject: String,
}

impl Trial {
    /// The trial of a permission that was denied.
    pub(super) fn again(error: &NatsError) -> Option<Self> {
        let subject = error.subject.clone()?;
        let direction = match error.kind {
            NatsErrorKind::SubscribeDenied => Direction::Subscribe,
            _ => Direction::Publish,
        };
        Some(Self {
            direction,
            permission: subject::family(&subject),
            subject,
        })
    }

    pub(super) fn is_about(&self, error: &NatsError) -> bool {
        let kind = match self.direction {
            Direction::Publish => NatsErrorKind::PublishDenied,
            Direction::Subscribe => NatsErrorKind::SubscribeDenied,
        };
        error.kind == kind && error.subject.as_ref() == Some(&self.subject)
    }
}
